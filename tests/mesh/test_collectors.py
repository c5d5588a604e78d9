"""Spans sent over OTLP to Jaeger, and to receivers of testbed/collectors.py: headers, Datadog and TLS."""

import json
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import toolchain
from testbed.collectors import Received, http_collector, otlp_grpc_collector
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TracedMesh, sampled_parent, unique_path

pytestmark = pytest.mark.mesh

RESOURCE = {"deployment.environment.name": "test"}


TRANSPORTS = pytest.mark.parametrize("transport", ["grpc", "http"])


@TRANSPORTS
def test_otlp_arrives(traced: TracedMesh, jaeger: Jaeger, transport: str) -> None:
    tracer = {"opentelemetry": {"transport": transport, "service_name": "mesh", "resource_attributes": RESOURCE}}
    traced.apply(**to_jaeger(tracer, jaeger))
    trace_id = secrets.token_hex(16)
    traced.request(sampled_parent(trace_id))
    spans = jaeger.wait_for_spans(trace_id, 4)
    assert sorted((span.service, span.kind) for span in spans) == [("mesh", "CLIENT")] * 2 + [("mesh", "SERVER")] * 2
    assert len({span.parent_id for span in spans} & {span.id for span in spans}) == 3
    assert all(span.resource.items() >= RESOURCE.items() for span in spans)


@TRANSPORTS
def test_headers_are_sent_with_each_export(traced: TracedMesh, transport: str) -> None:
    with otlp_grpc_collector() if transport == "grpc" else http_collector() as received:
        exporter = {"transport": transport, "headers": {"X-Scope-OrgID": "shop"}}
        traced.apply(collector={"host": LOOPBACK, "port": received.port}, tracer={"opentelemetry": exporter})
        traced.request(sampled_parent(secrets.token_hex(16)))
        traced.wait_until(lambda: len(received.headers) >= 4, "four exports")
        assert {headers["x-scope-orgid"] for headers in received.headers} == {"shop"}


def test_datadog_spans_arrive_with_service_and_resource(traced: TracedMesh) -> None:
    with http_collector() as received:
        traced.apply(collector={"host": LOOPBACK, "port": received.port}, tracer={"datadog": {"service_name": "mesh"}})
        path = unique_path()
        headers = traced.request(path=path).json()["headers"]
        traced.wait_until(lambda: len(received.datadog_spans()) >= 4, "four spans as a Datadog agent receives them")
        spans = received.datadog_spans()
        assert {span["service"] for span in spans} == {"mesh"}
        assert {span["name"] for span in spans} == {"envoy.proxy"}
        assert {span["resource"] for span in spans} == {"egress web", "ingress", "egress api"}
        assert all(span["meta"]["http.url"].endswith(path) for span in spans)
        assert {str(span["trace_id"]) for span in spans} == {headers["x-datadog-trace-id"]}
        ids = {span["span_id"] for span in spans}
        assert len({span["parent_id"] for span in spans} & ids) == 3


@pytest.mark.parametrize(
    ("tracer", "host"),
    [
        ({"zipkin": {"hostname": "spans.example.com"}}, "spans.example.com"),
        ({"zipkin": {}}, LOOPBACK),
        ({"opentelemetry": {"transport": "http"}}, f"{LOOPBACK}:PORT"),
    ],
    ids=["zipkin-hostname", "zipkin", "otlp-http"],
)
def test_host_header_defaults_to_the_collector(traced: TracedMesh, tracer: dict[str, Any], host: str) -> None:
    with http_collector() as received:
        traced.apply(collector={"host": LOOPBACK, "port": received.port}, tracer=tracer)
        traced.request(sampled_parent(secrets.token_hex(16)))
        traced.wait_until(lambda: received.requests, "spans")
        assert {header for _, header, _ in received.requests} == {host.replace("PORT", str(received.port))}


def server_pair(certificates: Path) -> tuple[Path, Path]:
    """Return the certificate and the key of the collector."""
    return certificates / "dc1-server-consul-0.pem", certificates / "dc1-server-consul-0-key.pem"


