"""Consul adds `UpstreamConfig.Defaults.MeshGateway.Mode` to an entry in its memory when a sidecar uses the entry.

Seen on Consul 1.22.7. The value is the mode of the entry, or that of `proxy-defaults`, at this time.
"""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, clear, entries, live, put, stack_config

pytestmark = pytest.mark.mesh

UPSTREAMS = {"Defaults": {"ConnectTimeoutMs": 900}}
LOCAL = {"MeshGateway": {"Mode": "local"}}
DECLARED: dict[str, Any] = {
    "proxy_defaults": LOCAL,
    "services": {"web": {"protocol": "http", "service_defaults": {"UpstreamConfig": UPSTREAMS}}},
}


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Iterator[Project]:
    clear(consul)
    yield Project(programs, CHECKOUT, stack_config(consul, **DECLARED), stack="prod")
    for service in set(consul.get("/v1/agent/services")) & {"web"}:
        consul.put(f"/v1/agent/service/deregister/{service}")
    clear(consul)


def start_sidecar(consul: Consul) -> None:
    """Register a sidecar of `web`, and wait until Consul adds the mode to the entry."""
    upstreams = [{"DestinationName": "api", "LocalBindPort": 9191}]
    consul.register({"Name": "web", "Port": 8080, "Connect": {"SidecarService": {"Proxy": {"Upstreams": upstreams}}}})
    deadline = time.monotonic() + 20
    while mode(consul) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert mode(consul) == "local"


def mode(consul: Consul) -> str | None:
    found: str | None = live(consul, WEB)["UpstreamConfig"]["Defaults"]["MeshGateway"].get("Mode")
    return found


@pytest.mark.parametrize("existing", ["refuse", "overwrite"])
def test_field_that_consul_adds_is_not_of_another_owner(consul: Consul, stack: Project, existing: str) -> None:
    stack.configure(stack_config(consul, **DECLARED, existing=existing))
    stack.up()
    start_sidecar(consul)
    for run in (stack.up, stack.preview_without_diff):
        output = run()
        assert "CT503" not in output
        assert "CT505" not in output
        assert "4 unchanged" in output
    stack.preview("--refresh", "--expect-no-changes")
    stack.up("--refresh")
    web = {"protocol": "http", "service_defaults": {"UpstreamConfig": {"Defaults": {"ConnectTimeoutMs": 901}}}}
    stack.configure(stack_config(consul, **{**DECLARED, "services": {"web": web}}, existing=existing))
    stack.up()
    assert live(consul, WEB)["UpstreamConfig"]["Defaults"]["ConnectTimeoutMs"] == 901
    stack.destroy()
    assert not entries(consul)


def test_mode_of_another_owner_is_preserved(consul: Consul, stack: Project) -> None:
    put(consul, MESH, **LOCAL)
    put(consul, WEB, Protocol="http", UpstreamConfig={"Defaults": {"MeshGateway": {"Mode": "none"}}})
    stack.configure(stack_config(consul, **DECLARED, existing="adopt"))
    assert "UpstreamConfig.Defaults.MeshGateway.Mode" in stack.up()
    assert mode(consul) == "none"
