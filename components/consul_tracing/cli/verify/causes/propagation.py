"""Applications that do not continue the trace in their calls."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import EVERYTHING, Cause
from consul_tracing.cli.verify.failures import last_servers
from consul_tracing.cli.verify.trace_tree import trace_tree
from consul_tracing.errors import shortened

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.sources.spans import Span


def lost_headers(evidence: Evidence) -> Iterator[Cause]:
    """CT408: calls of an application started other traces, because it does not pass the trace headers on."""
    trace_id = evidence.trace.trace_id
    for service, traces in _by_first_service(evidence.others).items():
        services = sorted({span.service for spans in traces for span in spans})
        ids = shortened([spans[0].trace_id for spans in traces])
        started = f"while {service} handled the request of trace {trace_id}, its call started trace {ids}"
        yield Cause("CT408", service, f"{started} with spans of {', '.join(services)}", _pass_on(service), EVERYTHING)


def untraced_calls(evidence: Evidence) -> Iterator[Cause]:
    """CT408: an application made no traced call to a service. The counters of its sidecar show whether it called."""
    trace = evidence.trace
    called = {call.service for call in trace.unreported}
    missing = [name for name in evidence.missing if name not in {*called, trace.sender}]
    sent = _requests_to(missing, evidence)
    for service, requests in sent.items():
        names = [name for name, count in requests.items() if count]
        if names:
            numbers = shortened(
                [f"{requests[name]:,} {'request' if requests[name] == 1 else 'requests'} to {name}" for name in names]
            )
            seen = (
                f"the sidecar of {service} sent since the request: {numbers}. The trace has none of them. Unless they "
                "belong to other requests, the application does not pass the trace headers on, or marks its calls as "
                "not sampled"
            )
            yield Cause("CT408", service, seen, _pass_on(service), EVERYTHING)
        elif not any(map(any, (one.values() for one in sent.values()))):
            other = shortened([*requests])
            seen = (
                f"the sidecar of {service} received the request and sent none to {other}: the application does not "
                f"call {other} for this request, or calls it past its sidecar"
            )
            fix = (
                f"let the application {service} call {other} at the address of the upstream of its sidecar, or leave "
                f"{other} out of --expect"
            )
            yield Cause("CT408", service, seen, fix, EVERYTHING)
    routed = shortened([name for name in trace.services if trace.expected and name not in trace.expected])
    last = [name for name in last_servers(trace.spans) if name not in routed] or trace.called[-1:]
    for service in last if missing and not sent else []:
        seen = (
            f"{service} received the request and made no traced call to {shortened(missing)}. The application makes no "
            "call for this request, calls past its sidecar, or does not pass the trace headers on"
            + (f", or Consul routes its call to {routed}" if routed else "")
        )
        fix = f"if the application makes the call: {_pass_on(service)}. Else leave {shortened(missing)} out of --expect"
        yield Cause("CT408", service, seen, fix, EVERYTHING)


def own_spans(evidence: Evidence) -> Iterator[Cause]:
    """CT410: an application continues the trace with spans of its own, which are not in this store."""
    trace = evidence.trace
    received = {span.service for span in trace.spans if span.kind == "SERVER"}
    callers = {span.service for span in trace.orphans if span.kind == "CLIENT" and span.service in received}
    for service in sorted(callers - {call.service for call in trace.unreported}):
        seen = (
            f"the parent of a call of {service} is a span of its application, not of its sidecar, and {evidence.store} "
            "does not have it"
        )
        fix = f"send the spans of the application {service} to the store of the proxies, or let it only copy headers"
        yield Cause("CT410", service, seen, fix)


def _requests_to(missing: Iterable[str], evidence: Evidence) -> dict[str, dict[str, int]]:
    """Return the numbers of requests to missing services, by the services of the trace that have such upstreams."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    received = {span.service.lower() for span in evidence.trace.spans if span.kind == "SERVER"}
    for proxy in evidence.proxies:
        for name in missing if proxy.service.lower() in received else ():
            if (count := proxy.sent_to(name)) is not None:
                requests = found[proxy.service]
                requests[name] = requests.get(name, 0) + count
    return dict(found)


def _by_first_service(traces: Iterable[Sequence[Span]]) -> dict[str, list[Sequence[Span]]]:
    found: dict[str, list[Sequence[Span]]] = {}
    for spans in traces:
        found.setdefault(trace_tree(spans)[0].span.service, []).append(spans)
    return found


def _pass_on(service: str) -> str:
    return (
        f"change the application {service}: copy b3, x-b3-*, traceparent, tracestate and x-request-id from each "
        "request to the calls it makes for it"
    )
