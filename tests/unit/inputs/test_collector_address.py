"""Addresses of collectors at which spans are probably lost."""

import pytest

from consul_tracing.inputs.collector_address import mesh_reason, namespace_reason, port_reason

ZIPKIN, GRPC, HTTP, DATADOG, UNKNOWN = 9411, 4317, 4318, 8126, 0


@pytest.mark.parametrize(
    ("own", "port"),
    [
        *[(ZIPKIN, port) for port in (4317, 4318, 8126, 14250, 14268)],
        *[(GRPC, port) for port in (4318, 8126, 9411, 14250, 14268)],
        *[(HTTP, port) for port in (4317, 8126, 9411, 14250, 14268)],
        *[(DATADOG, port) for port in (4317, 4318, 9411, 14250, 14268)],
        (UNKNOWN, 9411),
    ],
)
def test_port_of_another_protocol_loses_spans(own: int, port: int) -> None:
    for has_tls in (True, False):
        assert f"{port} is the port of " in port_reason(port, own, has_tls=has_tls)


@pytest.mark.parametrize("own", [ZIPKIN, GRPC, HTTP, DATADOG, UNKNOWN])
def test_own_port_and_a_port_without_a_protocol_are_accepted(own: int) -> None:
    for port in (own, 80, 8080, 8443, 55680):
        assert port_reason(port, own, has_tls=False) == ""


@pytest.mark.parametrize("own", [ZIPKIN, GRPC, HTTP, DATADOG, UNKNOWN])
def test_port_of_https_requires_tls(own: int) -> None:
    assert port_reason(443, own, has_tls=False) == "443 is the port of HTTPS, and spans are sent without TLS"
    assert port_reason(443, own, has_tls=True) == ""


@pytest.mark.parametrize(
    "host",
    [
        "zipkin.virtual.consul",
        "Zipkin.Virtual.Consul.",
        "zipkin.connect.consul",
        "zipkin.virtual.observability.ns.dc1.dc.consul",
        "primary.zipkin.connect.dc2.consul",
        "240.0.0.1",
        "255.1.2.3",
    ],
)
def test_address_of_the_mesh_is_not_reached(host: str) -> None:
    assert f'"{host}" is an address for connections through the mesh' in mesh_reason(host)


@pytest.mark.parametrize(
    "host",
    [
        "zipkin",
        "consul",
        "virtual.consul",
        "zipkin.service.consul",
        "connect.service.consul",
        "virtual.zipkin.service.consul",
        "zipkin.service.connect.consul",
        "zipkin.virtual.example.com",
        "zipkin.query.consul",
        "10.0.0.1",
        "2000::1",
        "::1",
    ],
)
def test_other_address_may_be_reached(host: str) -> None:
    assert mesh_reason(host) == ""


@pytest.mark.parametrize("host", ["zipkin", "Zipkin", "otel_collector"])
def test_host_without_a_dot_belongs_to_the_namespace_of_each_pod(host: str) -> None:
    assert namespace_reason(host) == f'"{host}" has no dot, so each pod looks for it in the pod\'s own namespace'


@pytest.mark.parametrize("host", ["zipkin.observability", "zipkin.", "localhost", "10.0.0.1", "::1", "fd00::1", ""])
def test_other_host_belongs_to_one_namespace(host: str) -> None:
    assert namespace_reason(host) == ""
