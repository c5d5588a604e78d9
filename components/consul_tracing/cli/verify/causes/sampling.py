"""Proxies that do not sample the request, or sample it again."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.contexts import MAX_REQUESTS, Propagation
from consul_tracing.cli.verify.evidence import EVERYTHING, THE_REQUEST, Cause
from consul_tracing.cli.verify.proxies import PUBLIC_LISTENER_KEY
from consul_tracing.cli.verify.traces import Trace
from consul_tracing.entries.tracing_keys import UNTRACED
from consul_tracing.envoy_messages.json_values import at, json_objects
from consul_tracing.envoy_messages.reader import read_listener
from consul_tracing.envoy_messages.tracers import sampler_percent
from consul_tracing.errors import format_rate, shortened
from consul_tracing.lint.sampling_rules import listener_rate
from consul_tracing.names import LISTENER_KEY, release_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Proxy

CONNECTED = "control_plane.connected_state"

CHANCE_OF_NONE = 0.01
"""The probability that no request is sampled after the recommended number of requests."""

UUID_7 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")

SAMPLED_ID = "00000000-0000-4000-8000-000000000000"
"""An id that is sampled at every rate above 0 %."""

RANDOM_IDS = (
    "leave out the header, so that the first proxy creates a random id, or create ids that start with 8 random "
    "hexadecimal digits, such as UUIDs of version 4"
)


def limited_callers(evidence: Evidence) -> Iterator[Cause]:
    """CT412: proxies that apply their sampling rate to requests that are sampled already."""
    for proxy in evidence.proxies:
        if proxy.is_on_path and proxy.limits_callers and not proxy.is_gateway:
            version = release_text(proxy.release)
            yield Cause(
                "CT412",
                proxy.label,
                f"the OpenTelemetry tracer of Envoy {version} samples {proxy.sampling:g} % of all requests, also of "
                "those that the caller has sampled, so traces break",
                'set envoy_version: "1.35" or newer, which moves the rate to the sampler of the tracer, run pulumi up, '
                f"and restart the proxy of {proxy.service}",
                EVERYTHING,
            )


def undecided_request(evidence: Evidence) -> Iterator[Cause]:
    """CT413: the request id of the caller decides against sampling."""
    request, identity = evidence.trace.request, evidence.trace.request.request_id
    if not identity or evidence.trace.spans or evidence.is_explained:
        return
    proxies = evidence.first_proxies
    rates = {one.label: one.sampling for one in proxies if one.obeys_request_ids and not one.follows(request.context)}
    if not proxies and request.context is Propagation.NONE:
        rates = {THE_REQUEST: rate_of_mesh(evidence)}
    for rate in [one for one in rates.values() if one and not is_sampled(identity, one)][:1]:
        yield Cause("CT413", THE_REQUEST, _decision(identity, rate), RANDOM_IDS, EVERYTHING)


def unsampled_request(evidence: Evidence) -> Iterator[Cause]:
    """CT405 and CT406: the first proxy does not sample the request."""
    context, consul = evidence.trace.request.context, evidence.consul
    if evidence.trace.spans or evidence.is_explained:
        return
    proxies = evidence.first_proxies
    if any(evidence.has_cause(one.label) for one in proxies):
        return
    for proxy in proxies:
        if proxy.follows(context) or proxy.rate >= 100:  # noqa: PLR2004 - percent
            continue
        rate = f"random sampling is {format_rate(proxy.rate)}"
        read = "a trace context" if context is Propagation.AUTO else context
        ignored = f", and the tracer does not follow {read}" if context is not Propagation.NONE else ""
        if proxy.is_gateway and not proxy.rate:
            yield Cause(
                "CT406",
                proxy.label,
                f"the gateway marks requests {_unsampled_by(proxy)} as not sampled: its {rate}",
                "start the gateway with the output gateway_envoy_args (consul-tracing render --as gateway), or set "
                "gateways: skip",
                EVERYTHING,
            )
        else:
            repeat = _repeat(proxy.rate, has_sampler=proxy.sampler_rate is not None)
            readable = next((one for one in (Propagation.B3, Propagation.W3C) if proxy.follows(one)), None)
            instead = f", or use --propagation {readable}" if readable else ""
            yield Cause("CT405", proxy.label, f"{rate}{ignored}", f"{repeat}{instead}", EVERYTHING)
        return
    if not evidence.proxies and consul and context is Propagation.NONE:
        percent = rate_of_mesh(evidence)
        if percent < 100:  # noqa: PLR2004 - percent
            seen = f"{LISTENER_KEY} has no random sampling, so proxies start no trace"
            if percent:
                seen = f"random sampling is {format_rate(percent)}, and the request has no trace context"
            fix = _repeat(percent, has_sampler=sampler_percent(at(consul.keys.tracer, "typed_config")) is not None)
            yield Cause("CT405", "proxy-defaults/global", seen, fix, EVERYTHING)


def unparsed_block(evidence: Evidence) -> Iterator[Cause]:
    """CT414: Consul did not parse the tracing block of listeners, and writes 0 %."""
    context = evidence.trace.request.context
    if not evidence.trace.spans and not any(one.follows(context) for one in evidence.first_proxies):
        yield from unparsed_blocks(evidence.proxies)


def unparsed_blocks(proxies: Iterable[Proxy]) -> Iterator[Cause]:
    """CT414: Consul did not parse the tracing block in its entries, for proxies that are connected to it."""
    found = [one for one in proxies if not one.is_gateway and one.stats.get(CONNECTED, 1) and _has_lost_its_block(one)]
    # Without a mistake, Consul has not sent a new block yet.
    if reason := next((reason for one in found if (reason := _mistake(one.registered[LISTENER_KEY]))), ""):
        names = shortened([one.label for one in found])
        yield Cause(
            "CT414",
            "proxy-defaults/global",
            f"the listeners of {names} have 0 %, the default of Consul, and not {LISTENER_KEY}: Consul {reason}",
            f'correct {LISTENER_KEY} (consul-tracing lint). The log of Consul has "failed to parse ListenerTracingJSON '
            'config" for it',
            EVERYTHING,
        )


def replaced_listener(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT415: an escape hatch replaces the public listener, and it has no tracing block."""
    is_replaced = proxy.has_own_listener
    untraced = [
        one for one in proxy.public_listeners if one.port and one.tracing is None and (one.is_http or is_replaced)
    ]
    if not untraced:
        return None
    source = "of its registration or of proxy-defaults" if is_replaced else "or another escape hatch"
    return Cause(
        "CT415",
        proxy.label,
        f"the listener {untraced[0].name} has no tracing block: {PUBLIC_LISTENER_KEY} {source} replaces the "
        f"listener of Consul, and {LISTENER_KEY} does not reach it",
        f"add the block of {LISTENER_KEY} as tracing to the HTTP connection manager in {PUBLIC_LISTENER_KEY}, or "
        "remove this key",
    )


