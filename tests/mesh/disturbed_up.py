"""The stack whose `up` the tests of faults disturb, and what must be in Consul after the next `up`."""

from testbed.consul import Consul
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, PROMETHEUS, live, put, services


def write_by_hand(consul: Consul) -> None:
    """What is there before we come: two entries to be adopted, and one that is none of our business."""
    put(consul, MESH, Config=PROMETHEUS, MeshGateway={"Mode": "local"})
    put(consul, ("service-defaults", "service-0"), Protocol="tcp", LocalRequestTimeoutMs=5000)
    put(consul, ("service-defaults", "legacy"), Protocol="tcp", LocalRequestTimeoutMs=7000)


def assert_all_is_as_it_should_be(consul: Consul, stack: Project, count: int) -> None:
    """The mesh holds what the program says, and everything that is others', and there is nothing left to do."""
    mesh = live(consul)
    assert {"envoy_tracing_json", "envoy_listener_tracing_json", *PROMETHEUS} <= set(mesh["Config"])
    assert mesh["MeshGateway"] == {"Mode": "local"}
    written = {entry["Name"]: entry for entry in consul.get("/v1/config/service-defaults")}
    assert set(written) == {"legacy", *services(count)}
    assert {written[name]["Protocol"] for name in services(count)} == {"http"}
    assert written["service-0"]["LocalRequestTimeoutMs"] == 5000
    assert (written["legacy"]["Protocol"], written["legacy"]["LocalRequestTimeoutMs"]) == ("tcp", 7000)
    stack.preview(expect_no_changes=True)
