"""Mistakes in the sampling of OpenTelemetry, and fields of listeners that Consul cannot parse."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consul_tracing.envoy import TYPE
from consul_tracing.envoy_messages.json_values import at, members
from consul_tracing.envoy_messages.messages import LISTENER_TRACING, TRACING
from consul_tracing.envoy_messages.reader import is_json, read, read_listener
from consul_tracing.envoy_messages.releases import CONSUL_MESSAGES
from consul_tracing.envoy_messages.tracers import OPENTELEMETRY, SKYWALKING, sampler_percent
from consul_tracing.names import (
    LISTENER_DECISION_ENVOY,
    LISTENER_KEY,
    SAMPLER_ENVOY,
    SAMPLING_RATES,
    TRACER_KEY,
    release_text,
)
from consul_tracing.severities import Severity

from .findings import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.names import EnvoyRelease, JsonObject

    from .proxy_config import ProxyConfig
    from .releases import ConsulRelease
    from .tracer_rules import Tracer

RATES = ("random_sampling", "overall_sampling")
PATH = ("Config", LISTENER_KEY)
BROKEN = release_text(LISTENER_DECISION_ENVOY)
PARENT_BASED = "ParentBasedSamplerConfig"


def missing_rates(document: Document, tracers: Sequence[Tracer]) -> Issue:
    """Return the issue of a tracer without rates, with the line that adds them as the fix."""
    random = 100 if any("sampler" in one.config for one in tracers) else 1
    rates = {f"{name}_sampling": {"value": random if name == "random" else 100} for name in SAMPLING_RATES}
    text = json.dumps({"@type": f"{TYPE}{LISTENER_TRACING}", **rates})
    if document.form == "yaml" or document.is_on_kubernetes:
        line = f"{LISTENER_KEY}: '{text}'"
    elif document.form == "json":
        line = f'"{LISTENER_KEY}": {json.dumps(text)}'
    else:
        line = f"{LISTENER_KEY} = {json.dumps(text)}"
    reason = f"traces only requests whose caller is sampled: without {LISTENER_KEY}, Consul sets random_sampling to 0 %"
    return Issue("CT320", ("Config", TRACER_KEY), reason, fix=f"Add a line with the rates: {line}")


def sampling_issues(tracer: Tracer, listener: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in the fields of a listener that depend on its tracer: spans and rates."""
    if not isinstance(listener, dict):
        return
    if tracer.message == SKYWALKING and not read_listener(listener).value.get("spawn_upstream_span"):
        reason = "must be true with SkyWalking, whose topology is incomplete without spans of upstream requests"
        yield Issue("CT345", (*PATH, "spawn_upstream_span"), reason)
    if tracer.message != OPENTELEMETRY:
        return
    rates = list(_limited(listener))
    severity = Severity.ERROR if envoy and envoy >= LISTENER_DECISION_ENVOY else Severity.WARNING
    sampler = at(tracer.config, "sampler", "typed_config")
    if not is_json(tracer.config.get("sampler")) or not is_json(sampler):
        return
    if not sampler:
        for name, rate in rates if envoy is None or envoy >= SAMPLER_ENVOY else ():
            reason = f"is {rate:g} % and the tracer has no sampler: Envoy {BROKEN} and newer break traces"
            yield Issue("CT337", (*PATH, name), reason, severity=severity)
        return
    kind = at(sampler, "@type")
    message = kind.rpartition(".")[2] if isinstance(kind, str) else ""
    if message and message != PARENT_BASED:
        reason = f"does not follow the decision of the caller: {message}. Wrap it in {PARENT_BASED}"
        yield Issue("CT338", (*tracer.path, "sampler"), reason)
    for name, rate in rates:
        reason = (
            f"is {rate:g} % and the tracer has a sampler: Envoy before {BROKEN} ignores the rate of the listener, and "
            "newer versions apply both and break traces"
        )
        yield Issue("CT338", (*PATH, name), reason, severity=severity)


def listener_rate(listener: object, name: str) -> float | None:
    """Return a sampling rate of a canonical listener in percent. None if it is not known."""
    match at(listener, name):
        case None:
            return 100
        case {"value": value}:
            return value if isinstance(value, int | float) else None
        case dict():
            return 0
        case _:
            return None


def sampled_percent(config: ProxyConfig) -> float:
    """Return the percentage of requests without trace context that start a trace: of the listener and the sampler."""
    listener = read_listener(members(config.listener)).value
    rates = [listener_rate(listener, name) for name in RATES]
    provider = at(listener, "provider") or at(read(config.tracer, TRACING).value, "http")
    rates.append(sampler_percent(at(provider, "typed_config")))
    return min(rate for rate in (*rates, 100.0) if rate is not None)


def _limited(content: JsonObject) -> Iterator[tuple[str, float]]:
    """Yield the rates below 100 %."""
    listener = read_listener(content).value
    for name in RATES:
        rate = listener_rate(listener, name)
        if rate is not None and rate < 100:  # noqa: PLR2004 - percent
            yield name, rate


def consul_issues(listener: object, consul: ConsulRelease | None) -> Iterator[Issue]:
    """Yield the fields of a listener that Consul cannot parse. It then drops the block: nothing is sampled.

    `consul`: the oldest Consul of the mesh. Without it, only fields that no tested version parses are found.
    """
    reading, newest = read_listener(members(listener), PATH), next(iter(CONSUL_MESSAGES))
    for path in reading.lenient:
        reason = "has a form that only Envoy parses: Consul drops the whole block, and nothing is sampled"
        yield Issue("CT339", path, reason, severity=Severity.ERROR)
    if consul and consul[:2] > newest[:2]:
        return
    parsed = next((CONSUL_MESSAGES[one] for one in CONSUL_MESSAGES if (consul or newest) >= one), (1, 28))
    version, severity = ("1.22.7", Severity.WARNING) if consul is None else (release_text(consul), Severity.ERROR)
    for path, since in reading.newer:
        if since > parsed:
            reason = f"cannot be parsed by Consul {version}, which drops the whole block: nothing is sampled"
            yield Issue("CT339", path, reason, severity=severity)
