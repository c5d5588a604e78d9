"""Proxies with a tracing of their own: `services.<name>.tracing` in their registrations.

The injector of consul-k8s writes the annotation of `proxy_annotations` to the same place.
"""

import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from consul_tracing.entries.registrations import proxy_config
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.names import LISTENER_KEY, TRACER_KEY
from testbed.http import Response
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from tests.mesh.test_gateways import enter, gateway_proxy
from tests.mesh.trace_stores import SpanName, Store, TraceProbe, open_store
from tests.mesh.traced_mesh import TRACE_ALL, TRACED, TracedMesh, request_id, sampled_parent, traces_as, unique_path
from tests.unit.envoy_messages import listener

pytestmark = pytest.mark.mesh

TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {}},
    "otlp-grpc": {"opentelemetry": {"service_name": "mesh"}},
    "otlp-http": {"opentelemetry": {"transport": "http", "resource_attributes": {"service.name": "mesh"}}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}

OFF: dict[str, Any] = {"protocol": "http", "tracing": {"enabled": False}}
HTTP: dict[str, Any] = {"protocol": "http"}


def at(percent: float) -> dict[str, Any]:
    return {"protocol": "http", "tracing": {"sampling": percent}}


def runs(*tracers: str) -> list[Any]:
    """Return each tracer with the oldest and the newest Envoy, and with the tracer in the listener."""
    return [
        pytest.param(
            version,
            {"tracer": TRACERS[tracer], "gateways": gateways},
            id=f"{version}-{tracer}-{gateways}",
            marks=[] if (version, gateways) == ("1.40.0", "join") else pytest.mark.slow,
        )
        for version in ("1.36.4", "1.40.0")
        for tracer in tracers
        for gateways in ("join", "skip")
    ]


@dataclass
class OwnMesh:
    """A mesh whose proxies have keys of their own in their registrations."""

    traced: TracedMesh
    arguments: dict[str, Any]
    store: Store

    def register(self, **services: dict[str, Any]) -> list[str]:
        """Register proxies with the keys of these services, and return the names of those that must restart.

        Wait until each running proxy has its listeners.
        """
        settings = MeshSettings.of("mesh", {**self.arguments, "services": services})
        mesh = self.traced.proxy_defaults()["Config"]
        must_restart = []
        for name, proxy in proxies_of(settings).items():
            if name in services:
                config = proxy_config(settings, proxy)
                assert all(mesh.get(key) != text for key, text in config.items())
                registration = self.traced.mesh.instances[name].registration
                registration["Connect"]["SidecarService"]["Proxy"]["Config"] = config
                self.traced.mesh.consul.register(registration)
                must_restart += [name] if TRACER_KEY in config else []
        return must_restart

    def start(self, **services: dict[str, Any]) -> None:
        """Register proxies with the keys of these services, and restart those whose bootstrap differs."""
        if names := self.register(**services):
            self.traced.mesh.restart_sidecars(*names)
        self.wait(**services)

    def wait(self, **services: dict[str, Any]) -> None:
        """Wait until proxies have the listeners of these services."""
        settings = MeshSettings.of("mesh", {**self.arguments, "services": services})
        for name in services:
            config = {**self.traced.proxy_defaults()["Config"], **proxy_config(settings, proxies_of(settings)[name])}
            sidecar, expected = self.traced.mesh.sidecars[name], listener(config[LISTENER_KEY])
            self.traced.wait_until(partial(traces_as, sidecar, expected), f"{name}'s sidecar with {expected}")

    def traces(self, requests: list[Callable[[], Response]], *, without: str = "") -> Counter[tuple[SpanName, ...]]:
        """Send requests, and return the numbers of traces by their spans. One proxy may be without a tracer."""
        proxies = [proxy for proxy in self.traced.proxies if proxy.name != without]
        return Counter(
            map(tuple, TraceProbe(self.traced.mesh.programs, self.store, proxies).collect(requests).values())
        )


@pytest.fixture
def start(traced: TracedMesh, jaeger: Jaeger) -> Iterator[Any]:
    """Return a function that starts the mesh with a version of Envoy and these arguments. Consul parses all keys."""
    if not traced.mesh.sidecars:
        traced.apply()
    before = len(traced.mesh.consul.program.output())

    @contextmanager
    def started(version: str, args: dict[str, Any], **services: dict[str, Any]) -> Iterator[OwnMesh]:
        for sidecar in traced.proxies:
            sidecar.version = version
        traced.bootstrap_hash = ""
        with open_store(args["tracer"], traced.mesh.zipkin, jaeger) as (store, port):
            own = {"collector": {"host": LOOPBACK, "port": port}, "sampling": TRACE_ALL, **args}
            # The cluster first: a running proxy rejects a listener whose tracer needs a cluster that it does not have.
            traced.apply(**{**own, "gateways": "join"})
            traced.apply(**own)
            mesh = OwnMesh(traced, traced.arguments(**own), store)
            mesh.start(**services)
            yield mesh
            assert not any(proxy.has_rejected_listener for proxy in traced.proxies)

    yield started
    assert "failed to parse" not in traced.mesh.consul.program.output()[before:]
    for name in TRACED:
        traced.mesh.sidecars[name].version = None
        traced.mesh.consul.register(traced.mesh.instances[name].registration)
    traced.bootstrap_hash = ""
    traced.apply()


