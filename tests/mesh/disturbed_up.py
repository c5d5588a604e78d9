"""Entries before an `up` with a fault, and the expected entries after the next `up`."""

from testbed.consul import Consul
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, PROMETHEUS, live, put, services


def write_unmanaged_entries(consul: Consul) -> None:
    """Write two unmanaged entries that the stack adopts, and one that it does not declare."""
    put(consul, MESH, Config=PROMETHEUS, MeshGateway={"Mode": "local"})
    put(consul, ("service-defaults", "service-0"), Protocol="tcp", LocalRequestTimeoutMs=5000)
    put(consul, ("service-defaults", "legacy"), Protocol="tcp", LocalRequestTimeoutMs=7000)


def assert_mesh_is_complete(consul: Consul, stack: Project, count: int) -> None:
    """Assert that all declared entries are written, fields of other owners are preserved and a preview is empty."""
    mesh = live(consul)
    assert {"envoy_tracing_json", "envoy_listener_tracing_json", *PROMETHEUS} <= set(mesh["Config"])
    assert mesh["MeshGateway"] == {"Mode": "local"}
    written = {entry["Name"]: entry for entry in consul.get("/v1/config/service-defaults")}
    assert set(written) == {"legacy", *services(count)}
    assert {written[name]["Protocol"] for name in services(count)} == {"http"}
    assert written["service-0"]["LocalRequestTimeoutMs"] == 5000
    assert (written["legacy"]["Protocol"], written["legacy"]["LocalRequestTimeoutMs"]) == ("tcp", 7000)
    stack.preview(expect_no_changes=True)
