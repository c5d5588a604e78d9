"""Calls of which the called service has no span."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.calls import ancestors
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.evidence import Cause

from .tracers import UNTRACED, untraced_fix

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.calls import Call
    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.traces import Trace

SINGLE_B3_ENVOY = (1, 40)
"""The first Envoy whose Zipkin tracer writes its context to the header b3 of a request that has it."""


def flattened_calls(evidence: Evidence) -> Iterator[Cause]:
    """CT420: the called service has the parent of the call as its parent, and not the call."""
    trace = evidence.trace
    for call in {one.caller: one for one in trace.unreported if _is_flattened(one, trace)}.values():
        callers = [one for one in evidence.proxies if one.service == call.caller]
        label = callers[0].label if callers else call.caller
        if trace.request.context is Propagation.AUTO and not _has_common_headers(call, evidence):
            yield _other_headers(call, label)
            continue
        if any(one.release >= SINGLE_B3_ENVOY or not one.has_tracer("zipkin") for one in callers):
            continue
        yield Cause(
            "CT420",
            label,
            f"the parent of the span of {call.service} is an earlier span and not the call of {call.caller}: the proxy "
            f"of {call.caller} leaves the header b3 unchanged beside its x-b3-* headers, and that of {call.service} "
            "prefers b3",
            "send x-b3-traceid, x-b3-spanid and x-b3-sampled instead of b3 (--propagation b3, and applications with B3 "
            f"propagation), or use Envoy 1.40 or newer for the proxy of {call.caller}",
            frozenset({call.service}),
        )


def _has_common_headers(call: Call, evidence: Evidence) -> bool:
    """Return whether the tracers of the caller and of the called service read the same headers, as far as is known."""
    ends = [[one for one in evidence.proxies if one.service.lower() == name] for name in (call.caller, call.service)]
    formats = (Propagation.B3, Propagation.W3C)
    return all(ends) and any(
        all(tracer.reads(context) for end in ends for proxy in end for tracer in proxy.tracers) for context in formats
    )


def _other_headers(call: Call, label: str) -> Cause:
    return Cause(
        "CT420",
        label,
        f"the parent of the span of {call.service} is an earlier span and not the call of {call.caller}: the proxy of "
        f"{call.caller} leaves a header of the caller unchanged (b3, x-b3-* or traceparent), and that of "
        f"{call.service} prefers it",
        "send only the headers that both tracers read (--propagation b3 or w3c, and applications with one format). If "
        f"there are none, give the proxies of {call.caller} and {call.service} the same tracer (consul-tracing stale)",
        frozenset({call.service}),
    )


def unreported_services(evidence: Evidence) -> Iterator[Cause]:
    """CT421: services without a span, although another proxy reported a call to them."""
    trace = evidence.trace
    readable = {one.service.lower() for one in evidence.proxies}
    if trace.sender in evidence.missing:
        seen = f"the proxy of {trace.sender} sent the request to {trace.first_service}, and has no span"
        yield Cause("CT421", trace.sender, seen, _possibilities(trace.sender, is_readable=True))
    for call in {one.service: one for one in trace.unreported}.values():
        gateways = [one.label for one in evidence.proxies if one.is_gateway]
        if evidence.has_cause_of_service(call.service) or any(map(evidence.has_cause, gateways)):
            continue
        status = call.span.tags.get("http.status_code", "unknown")
        seen = (
            f"{call.caller} called {call.service} with status {status}, and no proxy reported that it received the call"
        )
        fix = _possibilities(call.service, is_readable=call.service in readable)
        if call.service in trace.untraced:
            seen, fix = f"{call.caller} called {call.service}, and {UNTRACED}", untraced_fix(call.service)
        yield Cause("CT421", call.service, seen, fix, frozenset({call.service}))


def _is_flattened(call: Call, trace: Trace) -> bool:
    above = ancestors(call.span, trace.spans)
    return any(
        span.kind == "SERVER" and span.service.lower() == call.service and span.parent_id in above
        for span in trace.spans
    )


def _possibilities(service: str, *, is_readable: bool) -> str:
    admin = "" if is_readable else f"give --admin for each proxy of {service}, which finds most causes, and "
    return (
        f"{admin}check that each proxy of {service}, or the terminating gateway to it, has the tracer of Consul "
        "(consul-tracing stale), and that its spans go to the same trace store. In another datacenter they may go to "
        "the store of that datacenter"
    )
