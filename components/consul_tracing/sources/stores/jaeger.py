"""Traces in Jaeger.

The API of Jaeger's web interface is used, which all versions of Jaeger have. `/api/v3` cannot search by tag.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any, NotRequired

from typing_extensions import TypedDict

from consul_tracing.sources.spans import UNKNOWN, Span, by_start

from . import LOOKBACK_SECONDS, MAX_TRACES
from .client import StoreReader, concurrently
from .ids import span_id, trace_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from . import Trace


class Tag(TypedDict):
    """A tag of a span."""

    key: str
    value: NotRequired[Any]


class Reference(TypedDict):
    """A span to which a span refers."""

    refType: str
    traceID: str
    spanID: str


class JaegerSpan(TypedDict):
    """A span. Times are microseconds."""

    traceID: str
    spanID: str
    operationName: NotRequired[str]
    references: NotRequired[list[Reference] | None]
    parentSpanID: NotRequired[str | None]
    """The parent in older versions."""
    startTime: NotRequired[int]
    duration: NotRequired[int]
    tags: NotRequired[list[Tag] | None]
    processID: NotRequired[str]


class Process(TypedDict, total=False):
    """The service that reported spans."""

    serviceName: str


class JaegerTrace(TypedDict):
    """A trace."""

    spans: list[JaegerSpan]
    processes: NotRequired[dict[str, Process]]


class Traces(TypedDict):
    """A response with traces."""

    data: list[JaegerTrace] | None


class Services(TypedDict):
    """A response with the names of services."""

    data: list[str] | None


class Jaeger(StoreReader):
    """Read-only client of Jaeger."""

    def page(self, trace_id: str) -> str:
        """Return the address of the page of a trace."""
        return f"{self.url}/trace/{trace_id}"

    def spans(self, trace_id: str) -> Trace:
        """Return the spans of a trace that have arrived. Raises ServerError."""
        return by_start(span for trace in self._traces(f"/api/traces/{trace_id}") for span in trace)

    def tagged_spans(self, user_agent: str) -> Trace:
        """Return the spans of the first trace with a span that has this user agent. Raises ServerError."""
        now = time.time_ns() // 1000
        lookback, tags = LOOKBACK_SECONDS * 1_000_000, json.dumps({"user_agent": user_agent})
        found = self._search(self._services(), tags=tags, start=now - lookback, end=now + lookback, limit=1)
        return min(found, key=lambda trace: min(span.start or 0 for span in trace), default=[])

    def traces_of(self, service: str, start: int, end: int, *, limit: int = MAX_TRACES) -> Sequence[Trace]:
        """Return the traces of a service with spans between two times in microseconds. Raises ServerError."""
        names = [name for name in self._services() if name.lower() == service]
        return self._search(names, start=start, end=end, limit=limit)

    def _services(self) -> list[str]:
        return (self._client.get("/api/services", Services) or {"data": None})["data"] or []

    def _search(self, services: Iterable[str], **query: str | int) -> list[Trace]:
        """Return the traces of services. Jaeger requires one service for each search."""
        found = concurrently(lambda name: self._traces("/api/traces", service=name, **query), services)
        return [*{trace[0].trace_id: trace for traces in found for trace in traces}.values()]

    def _traces(self, path: str, **query: str | int) -> list[Trace]:
        found = (self._client.get(path, Traces, **query) or {"data": None})["data"] or []
        return [spans_of(trace) for trace in found if trace["spans"]]


def spans_of(trace: JaegerTrace) -> list[Span]:
    """Return the spans of a trace."""
    processes = trace.get("processes", {})
    return [_span(span, processes.get(span.get("processID", ""), {})) for span in trace["spans"]]


def _span(span: JaegerSpan, process: Process) -> Span:
    tags = {tag["key"]: _text(tag.get("value", "")) for tag in span.get("tags") or []}
    parent = _parent(span)
    return Span(
        trace_id=trace_id(span["traceID"]),
        id=span_id(span["spanID"]),
        parent_id=span_id(parent) if parent else None,
        service=process.get("serviceName", UNKNOWN).lower(),
        kind=tags.get("span.kind", UNKNOWN).upper(),
        name=span.get("operationName", UNKNOWN),
        start=span.get("startTime"),
        duration=span.get("duration"),
        tags={name: value for name, value in tags.items() if (name, value) != ("error", "false")},
    )


def _parent(span: JaegerSpan) -> str | None:
    references = [one for one in span.get("references") or [] if one["refType"] == "CHILD_OF"]
    parents = (one["spanID"] for one in references if one["traceID"] == span["traceID"])
    return next(parents, span.get("parentSpanID"))


def _text(value: Any) -> str:  # noqa: ANN401 - a JSON value
    return str(value).lower() if isinstance(value, bool) else str(value)
