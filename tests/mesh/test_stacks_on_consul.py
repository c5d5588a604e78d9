"""The lifecycle of the example stacks on a real Consul."""

from typing import Any

import pytest
import yaml

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import entries

pytestmark = pytest.mark.mesh

EVERYTHING = {
    "collector": {
        "host": "zipkin.example.com",
        "port": 9412,
        "connect_timeout_ms": 1500,
        "tls": {
            "ca_file": "/etc/ssl/ca.pem",
            "server_name": "spans.example.com",
            "certificate_file": "/etc/ssl/proxy.pem",
            "key_file": "/etc/ssl/proxy.key",
        },
    },
    "target": "consul",
    "existing": "refuse",
    "enabled": True,
    "tracer": {"zipkin": {"path": "/spans", "encoding": "protobuf", "hostname": "spans", "propagation": "b3+w3c"}},
    "sampling": {"client": 50, "random": 12.34, "overall": 99.5},
    "gateways": "join",
    "tags": {"team": {"literal": "core"}, "user": {"request_header": "X-User", "default": "anonymous"}},
    "services": {
        "web": {
            "protocol": "http",
            "service_defaults": {
                "LocalRequestTimeoutMs": 5000,
                "MeshGateway": {"Mode": "local"},
                "Meta": {"team": "core"},
            },
        },
        "payments": {
            "protocol": "grpc",
            "name": "payments-v2",
            "service_defaults": {"BalanceInboundConnections": "exact_balance"},
        },
        "search": {
            "protocol": "http2",
            "service_defaults": {"UpstreamConfig": {"Defaults": {"ConnectTimeoutMs": 900}}},
        },
    },
    "default_protocol": "http",
    "tcp_services": ["mysql"],
    "static_clusters": [{"name": "statsd", "type": "STRICT_DNS", "connect_timeout": "0.250s"}],
    "proxy_config": {
        "local_connect_timeout_ms": 1000,
        "envoy_prometheus_bind_addr": "0.0.0.0:9102",
        "nested": {"a": [1.5]},
    },
    "proxy_defaults": {
        "AccessLogs": {"Enabled": True},
        "Expose": {"Checks": True},
        "MeshGateway": {"Mode": "local"},
        "Meta": {"team": "core"},
        "MutualTLSMode": "strict",
    },
    "envoy_version": "1.36",
}


def config_of(stack: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    return config


def stack_config(consul: Consul, config: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration with the address of a Consul of the tests."""
    return {**config, "consul:address": consul.address}


@pytest.mark.parametrize("stack", ["dev", "everything"])
def test_stack_is_stable_and_destroy_deletes_all_entries(programs: Programs, consul: Consul, stack: str) -> None:
    config = {"consul-tracing:mesh": EVERYTHING} if stack == "everything" else config_of(stack)
    project = Project(programs, CHECKOUT, stack_config(consul, config), stack=stack)
    project.up()
    services = {entry.get("name", key) for key, entry in config["consul-tracing:mesh"]["services"].items()}
    tcp = set(config["consul-tracing:mesh"].get("tcp_services", []))
    expected = {("proxy-defaults", "global"), *(("service-defaults", name) for name in services | tcp)}
    assert entries(consul) == expected
    project.preview(expect_no_changes=True)
    assert "unchanged" in project.refresh()
    project.preview(expect_no_changes=True)
    project.destroy()
    assert entries(consul) == set()


def test_protected_stack_is_not_destroyed(programs: Programs, consul: Consul) -> None:
    config = {**stack_config(consul, config_of("dev")), "consul-tracing:protect": True}
    project = Project(programs, CHECKOUT, config, stack="kept")
    project.up()
    before = entries(consul)
    with pytest.raises(ProgramFailedError) as error:
        project.destroy()
    assert 'mesh-proxy-defaults" cannot be deleted' in error.value.output
    assert entries(consul) == before


def test_existing_entry_is_imported(programs: Programs, consul: Consul) -> None:
    live = {"Kind": "service-defaults", "Name": "web", "Protocol": "http", "LocalRequestTimeoutMs": 5000}
    consul.write_config_entry(live)
    args = {
        "collector": {"host": "zipkin"},
        "existing": "overwrite",
        "services": {"web": {"protocol": "http", "service_defaults": {"LocalRequestTimeoutMs": 5000}}},
    }
    project = Project(programs, CHECKOUT, stack_config(consul, {"consul-tracing:mesh": args}), stack="importing")
    project.import_resource("consul:index/configEntry:ConfigEntry", "mesh-service-web", "service-defaults/web")
    project.up()
    project.preview(expect_no_changes=True)
    entry = consul.config_entry("service-defaults", "web")
    assert entry is not None
    assert entry["LocalRequestTimeoutMs"] == 5000
