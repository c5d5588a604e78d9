"""Spans in the JSON of OTLP, as Tempo returns them."""

from __future__ import annotations

import base64
from typing import Any, NotRequired

from typing_extensions import TypedDict

from consul_tracing.sources.spans import UNKNOWN, Span

from .ids import span_id, trace_id

KINDS = {2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
ERROR = frozenset({2, "STATUS_CODE_ERROR"})
NANOSECONDS = 1000


class Attribute(TypedDict):
    """An attribute. The value is an object with one field: `{"stringValue": "200"}`."""

    key: str
    value: NotRequired[dict[str, Any]]


class Status(TypedDict, total=False):
    """The status of a span."""

    code: int | str


class OtlpSpan(TypedDict):
    """A span.

    Ref: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
    """

    traceId: str
    spanId: str
    parentSpanId: NotRequired[str | None]
    name: NotRequired[str]
    kind: NotRequired[int | str]
    startTimeUnixNano: NotRequired[str | int]
    endTimeUnixNano: NotRequired[str | int]
    attributes: NotRequired[list[Attribute] | None]
    status: NotRequired[Status | None]


class ScopeSpans(TypedDict, total=False):
    """The spans of an instrumentation."""

    spans: list[OtlpSpan] | None


class Resource(TypedDict, total=False):
    """The service that reported spans."""

    attributes: list[Attribute] | None


class ResourceSpans(TypedDict, total=False):
    """The spans of a resource. The former name of `scopeSpans` is `instrumentationLibrarySpans`."""

    resource: Resource
    scopeSpans: list[ScopeSpans] | None
    instrumentationLibrarySpans: list[ScopeSpans] | None


def spans_of(resources: list[ResourceSpans]) -> list[Span]:
    """Return the spans of resources. Raises ValueError for an invalid id or time."""
    return [
        _span(span, _attributes(one.get("resource", {}).get("attributes")).get("service.name", UNKNOWN).lower())
        for one in resources
        for scope in one.get("scopeSpans") or one.get("instrumentationLibrarySpans") or []
        for span in scope.get("spans") or []
    ]


def _span(span: OtlpSpan, service: str) -> Span:
    start = int(span.get("startTimeUnixNano", 0)) // NANOSECONDS
    end = int(span.get("endTimeUnixNano", 0)) // NANOSECONDS
    tags, kind, parent = _attributes(span.get("attributes")), span.get("kind", 0), span.get("parentSpanId")
    is_error = (span.get("status") or {}).get("code") in ERROR
    return Span(
        trace_id=trace_id(_hexadecimal(span["traceId"], 16)),
        id=span_id(_hexadecimal(span["spanId"], 8)),
        parent_id=span_id(_hexadecimal(parent, 8)) if parent else None,
        service=service,
        kind=KINDS.get(kind, UNKNOWN) if isinstance(kind, int) else kind.removeprefix("SPAN_KIND_"),
        name=span.get("name", UNKNOWN),
        start=start or None,
        duration=end - start if start and end else None,
        tags={**({"error": "true"} if is_error else {}), **tags},
    )


def _attributes(attributes: list[Attribute] | None) -> dict[str, str]:
    """Return the attributes with a simple value as texts."""
    values = {one["key"]: next(iter(one.get("value", {}).values()), "") for one in attributes or []}
    return {name: _text(value) for name, value in values.items() if isinstance(value, str | int | float)}


def _text(value: str | float) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _hexadecimal(text: str, size: int) -> str:
    """Return an id of some bytes in hexadecimal digits. OTLP uses these, and the JSON of protobuf uses base64."""
    return (bytes.fromhex(text) if len(text) == 2 * size else base64.b64decode(text, validate=True)).hex()