def untraced_users(evidence: Evidence) -> Iterator[Cause]:
    """CT405, CT406 and CT414: why the first proxy traces no request without a trace context, although it traced one."""
    request = replace(evidence.trace.request, context=Propagation.NONE, request_id="")
    unparsed = list(unparsed_blocks(evidence.proxies))
    silent = [one for one in evidence.first_proxies if one.tracers and not one.rate]
    yield from unparsed
    if silent and not unparsed:
        yield from unsampled_request(replace(evidence, trace=Trace(request), proxies=silent))


def rate_of_mesh(evidence: Evidence) -> float:
    """Return the rate in Consul of requests without trace context, in percent. 100 if it is not known."""
    if evidence.consul is None:
        return 100
    keys = evidence.consul.keys
    rates = [listener_rate(keys.listener_block, name) for name in ("random_sampling", "overall_sampling")]
    rates.append(sampler_percent(at(keys.tracer, "typed_config")))
    return min((rate for rate in rates if rate is not None), default=100)


def is_sampled(request_id: str, rate: float) -> bool:
    """Return whether Envoy samples a request with this id at a rate in percent."""
    return is_decidable(request_id) and int(request_id[:8], 16) % 10_000 < round(rate * 100)


def is_decidable(request_id: str) -> bool:
    """Return whether a request id has the digits by which Envoy decides."""
    return re.match("[0-9a-fA-F]{8}", request_id) is not None


def _mistake(text: object) -> str:
    """Return what a Consul does not parse in a tracing block: unknown, newer and lenient fields. Empty if it may."""
    if len(blocks := json_objects(text) or []) != 1:
        return "cannot parse its JSON"
    reading = read_listener(blocks[0])
    paths = [*(one.path for one in reading.mistakes), *(path for path, _ in reading.newer), *reading.lenient]
    fields = [*([] if "@type" in blocks[0] else ["@type"]), *map(".".join, paths)]
    return f"cannot parse {shortened([*dict.fromkeys(fields)])}" if fields else ""


def _has_lost_its_block(proxy: Proxy) -> bool:
    block = proxy.registered.get(LISTENER_KEY)
    is_written = bool(block) and not (proxy.configured and proxy.configured.listener == UNTRACED)
    listeners = [one for one in proxy.http_listeners if one.is_outbound or not proxy.has_own_listener]
    return is_written and any(one.tracing == UNTRACED and not one.error for one in listeners)


def _decision(identity: str, rate: float) -> str:
    header = "the header x-request-id of the request"
    if not is_decidable(identity):
        return f"{header} does not start with 8 hexadecimal digits, so proxies do not sample it at any rate"
    if UUID_7.fullmatch(identity):
        return f"{header} is a UUID of version 7: all ids of 65.5 seconds share a decision, here against {rate:g} %"
    return f"{header} decides, for each request with it: it is not sampled at {format_rate(rate)}"


def _repeat(rate: float, *, has_sampler: bool) -> str:
    """Return what traces a request without trace context."""
    if not rate:
        return "set sampling.random above 0, such as 1.0"
    needed = math.ceil(math.log(CHANCE_OF_NONE) / math.log(1 - rate / 100))
    if needed <= MAX_REQUESTS:
        return f"repeat with --requests {needed}: proxies sample {rate:g} % of them"
    often = f"repeat with --requests {MAX_REQUESTS} several times: proxies sample {rate:g} %, so {needed:,} suffice"
    return often if has_sampler else f"{often}, or with --header 'x-request-id: {SAMPLED_ID}', which proxies sample"


def _unsampled_by(gateway: Proxy) -> str:
    return "with or without a trace context" if gateway.limits_callers else "without trace context"
