"""Whole traces at a sampling rate of 10 %: each tracer, version of Envoy, kind of application and entrance of the mesh.

A cell sends 400 requests of callers without a trace, and 40 of callers with a sampled one.
"""

import json
import random
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytest

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.mesh_settings import MeshSettings, Tracer
from testbed.collectors import http_collector
from testbed.envoy import SEND_SPANS_IMMEDIATELY
from testbed.http import Response, send_request
from testbed.ports import LOOPBACK
from testbed.services import Propagation
from tests.mesh.test_gateways import gateway_proxy
from tests.mesh.trace_stores import (
    DatadogStore,
    JaegerStore,
    SpanName,
    Store,
    TraceProbe,
    Traces,
    ZipkinStore,
)
from tests.mesh.traced_mesh import TRACED, TracedMesh, unique_path

pytestmark = pytest.mark.mesh

PERCENT = 10
REQUESTS = 400
CALLERS = 40

EXPECTED = REQUESTS * PERCENT / 100
# Five standard deviations of a binomial distribution: one failure by chance in a million cells.
TOLERANCE = 5 * (EXPECTED * (1 - PERCENT / 100)) ** 0.5

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

Shapes = Counter[tuple[SpanName, ...]]
"""Numbers of traces by their spans."""


def own_headers(tracer: str, chance: random.Random) -> tuple[str, dict[str, str]]:
    """Return the id of a caller's trace in the store, and its headers for the tracer, sampled."""
    trace_id, span_id = f"{chance.getrandbits(128):032x}", f"{chance.getrandbits(64):016x}"
    match tracer:
        case "zipkin-b3":
            return trace_id, {"x-b3-traceid": trace_id, "x-b3-spanid": span_id, "x-b3-sampled": "1"}
        case "datadog":
            short, parent = int(trace_id[16:], 16), int(span_id, 16)
            ids = {"x-datadog-trace-id": str(short), "x-datadog-parent-id": str(parent)}
            return trace_id[16:], {**ids, "x-datadog-sampling-priority": "1"}
        case _:
            return trace_id, {"traceparent": f"00-{trace_id}-{span_id}-01"}


@dataclass(frozen=True)
class Deployment:
    """The mesh with a tracer and a version of Envoy, and an API gateway."""

    traced: TracedMesh
    version: str
    tracer: str
    probe: TraceProbe
    gateway_port: int

    def send(self, entrance: Entrance, requests: Sequence[Mapping[str, str]]) -> Traces:
        """Send a request to web with each of these headers, and return the traces."""
        return self.probe.collect([partial(self._request, entrance, headers) for headers in requests])

    def _request(self, entrance: Entrance, headers: Mapping[str, str]) -> Response:
        if entrance == "sidecar":
            return self.traced.mesh.request(unique_path(), headers)
        return send_request(self.gateway_port, unique_path(), headers={"Host": "web", **headers})


@pytest.fixture(scope="module")
def deployment(request: pytest.FixtureRequest, traced: TracedMesh) -> Iterator[Deployment]:
    """The mesh with the version of Envoy and the tracer of the parameter."""
    version, tracer = request.param
    with ExitStack() as stack:
        store, port = open_store(tracer, traced, request, stack)
        args = traced.arguments(
            collector={"host": LOOPBACK, "port": port}, tracer=TRACERS[tracer], sampling={"random": PERCENT}
        )
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
        proxies = [envoy, *(traced.mesh.sidecars[name] for name in TRACED)]
        assert {proxy.running_version for proxy in proxies} == {version}
        stack.callback(traced.mesh.restart_service, "web")
        yield Deployment(traced, version, tracer, TraceProbe(traced.mesh.programs, store, proxies), gateway_port)


def open_store(tracer: str, traced: TracedMesh, request: pytest.FixtureRequest, stack: ExitStack) -> tuple[Store, int]:
    """Return the store for the spans of the tracer, and its port."""
    if tracer == "datadog":
        received = stack.enter_context(http_collector())
        return DatadogStore(received), received.port
    if tracer.startswith("zipkin"):
        return ZipkinStore(traced.mesh.zipkin), traced.mesh.zipkin.port
    store = JaegerStore(request.getfixturevalue("jaeger"))
    return store, store.jaeger.otlp_grpc_port if tracer == "otlp-grpc" else store.jaeger.otlp_http_port


