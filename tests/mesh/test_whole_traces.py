"""Whole traces at the default rate: each tracer, version of Envoy, kind of application and entrance of the mesh.

A cell sends 400 requests of callers without a trace, and 40 of callers with a sampled one.
"""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.mesh_settings import MeshSettings
from testbed.http import Response, send_request
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from testbed.services import Propagation
from tests.mesh.sampled_traces import (
    CALLERS,
    EXPECTED,
    TOLERANCE,
    Shapes,
    assert_whole,
    choose,
    flushing,
    measure,
)
from tests.mesh.test_gateways import gateway_proxy
from tests.mesh.trace_stores import SpanName, TraceProbe, open_store
from tests.mesh.traced_mesh import TracedMesh, unique_path

pytestmark = pytest.mark.mesh

TRACERS: dict[str, dict[str, Any]] = {
    "zipkin-b3": {"zipkin": {}},
    "zipkin-b3+w3c": {"zipkin": {"propagation": "b3+w3c"}},
    "otlp-grpc": {"opentelemetry": {}},
    "otlp-http": {"opentelemetry": {"transport": "http"}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}

APPLICATIONS: tuple[Propagation, ...] = ("all", "w3c", "b3")
PROPAGATING: dict[str, set[Propagation]] = {
    "zipkin-b3": {"all", "b3"},
    "zipkin-b3+w3c": {"all", "w3c", "b3"},
    "otlp-grpc": {"all", "w3c"},
    "otlp-http": {"all", "w3c"},
    "datadog": {"all", "w3c"},
}
"""Applications that propagate headers which the proxies read. Behind others a new trace starts."""

Entrance = Literal["sidecar", "gateway"]
ENTRANCES: dict[Entrance, SpanName] = {
    "sidecar": SpanName("client", "CLIENT"),
    "gateway": SpanName("api-gateway", "CLIENT"),
}
SPANS_OF_WEB = [SpanName("web", "SERVER")]
SPANS_OF_API = [SpanName("api", "SERVER"), SpanName("web", "CLIENT")]
"""Spans of the request that web sends to api."""


@dataclass(frozen=True)
class Deployment:
    """The mesh with a tracer and a version of Envoy, and an API gateway."""

    traced: TracedMesh
    version: str
    tracer: str
    probe: TraceProbe
    gateway_port: int

    def measure(self, application: Propagation, entrance: Entrance) -> tuple[Shapes, Shapes]:
        """Return the shapes of the traces through web without callers' headers, and of those that callers start."""
        self.traced.mesh.restart_service("web", propagate=application)
        seed = f"{self.version} {self.tracer} {application} {entrance}"
        return measure(self.probe, self.tracer, seed, partial(self._request, entrance))

    def _request(self, entrance: Entrance, headers: Mapping[str, str]) -> Response:
        if entrance == "sidecar":
            return self.traced.mesh.request(unique_path(), headers)
        return send_request(self.gateway_port, unique_path(), headers={"Host": "web", **headers})


@pytest.fixture(scope="module")
def deployment(request: pytest.FixtureRequest, traced: TracedMesh, jaeger: Jaeger) -> Iterator[Deployment]:
    """The mesh with the version of Envoy and the tracer of the parameter."""
    version, tracer = request.param
    with ExitStack() as stack:
        store, port = stack.enter_context(open_store(TRACERS[tracer], traced.mesh.zipkin, jaeger))
        args = traced.arguments(collector={"host": LOOPBACK, "port": port}, tracer=TRACERS[tracer])
        settings = MeshSettings.of("mesh", args)
        stack.callback(choose, traced, None, None)
        choose(traced, version, settings.tracer)
        traced.apply(**args)
        gateway = gateway_proxy(
            traced,
            "api",
            flushing(gateway_arguments(settings)),
            version=version,
            environment=proxy_environment(settings.tracer, "api-gateway"),
        )
        gateway_port, envoy = stack.enter_context(gateway)
        proxies = [envoy, *traced.proxies]
        assert {proxy.running_version for proxy in proxies} == {version}
        stack.callback(traced.mesh.restart_service, "web")
        yield Deployment(traced, version, tracer, TraceProbe(traced.mesh.programs, store, proxies), gateway_port)


DEFAULT_LANE = {
    ("1.36.4", "otlp-http", "w3c", "sidecar"),
    ("1.40.0", "otlp-grpc", "w3c", "sidecar"),
    ("1.40.0", "otlp-grpc", "w3c", "gateway"),
}
"""Cells of `make test`. The others repeat most of what these test."""

NIGHTLY = {"1.38.3"}
"""Versions of Envoy between the oldest and the newest: `make test-nightly`."""


def cells(*, propagating: bool) -> pytest.MarkDecorator:
    """Return the cells whose applications propagate headers that the proxies read, or the other cells."""
    found = [
        ((version, tracer), application, entrance)
        for version in ("1.36.4", "1.38.3", "1.40.0")
        for tracer in TRACERS
        for application in APPLICATIONS
        for entrance in ENTRANCES
        if (application in PROPAGATING[tracer]) == propagating
    ]
    params = [pytest.param(*cell, id="-".join((*cell[0], *cell[1:])), marks=_lane(*cell)) for cell in found]
    # The scope keeps a deployment for all of its cells.
    names = ("deployment", "application", "entrance")
    return pytest.mark.parametrize(names, params, indirect=["deployment"], scope="module")


def _lane(deployment: tuple[str, str], *cell: str) -> list[pytest.MarkDecorator]:
    if deployment[0] in NIGHTLY:
        return [pytest.mark.nightly]
    return [] if (*deployment, *cell) in DEFAULT_LANE else [pytest.mark.slow]


@cells(propagating=True)
def test_traces_are_whole(deployment: Deployment, application: Propagation, entrance: Entrance) -> None:
    assert_whole(deployment.measure(application, entrance), ENTRANCES[entrance], *SPANS_OF_WEB, *SPANS_OF_API)


@cells(propagating=False)
def test_application_without_the_headers_of_the_tracer_ends_the_trace(
    deployment: Deployment, application: Propagation, entrance: Entrance
) -> None:
    """Its request to api is one without a trace, and is sampled as such."""
    traces, traces_of_callers = deployment.measure(application, entrance)
    first, second = tuple(sorted([ENTRANCES[entrance], *SPANS_OF_WEB])), tuple(SPANS_OF_API)
    assert traces.keys() == {first, second}
    assert all(abs(number - EXPECTED) <= TOLERANCE for number in traces.values())
    assert traces_of_callers == {first: CALLERS}
