"""Spans with the service name of their proxy, with every tracer and version of Envoy."""

from collections.abc import Iterator
from typing import Any

import pytest

from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.mesh_settings import Tracer
from testbed.collectors import Received, http_collector, otlp_grpc_collector
from testbed.ports import LOOPBACK
from tests.mesh.traced_mesh import TRACED, TracedMesh, unique_path

pytestmark = pytest.mark.mesh

OTLP_GRPC: dict[str, Any] = {"opentelemetry": {"service_name": "mesh"}}
OTLP_HTTP: dict[str, Any] = {"opentelemetry": {"transport": "http", "service_name": "mesh"}}
DATADOG: dict[str, Any] = {"datadog": {"service_name": "mesh"}}

EVERY_TRACER = [
    pytest.param(version, tracer, id=f"{version}-{name}", marks=[] if version == "1.37.0" else pytest.mark.slow)
    for version in ("1.37.0", "1.36.4", "1.40.0")
    for name, tracer in (("otlp-grpc", OTLP_GRPC), ("otlp-http", OTLP_HTTP), ("datadog", DATADOG))
]


@pytest.fixture
def named(traced: TracedMesh) -> Iterator[TracedMesh]:
    """The mesh. Teardown resets the environment and the Envoy version of the sidecars."""
    yield traced
    for sidecar in traced.mesh.sidecars.values():
        sidecar.environment, sidecar.version = {}, None
    traced.bootstrap_hash = ""


def names(received: Received) -> list[str]:
    """Return the service name of each span, sorted."""
    datadog = [span["service"] for span in received.datadog_spans()]
    return sorted(datadog or [name for name, _ in received.spans()])


def start(named: TracedMesh, version: str | None, environments: dict[str, dict[str, str]]) -> None:
    """Restart the sidecars with a version of Envoy and their environment variables."""
    for service in TRACED:
        sidecar = named.mesh.sidecars[service]
        sidecar.environment, sidecar.version = environments.get(service, {}), version
    named.mesh.restart_sidecars(*TRACED)


@pytest.mark.parametrize(("version", "tracer"), EVERY_TRACER)
def test_each_proxy_reports_its_own_service_name(named: TracedMesh, version: str, tracer: dict[str, Any]) -> None:
    with otlp_grpc_collector() if tracer is OTLP_GRPC else http_collector() as received:
        named.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=tracer)
        settings = Tracer(**tracer)
        start(named, version, {name: proxy_environment(settings, name) for name in TRACED})
        assert {named.mesh.sidecars[name].running_version for name in TRACED} == {version}
        named.mesh.request(unique_path())
        named.wait_until(lambda: len(names(received)) >= 4, "four spans")
        assert names(received) == ["api", "client", "web", "web"]


ATTRIBUTE: dict[str, Any] = {"opentelemetry": {"transport": "http", "resource_attributes": {"service.name": "mesh"}}}


@pytest.mark.parametrize("tracer", [OTLP_HTTP, ATTRIBUTE, DATADOG], ids=["otlp", "resource-attribute", "datadog"])
def test_proxy_without_the_variable_reports_the_name_of_the_inputs(named: TracedMesh, tracer: dict[str, Any]) -> None:
    with http_collector() as received:
        named.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=tracer)
        start(named, None, {"web": proxy_environment(Tracer(**tracer), "web")})
        named.mesh.request(unique_path())
        named.wait_until(lambda: len(names(received)) >= 4, "four spans")
        assert names(received) == ["mesh", "mesh", "web", "web"]


@pytest.mark.parametrize(
    "version", ["1.37.0", *(pytest.param(version, marks=pytest.mark.slow) for version in ("1.36.4", "1.40.0"))]
)
@pytest.mark.parametrize("name", ["é %20", "ü:;&"])
def test_name_with_special_characters_arrives_unchanged(named: TracedMesh, version: str, name: str) -> None:
    with http_collector() as received:
        named.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=OTLP_HTTP)
        start(named, version, {"client": proxy_environment(Tracer(**OTLP_HTTP), name)})
        named.mesh.request(unique_path())
        named.wait_until(lambda: len(names(received)) >= 4, "four spans")
        assert name in names(received)


@pytest.mark.slow
def test_envoy_cannot_read_a_name_with_a_comma(named: TracedMesh) -> None:
    """`proxy_environment` has no variable for such a name: neither plain text nor escapes reach the collector."""
    assert proxy_environment(Tracer(**OTLP_HTTP), "a,b") == {}
    with http_collector() as received:
        named.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=OTLP_HTTP)
        variables = {"client": "service.name=a,b", "web": "service.name=a%2Cb"}
        start(named, None, {name: {"OTEL_RESOURCE_ATTRIBUTES": text} for name, text in variables.items()})
        named.mesh.request(unique_path())
        named.wait_until(lambda: len(names(received)) >= 4, "four spans")
        assert "a,b" not in names(received)
