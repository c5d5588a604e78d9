"""Spans on their way to collectors other than a Zipkin over plain HTTP."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolchain
from testbed.collectors import Received, otlp_over_grpc, over_http
from testbed.ports import LOOPBACK
from tests.mesh.traced_mesh import TracedMesh, unique_path

pytestmark = pytest.mark.mesh

RESOURCE = {"deployment.environment.name": "test"}


@pytest.fixture
def traced_again(traced: TracedMesh) -> Iterator[TracedMesh]:
    """The traced mesh, whose proxies are led back to Zipkin afterwards: the collector of the test will be gone."""
    yield traced
    traced.apply()


def trace_ids(received: Received) -> set[bytes]:
    return {span.trace_id for _, span in received.spans()}


def test_otlp_arrives_over_grpc(traced_again: TracedMesh) -> None:
    with otlp_over_grpc() as received:
        tracer = {"opentelemetry": {"service_name": "mesh", "resource_attributes": RESOURCE}}
        traced_again.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=tracer)
        heard = traced_again.mesh.request(unique_path()).json()["headers"]["traceparent"]
        traced_again.wait_until(lambda: len(received.spans()) >= 4, "four spans over gRPC")
        assert {name for name, _ in received.spans()} == {"mesh"}
        assert trace_ids(received) == {bytes.fromhex(heard.split("-")[1])}
        assert received.resource_attributes().items() >= RESOURCE.items()


def test_otlp_arrives_over_http(traced_again: TracedMesh) -> None:
    with over_http() as received:
        tracer = {"opentelemetry": {"transport": "http", "service_name": "mesh", "resource_attributes": RESOURCE}}
        traced_again.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=tracer)
        heard = traced_again.mesh.request(unique_path()).json()["headers"]["traceparent"]
        traced_again.wait_until(lambda: len(received.spans()) >= 4, "four spans over HTTP")
        assert trace_ids(received) == {bytes.fromhex(heard.split("-")[1])}
        assert {path for path, _, _ in received.requests} == {"/v1/traces"}
        assert received.resource_attributes().items() >= RESOURCE.items()


@pytest.fixture(scope="module")
def certificates(traced: TracedMesh) -> Path:
    """A directory with an authority, and a certificate of it for localhost and 127.0.0.1."""
    programs = traced.mesh.programs
    directory = programs.make_directory("certificates")
    consul = toolchain.program("consul")
    programs.run("tls ca", [consul, "tls", "ca", "create"], directory=directory)
    programs.run("tls cert", [consul, "tls", "cert", "create", "-server"], directory=directory)
    return directory


def tls_collector(certificates: Path, received: Received, **tls: str) -> dict[str, object]:
    ca_file = str(certificates / "consul-agent-ca.pem")
    return {"host": LOOPBACK, "port": received.port, "tls": {"ca_file": ca_file, **tls}}


def test_spans_go_over_tls_to_a_collector_that_proves_itself(traced_again: TracedMesh, certificates: Path) -> None:
    pair = certificates / "dc1-server-consul-0.pem", certificates / "dc1-server-consul-0-key.pem"
    with over_http(*pair) as received:
        traced_again.apply(collector=tls_collector(certificates, received))
        trace_id = traced_again.mesh.request(unique_path()).json()["headers"]["x-b3-traceid"]
        traced_again.wait_until(lambda: len(received.requests) >= 4, "four spans over TLS")
        assert {path for path, _, _ in received.requests} == {"/api/v2/spans"}
        assert {span["traceId"] for _, _, body in received.requests for span in json.loads(body)} == {trace_id}


@pytest.mark.parametrize(
    "tls",
    [{"server_name": "another.example.com"}, {"ca_file": "/etc/ssl/certs/ca-certificates.crt"}],
    ids=["another-name", "another-authority"],
)
def test_no_span_goes_to_a_collector_that_does_not(
    traced_again: TracedMesh, certificates: Path, tls: dict[str, str], tmp_path: Path
) -> None:
    if "ca_file" in tls:
        programs = traced_again.mesh.programs
        programs.run("another ca", [toolchain.program("consul"), "tls", "ca", "create"], directory=tmp_path)
        tls = {"ca_file": str(tmp_path / "consul-agent-ca.pem")}
    pair = certificates / "dc1-server-consul-0.pem", certificates / "dc1-server-consul-0-key.pem"
    with over_http(*pair) as received:
        traced_again.apply(collector=tls_collector(certificates, received, **tls))
        assert traced_again.mesh.request(unique_path()).status == 200
        web = traced_again.mesh.sidecars["web"]
        failures = "cluster.tracing_collector.ssl.fail_verify"
        traced_again.wait_until(lambda: sum(web.stats(failures).values()) > 0, "a refused certificate")
        assert received.requests == []
