"""A Jaeger server that accepts OTLP and Zipkin spans and keeps them in memory."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote

import toolchain
from testbed.http import RequestError, accepts_connections, request_json, send_request
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Program, Programs
from testbed.zipkin import TRACE_SECONDS

READY_SECONDS = 30.0

MAX_TRACES = 10_000


@dataclass(frozen=True)
class JaegerSpan:
    """A span in Jaeger."""

    service: str
    kind: str
    """Kind in the spelling of Zipkin: `CLIENT`, `SERVER`, or "" if the span has none."""
    id: str
    parent_id: str | None
    resource: Mapping[str, Any]
    """Attributes of the OTLP resource, without `service.name`."""

    @classmethod
    def of(cls, span: Mapping[str, Any], processes: Mapping[str, Any]) -> Self:
        """Read a span of Jaeger's JSON format."""
        parents = [reference["spanID"] for reference in span["references"]]
        kinds = [tag["value"].upper() for tag in span["tags"] if tag["key"] == "span.kind"]
        process = processes[span["processID"]]
        resource = {tag["key"]: tag["value"] for tag in process.get("tags") or []}
        kind, parent = kinds[0] if kinds else "", parents[0] if parents else None
        return cls(process["serviceName"], kind, span["spanID"], parent, resource)


class Jaeger:
    """Jaeger on 127.0.0.1. It is ready after about a second."""

    def __init__(self, programs: Programs) -> None:
        """Start Jaeger on free ports."""
        self.port = free_port()
        """Port of the query API."""
        self.otlp_grpc_port = free_port()
        self.otlp_http_port = free_port()
        self.zipkin_port = free_port()
        self._programs = programs
        self._configuration = programs.make_directory("jaeger") / "jaeger.yaml"
        # JSON is YAML.
        configuration = settings(
            query=self.port,
            query_grpc=free_port(),
            otlp_grpc=self.otlp_grpc_port,
            otlp_http=self.otlp_http_port,
            zipkin=self.zipkin_port,
        )
        self._configuration.write_text(json.dumps(configuration))
        self.program = self.start()

    def start(self) -> Program:
        """Start Jaeger without spans. A restart uses the same ports."""
        self.program = self._programs.start("jaeger", [toolchain.program("jaeger"), "--config", self._configuration])
        return self.program

    def stop(self) -> None:
        """Stop Jaeger and discard its spans."""
        self._programs.stop(self.program)

    def wait_until_ready(self) -> None:
        """Wait until the query API and all receivers accept requests."""
        ports = self.port, self.otlp_grpc_port, self.otlp_http_port, self.zipkin_port
        self._programs.wait_until(
            lambda: all(map(accepts_connections, ports)), "a ready Jaeger", seconds=READY_SECONDS, program=self.program
        )

    def trace(self, trace_id: str) -> list[JaegerSpan]:
        """Return the spans of this trace that have arrived."""
        response = send_request(self.port, f"/api/traces/{trace_id}")
        traces = response.json()["data"] if response.status == 200 else []  # noqa: PLR2004 - else 404
        return _spans(traces[0]) if traces else []

    def traces(self, limit: int = MAX_TRACES, *, since: float = 0) -> dict[str, list[JaegerSpan]]:
        """Return the traces since a Unix time by their ids."""
        window = f"start={int(since * 1e6)}&end={round(time.time() * 1e6)}&limit={limit}"
        services = request_json(self.port, "/api/services")["data"] or []
        # A query requires a service. Traces of several services are in several results.
        found = [request_json(self.port, f"/api/traces?service={quote(name)}&{window}")["data"] for name in services]
        return {trace["traceID"]: _spans(trace) for traces in found for trace in traces}

    def wait_for_spans(self, trace_id: str, count: int, *, seconds: float = TRACE_SECONDS) -> list[JaegerSpan]:
        """Wait until at least `count` spans of this trace have arrived."""

        def arrived() -> list[JaegerSpan]:
            spans = self.trace(trace_id)
            if len(spans) < count:
                raise RequestError(f"{len(spans)} have arrived")
            return spans

        return self._programs.wait_until(arrived, f"{count} spans of trace {trace_id}", seconds=seconds)


def settings(*, query: int, query_grpc: int, otlp_grpc: int, otlp_http: int, zipkin: int) -> dict[str, Any]:
    """Return the configuration: an OpenTelemetry Collector whose exporter is Jaeger's storage."""

    def on(port: int) -> dict[str, str]:
        return {"endpoint": f"{LOOPBACK}:{port}"}

    return {
        "extensions": {
            "jaeger_storage": {"backends": {"memory": {"memory": {"max_traces": MAX_TRACES}}}},
            "jaeger_query": {"storage": {"traces": "memory"}, "http": on(query), "grpc": on(query_grpc)},
        },
        "receivers": {
            "otlp": {"protocols": {"grpc": on(otlp_grpc), "http": on(otlp_http)}},
            "zipkin": on(zipkin),
        },
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "memory"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {"traces": {"receivers": ["otlp", "zipkin"], "exporters": ["jaeger_storage_exporter"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }


def _spans(trace: Mapping[str, Any]) -> list[JaegerSpan]:
    return [JaegerSpan.of(span, trace["processes"]) for span in trace["spans"]]