def numbered(mesh: OwnMesh) -> list[Callable[[], Response]]:
    """Return 20 requests, of which a rate of 25 % samples five by their request id."""
    ids = [request_id(number) for number in range(0, 10_000, 500)]
    return [partial(mesh.traced.request, {"x-request-id": one}, path=unique_path()) for one in ids]


WHOLE = (SpanName("api", "SERVER"), SpanName("client", "CLIENT"), SpanName("web", "CLIENT"), SpanName("web", "SERVER"))
FROM_WEB = tuple(one for one in WHOLE if one.service != "client")
AROUND_WEB = tuple(one for one in WHOLE if one.service != "web")


@pytest.mark.parametrize(("version", "args"), runs("otlp-grpc", "otlp-http", "datadog"))
def test_registered_proxies_have_their_own_service_names(start: Any, version: str, args: dict[str, Any]) -> None:
    services = {"web": {**HTTP, "tracing": {"service_name": "{namespace}/{service}"}}, "api": HTTP}
    with start(version, args, **services) as mesh:
        (spans,) = mesh.traces([mesh.traced.request])
        assert [span.service for span in spans] == ["api", "default/web", "default/web", "mesh"]
        assert {proxy.running_version for proxy in mesh.traced.proxies} == {version}


@pytest.mark.parametrize(("version", "args"), runs(*TRACERS))
def test_trace_is_whole_around_proxies_without_a_tracer(start: Any, version: str, args: dict[str, Any]) -> None:
    with start(version, args, client=HTTP, web=OFF, api=HTTP) as mesh:
        parent = sampled_parent(secrets.token_hex(16)) if "zipkin" not in args["tracer"] else {}
        requests = [mesh.traced.request, mesh.traced.request, partial(mesh.traced.request, parent)]
        assert mesh.traces(requests, without="web") == {AROUND_WEB: 3}


@pytest.mark.parametrize(("version", "args"), runs("zipkin", "datadog"))
def test_proxy_has_its_own_rate_behind_an_edge_without_a_tracer(start: Any, version: str, args: dict[str, Any]) -> None:
    """The rate of the mesh is 100 %. A new rate reaches the running proxy with its registration."""
    with start(version, args, client=OFF, web=at(25), api=HTTP) as mesh:
        assert mesh.traces(numbered(mesh), without="client") == {FROM_WEB: 5}
        for rate, expected in ((0, {}), (100, {FROM_WEB: 20})):
            mesh.register(web=at(rate))
            mesh.wait(web=at(rate))
            assert mesh.traces(numbered(mesh), without="client") == expected


@pytest.mark.parametrize(("version", "args"), runs("otlp-grpc", "otlp-http"))
def test_sampler_of_a_proxy_decides_behind_an_edge_without_a_tracer(
    start: Any, version: str, args: dict[str, Any]
) -> None:
    with start(version, args, client=OFF, web=at(25), api=HTTP) as mesh:
        requests = [partial(mesh.traced.request, path=unique_path()) for _ in range(100)]
        found = mesh.traces(requests, without="client")
        assert found.keys() == {FROM_WEB}
        # Five standard deviations of a binomial distribution.
        assert abs(found[FROM_WEB] - 25) <= 21


def test_rate_of_a_proxy_in_the_middle_of_a_trace_has_no_effect(start: Any) -> None:
    with start("1.40.0", {"tracer": TRACERS["zipkin"]}, web=at(0)) as mesh:
        assert mesh.traces(numbered(mesh)) == {WHOLE: 20}


@pytest.mark.parametrize(("version", "args"), [one for one in runs(*TRACERS) if one.values[1]["gateways"] == "join"])
@pytest.mark.parametrize("kind", ["ingress", "api"])
def test_gateway_without_a_tracer_leaves_the_decision_to_the_sidecars(
    start: Any, kind: str, version: str, args: dict[str, Any]
) -> None:
    """With the tracer of the mesh, a gateway marks such requests as not sampled (tests/mesh/test_gateways.py)."""
    with (
        start(version, args, web=HTTP, api=HTTP) as mesh,
        gateway_proxy(mesh.traced, kind, version=version, config={TRACER_KEY: "{}"}) as (port, _),
    ):
        assert mesh.traces([partial(enter, port) for _ in range(10)]) == {FROM_WEB: 10}


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.36.4", "1.40.0"])
@pytest.mark.parametrize(("tracer", "is_serving"), [("datadog", False), ("otlp-grpc", True), ("otlp-http", True)])
def test_proxy_with_its_own_tracer_starts_without_the_cluster_of_the_mesh(
    start: Any, traced: TracedMesh, tracer: str, version: str, *, is_serving: bool
) -> None:
    """The reason to remove the keys before `enabled: false`. Datadog's tracer requires its cluster."""
    with start(version, {"tracer": TRACERS[tracer]}, api=HTTP):
        pass
    api = traced.mesh.sidecars["api"]
    traced.mesh.consul.delete_config_entry("proxy-defaults", "global")
    traced.mesh.stop_sidecars("api")
    traced.mesh.launch_sidecars("api")
    if is_serving:
        api.wait_until_ready(listeners=1)
    else:
        traced.wait_until(lambda: api.has_rejected_listener, "a rejected listener")
        assert api.listeners() == []
