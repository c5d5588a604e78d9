"""Requests that failed, or that their caller marks as not sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.calls import CLUSTER, received_calls, service_of
from consul_tracing.cli.verify.evidence import EVERYTHING, THE_REQUEST, Cause
from consul_tracing.cli.verify.failures import last_servers
from consul_tracing.errors import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.traces import Trace


def url_of_a_sidecar(evidence: Evidence) -> Iterator[Cause]:
    """CT419: the URL is the port of a sidecar for requests from the mesh, which requires mTLS."""
    request = evidence.trace.request
    if request.status is not None or not (service := evidence.sidecar_at((request.host, request.port))):
        return
    upstreams = [
        f"{request.host}:{listener.port} of {proxy.service}"
        for proxy in evidence.proxies
        for listener in proxy.listeners
        if listener.is_outbound and listener.upstream == service.lower()
    ]
    yield Cause(
        "CT419",
        THE_REQUEST,
        f"{request.url} is the port of the sidecar of {service} for the mesh, which requires mTLS: {request.outcome}",
        f"use the port of an upstream in a sidecar that calls {service}"
        + (f" ({shortened(upstreams)})" if upstreams else " (local_bind_port)")
        + ", or the port of a gateway",
        EVERYTHING | {THE_REQUEST},
    )


def url_past_the_caller(evidence: Evidence) -> Iterator[Cause]:
    """CT419: the request enters the mesh at another proxy than that of the first expected service, or at none."""
    trace, request = evidence.trace, evidence.trace.request
    caller = trace.expected[0] if trace.expected else ""
    proxies = [one for one in evidence.proxies if one.service.lower() == caller]
    has_failed = request.status is None and "WRONG_VERSION_NUMBER" not in (request.error or "")
    if caller not in trace.missing or not proxies or any(one.is_on_path for one in proxies) or has_failed:
        return
    upstreams = [
        f"{listener.upstream} at {listener.address}:{listener.port}"
        for proxy in proxies
        for listener in proxy.listeners
        if listener.is_outbound
    ]
    seen = f"the proxy of {caller} received no request since: {request.url} is not one of its upstreams"
    fix = f"use the address of an upstream of {caller}" + (f" ({shortened(upstreams)})" if upstreams else "")
    explains = frozenset({caller})
    if evidence.entry:
        first = evidence.entry[0].service.lower()
        seen += f", but one of {first}"
        fix += f", or start --expect with {first}"
        before = trace.expected[: trace.expected.index(first)] if first in trace.expected else trace.expected
        explains = frozenset(before)
    elif not trace.spans:
        explains = EVERYTHING | {THE_REQUEST}
    yield Cause("CT419", THE_REQUEST, seen, fix, explains)


def failed_request(evidence: Evidence) -> Iterator[Cause]:
    """CT411: the request failed in the mesh."""
    trace = evidence.trace
    if trace.failure and THE_REQUEST not in evidence.explained:
        fix = "check that the services run, are healthy in Consul, and that intentions allow the call"
        if "WRONG_VERSION_NUMBER" in (trace.request.error or ""):
            fix = "use http:// in the URL: the port does not have TLS"
        yield _failed(trace, trace.failure, fix, _behind(trace))


def refused_request(evidence: Evidence) -> Iterator[Cause]:
    """CT411: the application of the last service responded with an error, and did not call the missing services."""
    trace, missing = evidence.trace, evidence.missing
    if trace.request.is_successful or trace.failure or evidence.is_explained or (trace.spans and not missing):
        return
    last = last_servers(trace.spans)
    if any(one.sent_to(name) for one in evidence.proxies if one.service.lower() in last for name in missing):
        return
    place = "no proxy reported the request"
    if last:
        place = f"the application {shortened(last)} responded with it, and called no other service"
    fix = "send what the application requires (URL, --header)"
    without = f", or leave {shortened(missing)} out of --expect" if last else ""
    yield _failed(trace, place, f"{fix}{without}", EVERYTHING)


def rerouted_calls(evidence: Evidence) -> Iterator[Cause]:
    """CT411: Consul routes the call to a missing service to another one."""
    trace = evidence.trace
    calls = {
        (call.service, service_of(call.tags.get(CLUSTER, "")), service)
        for call, service in received_calls(trace.spans)
        if trace.expected and service not in {call.service, *trace.expected}
    }
    for name in evidence.missing:
        for caller, called, service in sorted(calls):
            if called == name or _received_for(name, caller, evidence):
                seen = f"Consul routed the call of {caller} to {service} instead of {name}"
                routing = "the service-router, service-splitter or service-resolver"
                fix = f"name {service} instead of {name} in --expect, or change {routing} of {name}"
                yield Cause("CT411", name, seen, fix)
                break


def _received_for(upstream: str, caller: str, evidence: Evidence) -> bool:
    """Return whether the sidecar of a service received a call to an upstream from its application."""
    proxies = [one for one in evidence.proxies if one.service.lower() == caller]
    return any(proxy.received(one) for proxy in proxies for one in proxy.listeners if one.upstream == upstream)


def unsampled_by_caller(evidence: Evidence) -> Iterator[Cause]:
    """CT405: a header of the request disables sampling."""
    if header := evidence.trace.request.unsampled_header:
        yield Cause(
            "CT405",
            THE_REQUEST,
            f"the header {header} marks the request as not sampled, and every proxy follows it",
            f"remove the header {header}, or let the caller sample the request",
            EVERYTHING,
        )


def _failed(trace: Trace, place: str, fix: str, explains: frozenset[str]) -> Cause:
    request = trace.request
    return Cause("CT411", THE_REQUEST, f"{request.url}: {request.outcome}; {place}", fix, explains)


def _behind(trace: Trace) -> frozenset[str]:
    """Return the services behind the last one with a span. `expected` has the order of the request."""
    reached = [index for index, name in enumerate(trace.expected) if name in trace.reported]
    return frozenset(trace.expected[reached[-1] + 1 :]) | {THE_REQUEST} if reached else EVERYTHING
