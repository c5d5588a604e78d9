"""Spans under other names than those of their services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.calls import CLUSTER, service_of
from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.tracers import UNNAMED, tracer_of
from consul_tracing.errors import shortened

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.traces import Trace

FIX = (
    "start each proxy with its variables of the output proxy_environment, such as "
    "OTEL_RESOURCE_ATTRIBUTES=service.name={service}, or annotate its pods with those of the output proxy_annotations "
    "(docs/guides/per-service.md)"
)


def common_names(evidence: Evidence) -> Iterator[Cause]:
    """CT418: the spans of proxies have the name of the tracer, which is the same for all."""
    trace = evidence.trace
    if (missing := evidence.missing) and (names := _names(evidence)):
        known = {one.service.lower() for one in evidence.proxies}
        reported = {one.service.lower() for one in evidence.proxies if trace.has_spans_under_another_name(one)}
        named = [one for one in missing if one in reported or one not in known]
        count = sum(span.service in names for span in trace.spans)
        seen = f"{count} of {len(trace.spans)} spans of the trace have the name {shortened(names)}"
        expected = f", and none has that of {shortened(named)}"
        if named:
            yield Cause("CT418", "the spans", seen + expected, _fix(named[0], names), frozenset(named))


def naming_notes(trace: Trace) -> list[str]:
    """Return notes about the names of spans: names of one service, and a name that proxies of several services have."""
    by_id = {span.id: span for span in trace.spans}
    shared = {
        span.service
        for span in trace.spans
        if span.kind == "SERVER"
        and (caller := by_id.get(span.parent_id or ""))
        and caller.service == span.service
        and service_of(caller.tags.get(CLUSTER, "")) not in {"", span.service}
    }
    names = sorted(shared | ({UNNAMED} & set(trace.services)))
    return [
        *(f"the spans of {service} have the name {name}" for name, service in sorted(trace.own_names.items())),
        *(f"proxies of several services have the name {name} (CT418): {_fix('web', [name])}" for name in names),
    ]


def _names(evidence: Evidence) -> list[str]:
    """Return the names of spans that are those of a tracer instead of a service."""
    tracers = [tracer for proxy in evidence.proxies for tracer in proxy.tracers]
    if evidence.consul and evidence.consul.keys.tracer:
        tracers.append(tracer_of(evidence.consul.keys.tracer))
    names = {UNNAMED, *(tracer.service_name.lower() for tracer in tracers)}
    trace = evidence.trace
    accepted = {*trace.expected, *trace.own_names}
    return [name for name in trace.services if name in names and name not in accepted]


def _fix(service: str, names: list[str]) -> str:
    fallback = ". Set tracer.opentelemetry.service_name for proxies without them" if UNNAMED in names else ""
    return FIX.format(service=service) + fallback
