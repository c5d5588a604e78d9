"""Applications that do not pass the trace headers on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import EVERYTHING, Cause
from consul_tracing.cli.verify.failures import last_servers
from consul_tracing.cli.verify.trace_tree import trace_tree

from .texts import listed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.sources.spans import Span


def lost_headers(evidence: Evidence) -> Iterator[Cause]:
    """CT408: an application does not pass the trace headers on."""
    trace = evidence.trace
    if evidence.others:
        for service, traces in _by_first_service(evidence.others).items():
            services = sorted({span.service for spans in traces for span in spans})
            ids = listed([spans[0].trace_id for spans in traces])
            started = f"while {service} handled the request of trace {trace.trace_id}, its call started trace {ids}"
            yield Cause(
                "CT408", service, f"{started} with spans of {', '.join(services)}", _pass_on(service), EVERYTHING
            )
        return
    called = {call.service for call in trace.unreported}
    if (missing := [name for name in evidence.missing if name not in {*called, trace.sender}]) and (
        last := last_servers(trace.spans)
    ):
        for service in last:
            seen = f"{service} received the request and made no traced call; spans of {listed(missing)} are missing"
            yield Cause("CT408", service, seen, _pass_on(service))


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
