"""Namespaces and partitions: `default` is the name of the unset one, and another one is another entry."""

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from testbed.request_recorder import RequestRecorder
from tests.mesh.consul_entries import MESH, WEB, add_to_config, entries, live, rejection
from tests.mesh.edited_stack import KEY_RENAMED, PLAIN, EditedStack, created, state_deletions, with_args
from tests.mesh.enterprise import emulate_enterprise

pytestmark = pytest.mark.mesh


@pytest.fixture
def stack(programs: Programs, recorder: RequestRecorder) -> EditedStack:
    return EditedStack(programs, emulate_enterprise(recorder).address)


def in_(program: str, **scope: str) -> str:
    """Return the program with the service in a namespace or partition."""
    return program.replace('"protocol"', "".join(f'"{key}": "{name}", ' for key, name in scope.items()) + '"protocol"')


DEFAULTS = {
    "partition of the mesh": with_args(PLAIN, partition="default"),
    "partition of the service": in_(PLAIN, partition="default"),
    "namespace of the service": in_(PLAIN, namespace="default"),
}


@pytest.mark.slow
@pytest.mark.parametrize("with_default", DEFAULTS.values(), ids=DEFAULTS)
def test_added_name_of_the_default_is_no_change(
    consul: Consul, recorder: RequestRecorder, stack: EditedStack, with_default: str
) -> None:
    stack.up(PLAIN)
    add_to_config(consul, envoy_prometheus_bind_addr="0.0.0.0:9102")
    stack.project.up()
    before = created(consul)
    recorder.requests.clear()
    for program in (with_default, PLAIN):
        stack.edit(program)
        stack.project.preview(expect_no_changes=True)
        stack.project.up()
    assert recorder.writes() == []
    assert created(consul) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    "moved", [in_(PLAIN, namespace="shop"), in_(KEY_RENAMED, namespace="shop")], ids=["moved", "renamed"]
)
def test_service_moves_to_another_namespace_and_back(consul: Consul, stack: EditedStack, moved: str) -> None:
    elsewhere = ("service-defaults", "web.default.shop")
    stack.up(PLAIN)
    for program, expected in ((moved, elsewhere), (PLAIN, WEB)):
        stack.up(program)
        assert entries(consul) == {MESH, expected}
        assert live(consul, expected)["Protocol"] == "http"
        stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_mesh_moves_to_another_partition(consul: Consul, stack: EditedStack) -> None:
    stack.up(PLAIN)
    stack.up(in_(PLAIN, partition="east"))
    assert entries(consul) == {MESH, ("service-defaults", "web.east.default")}
    stack.project.preview(expect_no_changes=True)


def test_services_of_one_name_in_two_namespaces_are_two_entries(consul: Consul, stack: EditedStack) -> None:
    both = in_(PLAIN, namespace="shop").replace(
        '"services": {', '"services": {"b": {"name": "web", "protocol": "grpc"}, '
    )
    stack.up(both)
    stack.project.preview(expect_no_changes=True)
    assert live(consul, WEB)["Protocol"] == "grpc"
    assert live(consul, ("service-defaults", "web.default.shop"))["Protocol"] == "http"
    stack.edit(PLAIN)
    (urn,) = state_deletions(rejection(stack.project))
    stack.project.delete_from_state(urn)
    stack.project.up("--refresh")
    assert entries(consul) == {MESH, WEB}
    assert live(consul, WEB)["Protocol"] == "http"
    stack.project.preview(expect_no_changes=True)