def tls_collector(certificates: Path, received: Received, **tls: str) -> dict[str, object]:
    ca_file = str(certificates / "consul-agent-ca.pem")
    return {"host": LOOPBACK, "port": received.port, "tls": {"ca_file": ca_file, **tls}}


def test_spans_are_sent_over_tls_to_a_verified_collector(traced: TracedMesh, certificates: Path) -> None:
    with http_collector(*server_pair(certificates)) as received:
        traced.apply(collector=tls_collector(certificates, received))
        trace_id = traced.request().json()["headers"]["x-b3-traceid"]
        traced.wait_until(lambda: len(received.requests) >= 4, "four spans over TLS")
        assert {path for path, _, _ in received.requests} == {"/api/v2/spans"}
        assert {span["traceId"] for _, _, body in received.requests for span in json.loads(body)} == {trace_id}


def client_pair(certificates: Path) -> dict[str, str]:
    """Return the `tls` inputs for a client certificate."""
    pair = certificates / "dc1-client-consul-0.pem", certificates / "dc1-client-consul-0-key.pem"
    return {"certificate_file": str(pair[0]), "key_file": str(pair[1])}


def test_collector_with_mutual_tls_receives_spans_only_with_a_client_certificate(
    traced: TracedMesh, certificates: Path
) -> None:
    with http_collector(*server_pair(certificates), client_authority=certificates / "consul-agent-ca.pem") as received:
        traced.apply(collector=tls_collector(certificates, received))
        assert traced.request().status == 200
        errors = "cluster.tracing_collector.ssl.connection_error"
        traced.wait_until(lambda: sum(traced.mesh.sidecars["web"].stats(errors).values()) > 0, "a rejected client")
        assert received.requests == []
        traced.apply(collector=tls_collector(certificates, received, **client_pair(certificates)))
        trace_id = traced.request().json()["headers"]["x-b3-traceid"]
        traced.wait_until(lambda: len(received.requests) >= 4, "four spans over mutual TLS")
        assert {span["traceId"] for _, _, body in received.requests for span in json.loads(body)} == {trace_id}


@pytest.mark.parametrize(
    "tls",
    [{"server_name": "another.example.com"}, {"ca_file": "/etc/ssl/certs/ca-certificates.crt"}],
    ids=["another-name", "another-authority"],
)
def test_no_span_is_sent_to_a_collector_with_an_invalid_certificate(
    traced: TracedMesh, certificates: Path, tls: dict[str, str], tmp_path: Path
) -> None:
    if "ca_file" in tls:
        programs = traced.mesh.programs
        programs.run("another ca", [toolchain.program("consul"), "tls", "ca", "create"], directory=tmp_path)
        tls = {"ca_file": str(tmp_path / "consul-agent-ca.pem")}
    with http_collector(*server_pair(certificates)) as received:
        traced.apply(collector=tls_collector(certificates, received, **tls))
        assert traced.request().status == 200
        web = traced.mesh.sidecars["web"]
        failures = "cluster.tracing_collector.ssl.fail_verify"
        traced.wait_until(lambda: sum(web.stats(failures).values()) > 0, "a rejected certificate")
        assert received.requests == []


def test_rate_of_a_sampler_in_the_listener_changes_without_a_restart(traced: TracedMesh, jaeger: Jaeger) -> None:
    """With `gateways: skip` the tracer, and with it the sampler, is in the listener (Consul 1.22.6 or newer)."""
    args = to_jaeger({"opentelemetry": {"transport": "http", "service_name": "mesh"}}, jaeger)
    traced.apply(**args)
    traced.apply(**args, gateways="skip")
    started = {name: sidecar.program.process.pid for name, sidecar in traced.mesh.sidecars.items()}
    for percent, fewest, most in ((25, 4, 46), (75, 54, 96), (0.01, 0, 3)):
        traced.apply(**args, gateways="skip", sampling={"random": percent})
        with ThreadPoolExecutor(4) as pool:
            responses = list(pool.map(lambda _: traced.mesh.request(unique_path()), range(100)))
        sampled = sum(one.json()["headers"]["traceparent"].endswith("-01") for one in responses)
        assert fewest <= sampled <= most, "bounds of five standard deviations"
    assert {name: sidecar.program.process.pid for name, sidecar in traced.mesh.sidecars.items()} == started
