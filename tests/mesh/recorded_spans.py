"""Spans as proxies send them, of every tracer in one form."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from testbed.collectors import Received
from testbed.http import Response
from tests.mesh.traced_mesh import TracedMesh

SPANS_OF_A_REQUEST = 4
"""Client's, two of web, and api's."""


class RecordedSpan(NamedTuple):
    """A span."""

    service: str
    kind: str
    """`SERVER` for a received request, `CLIENT` for a sent one."""
    name: str
    """For Datadog the resource."""
    tags: Mapping[str, Any]
    resource: Mapping[str, Any]
    """Attributes of the OTLP resource."""


def recorded_spans(received: Received) -> list[RecordedSpan]:
    """Return the spans of Zipkin (JSON), OTLP over HTTP and Datadog."""
    bodies = [(path, body) for path, _, body in list(received.requests)]
    zipkin = [span for path, body in bodies if path.endswith("/spans") for span in json.loads(body)]
    otlp = [ExportTraceServiceRequest.FromString(body) for path, body in bodies if path == "/v1/traces"]
    return [
        *(
            RecordedSpan(span["localEndpoint"]["serviceName"], span["kind"], span["name"], span["tags"], {})
            for span in zipkin
        ),
        *(span for export in otlp for span in _of_otlp(export)),
        *(
            RecordedSpan(span["service"], _kind(span["meta"]), span["resource"], span["meta"], {})
            for span in received.datadog_spans()
        ),
    ]


def _kind(tags: Mapping[str, str]) -> str:
    """Return the kind of a span of Datadog, which reports none. A sidecar sends received requests to its service."""
    return "SERVER" if tags["upstream_cluster"] == "local_app" else "CLIENT"


def _of_otlp(export: ExportTraceServiceRequest) -> Iterator[RecordedSpan]:
    for group in export.resource_spans:
        resource = _values(group.resource.attributes)
        for span in (span for scope in group.scope_spans for span in scope.spans):
            kind = Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_")
            yield RecordedSpan(resource["service.name"], kind, span.name, _values(span.attributes), resource)


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, str(one.value.WhichOneof("value"))) for one in attributes}


def spans_of(traced: TracedMesh, received: Received, response: Response) -> dict[tuple[str, str], RecordedSpan]:
    """Return the spans of a request, whose path no other request has, by service and kind."""
    assert response.status == 200, response.text
    path = response.json()["path"]

    def found() -> list[RecordedSpan]:
        spans = [span for span in recorded_spans(received) if str(span.tags.get("http.url", "")).endswith(path)]
        return spans if len(spans) == SPANS_OF_A_REQUEST else []

    return {(span.service, span.kind): span for span in traced.wait_until(found, f"the spans of {path}")}
