"""Spans with the service name of their proxy, with every tracer and version of Envoy."""

import secrets
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.tracer_settings import Tracer
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from tests.mesh.trace_stores import TraceProbe, open_store
from tests.mesh.traced_mesh import TRACED, TracedMesh, sampled_parent

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
    if not traced.mesh.sidecars:
        traced.apply()
    yield traced
    start_with(traced, {}, None)


def start_with(traced: TracedMesh, environments: dict[str, dict[str, str]], version: str | None) -> None:
    """Set the environment variables and the version of Envoy with which the next `apply` starts the sidecars."""
    for name, sidecar in traced.mesh.sidecars.items():
        sidecar.environment, sidecar.version = environments.get(name, {}), version
    traced.bootstrap_hash = ""


def names(
    named: TracedMesh,
    jaeger: Jaeger,
    tracer: dict[str, Any],
    environments: dict[str, dict[str, str]],
    version: str | None = None,
) -> list[str]:
    """Start the sidecars, and return the service of each span of a request, sorted."""
    start_with(named, environments, version)
    with open_store(tracer, named.mesh.zipkin, jaeger) as (store, port):
        named.apply(collector={"host": LOOPBACK, "port": port}, tracer=tracer)
        probe = TraceProbe(named.mesh.programs, store, named.proxies)
        traces = probe.collect([partial(named.request, sampled_parent(secrets.token_hex(16)))])
    (spans,) = traces.values()
    return [span.service for span in spans]


@pytest.mark.parametrize(("version", "tracer"), EVERY_TRACER)
def test_each_proxy_reports_its_own_service_name(
    named: TracedMesh, jaeger: Jaeger, version: str, tracer: dict[str, Any]
) -> None:
    environments = {name: proxy_environment(Tracer(**tracer), name) for name in TRACED}
    assert names(named, jaeger, tracer, environments, version) == ["api", "client", "web", "web"]
    assert {proxy.running_version for proxy in named.proxies} == {version}


ATTRIBUTE: dict[str, Any] = {"opentelemetry": {"transport": "http", "resource_attributes": {"service.name": "mesh"}}}


@pytest.mark.parametrize("tracer", [OTLP_HTTP, ATTRIBUTE, DATADOG], ids=["otlp", "resource-attribute", "datadog"])
def test_proxy_without_the_variable_reports_the_name_of_the_inputs(
    named: TracedMesh, jaeger: Jaeger, tracer: dict[str, Any]
) -> None:
    environments = {"web": proxy_environment(Tracer(**tracer), "web")}
    assert names(named, jaeger, tracer, environments) == ["mesh", "mesh", "web", "web"]


@pytest.mark.parametrize(
    "version", ["1.37.0", *(pytest.param(version, marks=pytest.mark.slow) for version in ("1.36.4", "1.40.0"))]
)
@pytest.mark.parametrize("name", ["é %20", "ü:;&"])
def test_name_with_special_characters_arrives_unchanged(
    named: TracedMesh, jaeger: Jaeger, version: str, name: str
) -> None:
    environments = {"client": proxy_environment(Tracer(**OTLP_HTTP), name)}
    assert names(named, jaeger, OTLP_HTTP, environments, version) == ["mesh", "mesh", "mesh", name]


@pytest.mark.slow
def test_envoy_cannot_read_a_name_with_a_comma(named: TracedMesh, jaeger: Jaeger) -> None:
    """`proxy_environment` has no variable for such a name: neither plain text nor escapes reach the collector."""
    assert proxy_environment(Tracer(**OTLP_HTTP), "a,b") == {}
    variables = {"client": "service.name=a,b", "web": "service.name=a%2Cb"}
    environments = {name: {"OTEL_RESOURCE_ATTRIBUTES": text} for name, text in variables.items()}
    assert "a,b" not in names(named, jaeger, OTLP_HTTP, environments)