def choose(traced: TracedMesh, version: str | None, tracer: Tracer | None) -> None:
    """Set the Envoy version and the environment of the sidecars, which the next `apply` restarts."""
    if not traced.mesh.sidecars:
        traced.apply()
    for name in TRACED:
        sidecar = traced.mesh.sidecars[name]
        sidecar.version, sidecar.environment = version, proxy_environment(tracer, name) if tracer else {}
    traced.bootstrap_hash = ""


def flushing(arguments: list[str]) -> list[str]:
    """Add the runtime layer of the testbed, with which proxies report each span at once, to the output's arguments."""
    option, text = arguments
    runtime = json.loads(text)
    runtime["layered_runtime"]["layers"].append({"name": "testbed", "static_layer": SEND_SPANS_IMMEDIATELY})
    return [option, json.dumps(runtime)]


DEFAULT_LANE = {
    ("1.36.4", "otlp-http", "w3c", "sidecar"),
    ("1.40.0", "otlp-grpc", "w3c", "sidecar"),
    ("1.40.0", "otlp-grpc", "w3c", "gateway"),
}
"""Cells of `make test`. The others repeat most of what these test."""


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
    lane = {cell: [] if (*cell[0], *cell[1:]) in DEFAULT_LANE else [pytest.mark.slow] for cell in found}
    params = [pytest.param(*cell, id="-".join((*cell[0], *cell[1:])), marks=lane[cell]) for cell in found]
    # The scope keeps a deployment for all of its cells.
    names = ("deployment", "application", "entrance")
    return pytest.mark.parametrize(names, params, indirect=["deployment"], scope="module")


@cells(propagating=True)
def test_traces_are_whole(deployment: Deployment, application: Propagation, entrance: Entrance) -> None:
    traces, traces_of_callers = measure(deployment, application, entrance)
    whole = tuple(sorted([ENTRANCES[entrance], *SPANS_OF_WEB, *SPANS_OF_API]))
    assert abs(traces.total() - EXPECTED) <= TOLERANCE
    assert traces[whole] >= 0.9 * traces.total()
    assert traces_of_callers == {whole: CALLERS}


@cells(propagating=False)
def test_application_without_the_headers_of_the_tracer_ends_the_trace(
    deployment: Deployment, application: Propagation, entrance: Entrance
) -> None:
    """Its request to api is one without a trace, and is sampled as such."""
    traces, traces_of_callers = measure(deployment, application, entrance)
    first, second = tuple(sorted([ENTRANCES[entrance], *SPANS_OF_WEB])), tuple(SPANS_OF_API)
    assert traces.keys() == {first, second}
    assert all(abs(number - EXPECTED) <= TOLERANCE for number in traces.values())
    assert traces_of_callers == {first: CALLERS}


def measure(deployment: Deployment, application: Propagation, entrance: Entrance) -> tuple[Shapes, Shapes]:
    """Return the shapes of the traces without callers' headers, and of those that callers have started."""
    # The same in each run, and different in each cell: a store keeps the traces of all cells.
    seed = f"{deployment.version} {deployment.tracer} {application} {entrance}"
    chance = random.Random(seed)  # noqa: S311 - not for cryptography
    callers = dict(own_headers(deployment.tracer, chance) for _ in range(CALLERS))
    deployment.traced.mesh.restart_service("web", propagate=application)
    # For the Zipkin and Datadog tracers, the request id decides, so each run has the same decisions.
    request_ids = [{"x-request-id": str(uuid.UUID(int=chance.getrandbits(128), version=4))} for _ in range(REQUESTS)]
    traces = deployment.send(entrance, request_ids)
    followed = deployment.send(entrance, list(callers.values()))
    of_callers = Counter(tuple(spans) for trace_id, spans in followed.items() if trace_id in callers)
    return Counter(map(tuple, traces.values())), of_callers
