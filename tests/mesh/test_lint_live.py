"""`consul-tracing lint --consul` on a real Consul."""

import json
from typing import Any

import pytest

from testbed.consul import Consul
from testbed.mesh import Instance, Service
from testbed.processes import Programs
from tests.command_line import consul_tracing
from tests.mesh.traced_mesh import rendered

pytestmark = pytest.mark.mesh


def lint(consul: Consul) -> tuple[int, list[tuple[str, str, str]]]:
    """Return the exit code, and the code, entry and reason of each finding."""
    run = consul_tracing("lint", "--consul", "--format=json", environment={"CONSUL_HTTP_ADDR": consul.address})
    assert run.stderr == ""
    found: list[dict[str, Any]] = json.loads(run.stdout)["findings"]
    return run.exit_code, [(one["code"], one["entry"], one["reason"]) for one in found]


def write_mesh(consul: Consul, **args: Any) -> None:
    services = {"web": {"protocol": "http"}}
    for entry in rendered({"collector": {"host": "zipkin.example"}, "services": services, **args}):
        consul.write_config_entry(entry)


def test_traced_mesh_has_no_finding(consul: Consul) -> None:
    write_mesh(consul)
    assert lint(consul) == (0, [])


def test_undeclared_service_and_gateway_are_reported(consul: Consul) -> None:
    write_mesh(consul, default_protocol="http", tcp_services=[])
    consul.register(Instance.allocate(Service("db", protocol="tcp")).registration)
    consul.write_config_entry({"Kind": "ingress-gateway", "Name": "edge", "Listeners": []})
    code, found = lint(consul)
    consul.delete_config_entry("ingress-gateway", "edge")
    consul.put("/v1/agent/service/deregister/db")
    assert code == 1
    assert [(one, entry) for one, entry, _ in found] == [
        ("CT329", "proxy-defaults/global"),
        ("CT328", "proxy-defaults/global"),
    ]
    assert found[1][2] == 'is "http" for services without an entry: db'


def test_registration_of_a_proxy_is_checked(consul: Consul) -> None:
    write_mesh(consul)
    registration = Instance.allocate(Service("web")).registration
    sidecar = registration["Connect"]["SidecarService"]
    sidecar["Proxy"]["Config"] = {"envoy_tracing_json": {"http": {}}}
    consul.register(registration)
    code, found = lint(consul)
    consul.put("/v1/agent/service/deregister/web")
    assert code == 1
    assert [(one, entry) for one, entry, _ in found] == [
        ("CT301", "registration web-sidecar-proxy"),
        ("CT304", "registration web-sidecar-proxy"),
    ]


def test_mistake_of_the_mesh_is_reported_once(consul: Consul, programs: Programs) -> None:
    """The agent adds the keys of proxy-defaults and the protocol of service-defaults to each registration."""
    write_mesh(consul, collector={"host": "127.0.0.1", "per_host": True})
    (mesh,) = consul.get("/v1/config/proxy-defaults")
    consul.write_config_entry({**mesh, "Config": {**mesh["Config"], "Protocol": "http", "envoy_tracing_jsn": "{}"}})
    for name in ("web", "api"):
        consul.register(Instance.allocate(Service(name)).registration)
    proxies = [f"/v1/agent/service/{name}-sidecar-proxy" for name in ("web", "api")]
    programs.wait_until(
        lambda: all("envoy_tracing_jsn" in consul.get(one)["Proxy"].get("Config", {}) for one in proxies),
        "registrations with the keys of the mesh",
    )
    _, found = lint(consul)
    for name in ("web", "api"):
        consul.put(f"/v1/agent/service/deregister/{name}")
    assert {entry for _, entry, _ in found} == {"proxy-defaults/global"}
    assert {"CT317", "CT325"} <= {code for code, _, _ in found}


def test_field_that_the_consul_provider_drops_is_reported_before_an_adoption(consul: Consul) -> None:
    write_mesh(consul)
    consul.write_config_entry(
        {"Kind": "service-defaults", "Name": "web", "Protocol": "http", "MaxRequestHeadersKB": 96}
    )
    reason = "is dropped when Pulumi's Consul provider 3.15 writes the entry"
    assert lint(consul) == (0, [("CT360", "service-defaults/web", reason)])
