"""The Python examples on a real Consul. Tests of examples/teams are in test_teams."""

from collections.abc import Iterator
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, clear, entries, live, put

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

EXPECTED = {
    "minimal": "envoy.config.trace.v3.ZipkinConfig",
    "otlp-tls": "envoy.config.trace.v3.OpenTelemetryConfig",
    "vendor-otlp": "envoy.config.trace.v3.OpenTelemetryConfig",
    "datadog": "envoy.config.trace.v3.DatadogConfig",
    "gateways": "envoy.config.trace.v3.ZipkinConfig",
    "wrapper": "envoy.config.trace.v3.ZipkinConfig",
}
"""Examples without prerequisites, with the tracer in the entry that they write."""


def example(programs: Programs, name: str, configuration: dict[str, object]) -> Project:
    return Project(programs, CHECKOUT / "examples" / name, configuration)


@pytest.mark.parametrize("name", EXPECTED)
def test_example_is_applied_and_removed(programs: Programs, consul: Consul, name: str) -> None:
    stack = example(programs, name, {"consul:address": consul.address})
    stack.up()
    assert EXPECTED[name] in live(consul)["Config"]["envoy_tracing_json"]
    assert live(consul, WEB)["Protocol"] == "http"
    assert all(stack.outputs().values())
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(consul) == set()


def test_collector_of_the_tls_example_is_verified(programs: Programs, consul: Consul) -> None:
    stack = example(programs, "otlp-tls", {"consul:address": consul.address})
    stack.up()
    cluster = live(consul)["Config"]["envoy_extra_static_clusters_json"]
    assert '"filename":"/etc/consul-tracing/ca.pem"' in cluster
    assert '"exact":"otel-collector.example.com"' in cluster
    stack.destroy()


def test_adopted_mesh_keeps_the_fields_of_other_owners(programs: Programs, consul: Consul) -> None:
    put(consul, MESH, Config=PROMETHEUS, MeshGateway={"Mode": "local"})
    put(consul, WEB, Protocol="http", LocalRequestTimeoutMs=5000)
    stack = example(programs, "adopt", {"consul:address": consul.address})
    assert "preserved: MeshGateway.Mode, envoy_prometheus_bind_addr" in stack.preview_without_diff()
    stack.up()
    assert live(consul)["Config"].items() >= PROMETHEUS.items()
    assert "envoy_tracing_json" in live(consul)["Config"]
    assert live(consul, WEB)["LocalRequestTimeoutMs"] == 5000
    stack.preview(expect_no_changes=True)


@pytest.fixture
def other_datacenter(programs: Programs) -> Iterator[Consul]:
    other = Consul(programs, hcl='datacenter="us"')
    other.wait_until_ready()
    yield other
    clear(other)
    other.stop()


def test_each_datacenter_has_its_entries(programs: Programs, consul: Consul, other_datacenter: Consul) -> None:
    addresses: Any = {"eu": consul.address, "us": other_datacenter.address}
    stack = example(programs, "datacenters", {"datacenters:addresses": addresses})
    stack.up()
    for name, datacenter in (("eu", consul), ("us", other_datacenter)):
        assert entries(datacenter) == {MESH, WEB}
        assert f'"literal":{{"value":"{name}"}}' in live(datacenter)["Config"]["envoy_listener_tracing_json"]
    assert stack.output("bootstrap_hashes").keys() == addresses.keys()
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(other_datacenter) == set()
