"""The sampling decisions of proxies since their start, and whether they agree with the configured rates."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from consul_tracing.errors import format_rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consul_tracing.names import JsonObject

    from .proxies import Proxy

RANDOM, NONE = "random_sampling", "not_traceable"
FORCED = ("client_enabled", "service_forced")
REASONS = (RANDOM, NONE, *FORCED, "health_check")
"""Envoy counts each request under one of these reasons.

Ref: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_conn_man/stats#tracing-statistics
"""

DEVIATIONS = 5
"""Standard deviations of a binomial distribution that chance does not exceed: one wrong note in a million runs."""

REQUESTS_WITH_ONE_ID = 10
"""Requests of one proxy that may have the same request id, and with it the same decision: fan-out, both listeners."""

MIN_REQUESTS = 100

MIN_SHARE = 0.01
"""Part of all requests by which the shares must differ. A few unusual request ids are normal."""

START = timedelta(minutes=1)
"""Listeners that are older than this after the start have had one rate since the start."""


@dataclass(frozen=True)
class Decisions:
    """The sampling decisions of a proxy since its start."""

    proxy: str
    rate: float
    """The configured rate of requests without trace context, in percent."""
    requests: int
    """Requests of its HTTP listeners, without health checks."""
    random: int
    """Requests that the listeners sampled at random, by the request id."""
    forced: int
    """Requests that a caller forced with x-client-trace-id or x-envoy-force-trace."""
    not_traceable: int
    """Requests that the listeners did not sample. The tracer still follows the trace context of a caller."""
    health_checks: int
    traced: int | None
    """Requests with a span. None if the tracer does not count spans."""
    has_sampler: bool = False
    """Whether the tracer's own sampler decides, and the listener samples all requests."""
    is_comparable: bool = True
    """Whether the listeners have had their rate since the start."""

    def as_json(self) -> JsonObject:
        """Return the decisions for the JSON report."""
        names = ("proxy", "rate", "requests", "random", "forced", "not_traceable", "health_checks", "traced")
        return {name: getattr(self, name) for name in names}


def decisions_of(proxy: Proxy) -> Decisions:
    """Return the sampling decisions of a proxy since its start."""
    prefixes = "|".join(
        map(re.escape, dict.fromkeys(name for one in proxy.http_listeners for name in one.stat_prefixes))
    )

    def count(*reasons: str) -> int:
        pattern = rf"http\.({prefixes})\.tracing\.({'|'.join(reasons)})"
        return sum(value for name, value in proxy.stats.items() if re.fullmatch(pattern, name))

    spans = [value for name, value in proxy.stats.items() if re.fullmatch(r"tracing\.\w+\.spans_sent", name)]
    has_upstream_spans = any((one.tracing or {}).get("spawn_upstream_span") for one in proxy.http_listeners)
    return Decisions(
        proxy=proxy.label,
        rate=proxy.rate,
        requests=count(RANDOM, NONE, *FORCED),
        random=count(RANDOM),
        forced=count(*FORCED),
        not_traceable=count(NONE),
        health_checks=count("health_check"),
        traced=sum(spans) // (2 if has_upstream_spans else 1) if spans else None,
        has_sampler=proxy.sampler_rate is not None,
        is_comparable=all(_is_from_start(one.updated, proxy.running.started) for one in proxy.http_listeners),
    )


def decision_notes(found: Iterable[Decisions]) -> Iterator[str]:
    """Yield a note for the proxies of each rate, and one for each proxy that does not sample at its rate."""
    shares: dict[float, list[str]] = defaultdict(list)
    differences = []
    for one in found:
        if not one.requests:
            continue
        share = one.random if one.traced is None else min(one.traced, one.requests)
        shares[one.rate].append(f"{one.proxy} {share:,} of {one.requests:,} ({_percent(share, one)})")
        if one.is_comparable and (difference := _difference(one)):
            differences.append(f"{one.proxy} {difference}")
    for rate, proxies in shares.items():
        now = f"the rate is {format_rate(rate)} now"
        yield f"received and sent requests traced since the start ({now}): {', '.join(proxies)}"
    yield from differences


def _difference(one: Decisions) -> str:
    if not one.has_sampler and _differs(one.random, one):
        return (
            f"samples {_percent(one.random, one)} of its requests at random, and not {format_rate(one.rate)}: request "
            "ids that callers set decide (CT413), the first proxy has another rate, or the rate was another one before"
        )
    if one.traced is not None and one.traced < one.requests * one.rate / 100 and _differs(one.traced, one):
        return (
            f"traces {_percent(one.traced, one)} of its requests, and not {format_rate(one.rate)}: callers or a "
            "gateway mark the others as not sampled (CT405, CT406)"
        )
    return ""


def _differs(count: int, one: Decisions) -> bool:
    """Return whether a number of sampled requests is not that of the rate, except by chance."""
    share, number = one.rate / 100, one.requests
    chance = DEVIATIONS * (number * share * (1 - share) * REQUESTS_WITH_ONE_ID) ** 0.5
    return number >= MIN_REQUESTS and abs(count - number * share) > max(
        chance, number * (min(MIN_SHARE, share / 2) or MIN_SHARE)
    )


def _percent(count: int, one: Decisions) -> str:
    return format_rate(float(f"{100 * count / one.requests:.2g}"))


def _is_from_start(updated: str, started: str) -> bool:
    """Return whether a listener was updated at the start of its proxy, or its time is not known."""
    try:
        return datetime.fromisoformat(updated) - datetime.fromisoformat(started) < START
    except ValueError:
        return not updated
