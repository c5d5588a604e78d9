"""Gateways with the sampler of the OpenTelemetry tracer, and applications that propagate `traceparent`."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.mesh_settings import MeshSettings
from testbed.envoy import Envoy
from testbed.http import Response, send_request
from testbed.jaeger import Jaeger
from tests.mesh.sampled_traces import Shapes, assert_whole, choose, flushing, measure
from tests.mesh.test_gateways import KINDS, gateway_proxy, leave, terminating_gateway
from tests.mesh.trace_stores import JaegerStore, SpanName, TraceProbe, to_jaeger
from tests.mesh.traced_mesh import TracedMesh, unique_path

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

TRACER: dict[str, dict[str, Any]] = {"opentelemetry": {"resource_attributes": {"deployment.environment.name": "test"}}}
BEHIND = [SpanName("api", "SERVER"), SpanName("web", "CLIENT"), SpanName("web", "SERVER")]


@dataclass(frozen=True)
class SampledMesh:
    """The mesh with the sampler, its settings and its version of Envoy."""

    traced: TracedMesh
    jaeger: Jaeger
    settings: MeshSettings
    version: str

    def environment(self, service: str) -> Mapping[str, str]:
        """Return the environment of the service's proxies."""
        return proxy_environment(self.settings.tracer, service)

    def measure(
        self, seed: str, proxies: list[Envoy], send: Callable[[Mapping[str, str]], Response]
    ) -> tuple[Shapes, Shapes]:
        """Return the shapes of the traces without callers' headers, and of those that callers start."""
        assert {proxy.running_version for proxy in proxies} == {self.version}
        probe = TraceProbe(self.traced.mesh.programs, JaegerStore(self.jaeger), proxies)
        return measure(probe, "otlp-grpc", f"{self.version} {seed}", send)

    def measure_gateway(self, kind: str, arguments: list[str]) -> tuple[Shapes, Shapes]:
        """Measure requests through a gateway of this kind, started with these arguments of Envoy."""
        environment = self.environment(f"{kind}-gateway")
        started = gateway_proxy(self.traced, kind, arguments, version=self.version, environment=environment)
        with started as (port, envoy):
            proxies = [envoy, *self.traced.proxies]
            return self.measure(f"{kind} {arguments}", proxies, partial(enter, port))


def enter(port: int, headers: Mapping[str, str]) -> Response:
    """Send a request to web through the gateway."""
    return send_request(port, unique_path(), headers={"Host": "web", **headers})


@pytest.fixture(scope="module")
def sampled(request: pytest.FixtureRequest, traced: TracedMesh, jaeger: Jaeger) -> Iterator[SampledMesh]:
    """The mesh with the version of Envoy of the parameter."""
    services = {name: {"protocol": "http"} for name in ("web", "api", "legacy")}
    args = traced.arguments(**to_jaeger(TRACER, jaeger), services=services)
    settings = MeshSettings.of("mesh", args)
    choose(traced, request.param, settings.tracer)
    traced.apply(**args)
    traced.mesh.restart_service("web", propagate="w3c")
    yield SampledMesh(traced, jaeger, settings, request.param)
    traced.mesh.restart_service("web")
    choose(traced, None, None)


def with_envoy(*versions: str) -> pytest.MarkDecorator:
    """Parametrize a test with versions of Envoy."""
    return pytest.mark.parametrize("sampled", versions, indirect=True)


@with_envoy("1.36.4", "1.38.3")
@KINDS
def test_gateway_without_arguments_starts_traces_up_to_envoy_1_38(sampled: SampledMesh, kind: str) -> None:
    assert_whole(sampled.measure_gateway(kind, []), SpanName(f"{kind}-gateway", "CLIENT"), *BEHIND)


@with_envoy("1.40.0")
@KINDS
def test_gateway_without_arguments_silences_the_mesh_from_envoy_1_39(sampled: SampledMesh, kind: str) -> None:
    """It obeys Consul's 0 %, and does not follow callers either."""
    assert sampled.measure_gateway(kind, []) == ({}, {})


@with_envoy("1.36.4", "1.38.3", "1.40.0")
def test_ingress_gateway_with_arguments_starts_traces(sampled: SampledMesh) -> None:
    arguments = flushing(gateway_arguments(sampled.settings))
    assert_whole(sampled.measure_gateway("ingress", arguments), SpanName("ingress-gateway", "CLIENT"), *BEHIND)


@with_envoy("1.36.4", "1.38.3", "1.40.0")
def test_terminating_gateway_joins_traces(sampled: SampledMesh) -> None:
    with terminating_gateway(sampled.traced, version=sampled.version, environment=sampled.environment) as proxies:
        shapes = sampled.measure("terminating", proxies, partial(leave, sampled.traced))
    assert_whole(shapes, SpanName("exit", "SERVER"), SpanName("legacy-client", "CLIENT"))
