"""Two stacks in one mesh: examples/teams, and services that move from one stack to the other."""

import secrets
from typing import NamedTuple

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.jaeger import Jaeger
from testbed.processes import Programs
from testbed.pulumi import Project
from testbed.request_recorder import RequestRecorder
from tests.mesh.consul_entries import WEB, entries, live, rejection
from tests.mesh.traced_mesh import PERCENT, TRACED, TracedMesh, sampled_parent

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

TEAMS = CHECKOUT / "examples" / "teams"
MESH_ENTRY, API = ("proxy-defaults", "global"), ("service-defaults", "api")


class Teams(NamedTuple):
    platform: Project
    shop: Project


def teams(programs: Programs, address: str, **platform: object) -> Teams:
    """Create both stacks in one state backend, which a StackReference requires."""
    state = programs.make_directory("state")
    environment = {"PULUMI_BACKEND_URL": f"file://{state}"}
    config = {"consul:address": address}
    named = {f"platform:{key}": value for key, value in platform.items()}
    return Teams(
        Project(programs, TEAMS / "platform", {**config, **named}, stack="prod", environment=environment),
        Project(programs, TEAMS / "shop", config, stack="prod", environment=environment),
    )


def test_request_through_services_of_both_teams_produces_one_trace(traced: TracedMesh, jaeger: Jaeger) -> None:
    mesh = traced.mesh
    traced.apply()
    for entry in ("web", "api"):
        mesh.consul.delete_config_entry("service-defaults", entry)
    mesh.consul.delete_config_entry("proxy-defaults", "global")
    store = {"collector": "127.0.0.1", "port": jaeger.otlp_grpc_port}
    platform, shop = teams(mesh.programs, mesh.consul.address, **store, sampling=PERCENT)
    platform.up()
    shop.up()
    assert shop.output("bootstrap_hash") == platform.output("bootstrap_hash")
    environments = {**platform.output("proxy_environment"), **shop.output("proxy_environment")}
    for name in TRACED:
        mesh.sidecars[name].environment = environments.get(name, {})
    traced.bootstrap_hash = ""
    traced.follow()
    trace_id = secrets.token_hex(16)
    traced.request(sampled_parent(trace_id))
    assert sorted(span.service for span in jaeger.wait_for_spans(trace_id, 4)) == ["api", "mesh", "web", "web"]
    shop.destroy()
    platform.destroy()
    for sidecar in mesh.sidecars.values():
        sidecar.environment = {}
    traced.bootstrap_hash = ""


def test_no_team_changes_the_entries_of_the_other(programs: Programs, consul: Consul) -> None:
    platform, shop = teams(programs, consul.address)
    platform.up()
    before = {entry: live(consul, entry) for entry in (MESH_ENTRY, API)}
    shop.up()
    assert entries(consul) == {MESH_ENTRY, API, WEB}
    platform.preview(expect_no_changes=True)
    shop.destroy()
    assert {entry: live(consul, entry) for entry in (MESH_ENTRY, API)} == before
    shop.up()
    platform.destroy()
    assert entries(consul) == {WEB}


class Handover(NamedTuple):
    platform: Project
    shop: Project
    recorder: RequestRecorder


PLATFORM = """
import pulumi
from consul_tracing import MeshTracing

services = {{name: {{"protocol": "http"}} for name in {services}}}
MeshTracing("mesh", {{"collector": {{"host": "zipkin"}}, "services": services}})
"""
SHOP = """
import pulumi
from consul_tracing import ServiceProtocols

ServiceProtocols("shop", {"services": {"web": {"protocol": "http"}}, **pulumi.Config().get_object("args", {})})
"""


@pytest.fixture
def handover(programs: Programs, recorder: RequestRecorder) -> Handover:
    """A service in the stack of the platform team, and a program of the shop that declares it too."""
    environment = {"PULUMI_BACKEND_URL": f"file://{programs.make_directory('state')}"}
    config, stacks = {"consul:address": recorder.address}, []
    for name, program in (("platform", PLATFORM.format(services=["api", "web"])), ("shop", SHOP)):
        directory = programs.make_directory(name)
        (directory / "Pulumi.yaml").write_text(f"name: {name}\nruntime: python\n")
        (directory / "__main__.py").write_text(program)
        stacks.append(Project(programs, directory, config, stack="prod", environment=environment))
    stacks[0].up()
    return Handover(stacks[0], stacks[1], recorder)


@pytest.mark.parametrize("command", ["delete", "move"])
def test_service_moves_to_another_stack_without_a_gap(handover: Handover, consul: Consul, command: str) -> None:
    platform, shop, recorder = handover
    assert "managed by another stack (organization/platform/prod)" in rejection(shop)
    created = live(consul, WEB)["CreateIndex"]
    recorder.requests.clear()
    (urn,) = (one["urn"] for one in platform.resources() if one["urn"].endswith("::mesh-service-web"))
    if command == "delete":
        platform.delete_from_state(urn)
    else:
        platform.move_to(shop, urn)
    platform.program("__main__.py").write_text(PLATFORM.format(services=["api"]))
    platform.up()
    shop.configure({"consul:address": recorder.address, "shop:args": {"renamed_from": "organization/platform/prod"}})
    shop.up()
    shop.configure({"consul:address": recorder.address})
    shop.preview(expect_no_changes=True)
    platform.preview(expect_no_changes=True)
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert live(consul, WEB)["CreateIndex"] == created
    assert live(consul, WEB)["Meta"]["pulumi-stack"] == "organization/shop/prod"
