"""Changes of the tracer while proxies are restarted one by one: which ones keep every trace whole."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.mesh_settings import Tracer
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from tests.mesh.trace_stores import JaegerStore, SpanName, TraceProbe
from tests.mesh.traced_mesh import TRACED, TracedMesh, rendered, unique_path

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

REQUESTS = 20
WHOLE = [
    SpanName("api", "SERVER"),
    SpanName("client", "CLIENT"),
    SpanName("web", "CLIENT"),
    SpanName("web", "SERVER"),
]

B3: dict[str, Any] = {"zipkin": {}}
B3_W3C: dict[str, Any] = {"zipkin": {"propagation": "b3+w3c"}}
OTLP: dict[str, Any] = {"opentelemetry": {}}


@pytest.fixture
def probe(traced: TracedMesh, jaeger: Jaeger) -> Iterator[TraceProbe]:
    """Traces in Jaeger, which accepts Zipkin spans and OTLP. Teardown resets the sidecars."""
    traced.apply()
    yield TraceProbe(traced.mesh.programs, JaegerStore(jaeger), [traced.mesh.sidecars[name] for name in TRACED])
    for name in TRACED:
        traced.mesh.sidecars[name].environment = {}
    traced.bootstrap_hash = ""


def arguments(jaeger: Jaeger, tracer: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments that send spans of the tracer to Jaeger."""
    port = jaeger.zipkin_port if "zipkin" in tracer else jaeger.otlp_grpc_port
    return {"collector": {"host": LOOPBACK, "port": port}, "tracer": tracer}


def whole_traces_after_each_restart(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger, tracer: dict[str, Any]
) -> list[int]:
    """Change the tracer, restart the proxies one by one, and return how many traces are whole after each restart."""
    for entry in rendered(traced.arguments(**arguments(jaeger, tracer))):
        traced.mesh.consul.write_config_entry(entry)
    numbers = [whole_traces(traced, probe)]
    for name in TRACED:
        traced.mesh.sidecars[name].environment = proxy_environment(Tracer(**tracer), name)
        traced.mesh.restart_sidecars(name)
        numbers.append(whole_traces(traced, probe))
    return numbers


def whole_traces(traced: TracedMesh, probe: TraceProbe) -> int:
    """Send requests and return the number of whole traces."""
    traces = probe.collect([partial(traced.mesh.request, unique_path()) for _ in range(REQUESTS)])
    return list(traces.values()).count(WHOLE)


def test_each_trace_is_whole_on_the_way_from_b3_over_b3_w3c_to_otlp(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    traced.apply(**arguments(jaeger, B3))
    for tracer in (B3_W3C, OTLP):
        assert whole_traces_after_each_restart(traced, probe, jaeger, tracer) == [REQUESTS] * 4


def test_traces_are_broken_from_b3_to_otlp_until_the_last_restart(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    traced.apply(**arguments(jaeger, B3))
    assert whole_traces_after_each_restart(traced, probe, jaeger, OTLP) == [REQUESTS, 0, 0, REQUESTS]
