"""Changes of the tracer and of Envoy while proxies are restarted one by one: which ones keep every trace whole."""

from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.tracer_settings import Tracer
from testbed.jaeger import Jaeger
from testbed.pulumi import Project
from tests.mesh.consul_entries import rejection
from tests.mesh.trace_stores import JaegerStore, SpanName, TraceProbe, to_jaeger
from tests.mesh.traced_mesh import PERCENT, TRACE_ALL, TRACED, TracedMesh, rendered, unique_path

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

REQUESTS = 20
WHOLE = (
    SpanName("api", "SERVER"),
    SpanName("client", "CLIENT"),
    SpanName("web", "CLIENT"),
    SpanName("web", "SERVER"),
)

MOST_AT_TEN_PERCENT = 25
"""Of 100 requests. Five standard deviations above the mean."""

B3: dict[str, Any] = {"zipkin": {}}
B3_W3C: dict[str, Any] = {"zipkin": {"propagation": "b3+w3c"}}
OTLP: dict[str, Any] = {"opentelemetry": {}}


@pytest.fixture
def probe(traced: TracedMesh, jaeger: Jaeger) -> Iterator[TraceProbe]:
    """Traces in Jaeger, which accepts Zipkin spans and OTLP. Teardown resets the mesh."""
    traced.apply()
    yield TraceProbe(traced.mesh.programs, JaegerStore(jaeger), traced.proxies)
    for name in TRACED:
        traced.mesh.sidecars[name].environment, traced.mesh.sidecars[name].version = {}, None
    traced.mesh.restart_service("web")
    traced.bootstrap_hash = ""


def started_stack(traced: TracedMesh, jaeger: Jaeger) -> Project:
    """Return a stack with b3, which the proxies follow.

    It traces all requests: no request id decides for every tracer, and headers of callers would join broken traces.
    """
    stack = traced.stack(**to_jaeger(B3, jaeger), sampling=TRACE_ALL)
    stack.up()
    traced.follow()
    return stack


def change(stack: Project, traced: TracedMesh, jaeger: Jaeger, tracer: dict[str, Any], *, accept: bool) -> None:
    """Set the tracer in the configuration of the stack."""
    args = to_jaeger(tracer, jaeger)
    stack.configure(traced.configuration(**args, sampling=TRACE_ALL, accept_broken_traces=accept))


def whole_traces_after_each_restart(traced: TracedMesh, probe: TraceProbe, tracer: dict[str, Any]) -> list[int]:
    """Return how many traces are whole now, and after each restart of a proxy."""
    numbers = [whole_traces(traced, probe)]
    for name in TRACED:
        traced.mesh.sidecars[name].environment = proxy_environment(Tracer(**tracer), name)
        traced.mesh.restart_sidecars(name)
        numbers.append(whole_traces(traced, probe))
    return numbers


def whole_traces(traced: TracedMesh, probe: TraceProbe) -> int:
    """Send requests and return the number of whole traces."""
    traces = probe.collect([partial(traced.mesh.request, unique_path()) for _ in range(REQUESTS)])
    return list(map(tuple, traces.values())).count(WHOLE)


def test_each_trace_is_whole_on_the_way_from_b3_over_b3_w3c_to_otlp(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    stack = started_stack(traced, jaeger)
    for tracer in (B3_W3C, OTLP):
        change(stack, traced, jaeger, tracer, accept=False)
        stack.up()
        assert whole_traces_after_each_restart(traced, probe, tracer) == [REQUESTS] * 4


def test_traces_are_broken_from_b3_to_otlp_until_the_last_restart(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    stack = started_stack(traced, jaeger)
    change(stack, traced, jaeger, OTLP, accept=False)
    assert "CT218" in rejection(stack)
    change(stack, traced, jaeger, OTLP, accept=True)
    stack.up()
    assert whole_traces_after_each_restart(traced, probe, OTLP) == [REQUESTS, 0, 0, REQUESTS]


def test_running_proxies_sample_all_requests_until_they_restart_with_the_sampler(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    """CT532: the listener's 100 % reaches them at once, the sampler when they restart."""
    requests = [partial(traced.mesh.request, unique_path()) for _ in range(100)]
    traced.apply(**to_jaeger(B3_W3C, jaeger), sampling={"random": PERCENT})
    assert len(probe.collect(requests)) <= MOST_AT_TEN_PERCENT
    for entry in rendered(traced.arguments(**to_jaeger(OTLP, jaeger), sampling={"random": PERCENT})):
        traced.mesh.consul.write_config_entry(entry)
    traced.wait_until(lambda: len(probe.collect(requests)) == len(requests), "a trace of every request")
    traced.mesh.restart_sidecars("client")
    assert len(probe.collect(requests)) <= MOST_AT_TEN_PERCENT


def test_sampled_traces_are_whole_while_envoy_is_upgraded(
    traced: TracedMesh, probe: TraceProbe, jaeger: Jaeger
) -> None:
    traced.mesh.restart_service("web", propagate="w3c")
    for name in TRACED:
        sidecar = traced.mesh.sidecars[name]
        sidecar.version, sidecar.environment = "1.36.4", proxy_environment(Tracer(**OTLP), name)
    traced.bootstrap_hash = ""
    traced.apply(**to_jaeger(OTLP, jaeger), sampling={"random": 25})
    for name in TRACED:
        traced.mesh.sidecars[name].version = "1.40.0"
        traced.mesh.restart_sidecars(name)
        traces = probe.collect([partial(traced.mesh.request, unique_path()) for _ in range(100)])
        # At 25 %, no trace of 100 requests is less likely than 1 in 10**12.
        assert Counter(map(tuple, traces.values())).keys() == {WHOLE}
