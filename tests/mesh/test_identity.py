"""An entry outlives every change of the name of its Pulumi resource: it is the same entry of Consul."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.consul import Consul
from testbed.gate import Gate
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, add_to_config, entries, live, put, refusal

pytestmark = pytest.mark.mesh

HEAD = """
import pulumi
from consul_tracing import MeshTracing

COLLECTOR = {"host": "zipkin"}
"""
PLAIN = 'MeshTracing("mesh", {"collector": COLLECTOR, "services": {"web": {"protocol": "http"}}})\n'
KEY_RENAMED = PLAIN.replace('"web": {"protocol": "http"}', '"frontend": {"name": "web", "protocol": "http"}')
COMPONENT_RENAMED = PLAIN.replace('"mesh"', '"tracing"')
NESTED = """
class Platform(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("acme:index:Platform", name)
        MeshTracing("mesh", {"collector": COLLECTOR, "services": {"web": {"protocol": "http"}}},
                    pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

Platform("platform")
"""
SERVICES = 'MeshTracing("mesh", {{"collector": COLLECTOR, "services": {services}}})\n'


class Edited:
    """A stack whose program is edited from one `up` to the next."""

    def __init__(self, programs: Programs, consul_address: str) -> None:
        self.directory = programs.make_directory("program")
        (self.directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
        self.edit(PLAIN)
        self.project = Project(programs, self.directory, {"consul:address": consul_address}, stack="test")

    def edit(self, program: str) -> None:
        (self.directory / "__main__.py").write_text(HEAD + program)

    def up(self, program: str) -> str:
        self.edit(program)
        return self.project.up()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (PLAIN, KEY_RENAMED),
        (PLAIN, COMPONENT_RENAMED),
        (PLAIN, NESTED),
        (NESTED, PLAIN),
    ],
    ids=["key renamed", "component renamed", "component nested", "component taken out"],
)
def test_an_entry_whose_resource_gets_another_name_is_never_deleted(
    programs: Programs, consul: Consul, gate: Gate, before: str, after: str
) -> None:
    stack = Edited(programs, gate.address)
    stack.up(before)
    add_to_config(consul, envoy_prometheus_bind_addr="0.0.0.0:9102")
    created = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    gate.asked.clear()
    stack.up(after)
    assert "DELETE" not in {request.method for request in gate.asked}
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == created
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.project.preview(expect_no_changes=True)


def test_a_removed_and_a_new_service_are_deleted_and_created(programs: Programs, consul: Consul) -> None:
    stack = Edited(programs, consul.address)
    stack.up(SERVICES.format(services={"web": {"protocol": "http"}}))
    stack.up(SERVICES.format(services={"web": {"protocol": "http", "name": "api"}}))
    assert entries(consul) == {MESH, ("service-defaults", "api")}
    stack.project.preview(expect_no_changes=True)


def test_two_services_that_swap_their_names_are_rejected_with_the_commands_that_help(
    programs: Programs, consul: Consul
) -> None:
    stack = Edited(programs, consul.address)
    swapped = [{"a": {"protocol": "http", "name": x}, "b": {"protocol": "http", "name": y}} for x, y in ("xy", "yx")]
    stack.up(SERVICES.format(services=swapped[0]))
    before = entries(consul)
    stack.edit(SERVICES.format(services=swapped[1]))
    said = refusal(stack.project)
    commands = [line.split("'")[1] for line in said.splitlines() if "pulumi state delete '" in line]
    assert entries(consul) == before
    assert len(commands) == 2
    for urn in commands:
        stack.project.delete_from_state(urn)
    stack.up(SERVICES.format(services=swapped[1]))
    assert entries(consul) == before
    stack.project.preview(expect_no_changes=True)


def test_a_stack_moved_to_another_project_keeps_its_entries(programs: Programs, consul: Consul, gate: Gate) -> None:
    stack = Edited(programs, gate.address)
    stack.up(PLAIN)
    created = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    stack.project.rename("organization/moved/test")
    (stack.directory / "Pulumi.yaml").write_text("name: moved\nruntime: python\n")
    gate.asked.clear()
    renamed = PLAIN.replace('"collector"', '"renamed_from": "organization/other/test", "collector"')
    stack.up(renamed.replace('"web": {', '"frontend": {"name": "web", '))
    assert "DELETE" not in {request.method for request in gate.asked}
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == created
    stack.up(PLAIN)
    stack.project.preview(expect_no_changes=True)


def test_entries_outlive_the_destroy_of_a_component_that_is_retained(programs: Programs, consul: Consul) -> None:
    stack = Edited(programs, consul.address)
    stack.up(PLAIN.replace("}}})", "}}}, pulumi.ResourceOptions(retain_on_delete=True))"))
    stack.project.destroy()
    assert entries(consul) == {MESH, WEB}


LATE = """
import asyncio, pathlib, pulumi, pulumi_consul
from consul_tracing import MeshTracing

async def started():
    while not pathlib.Path("started").exists():
        await asyncio.sleep(0.1)
    return pulumi.ComponentResource("acme:index:Consul", "consul")

MeshTracing("mesh", {"collector": {"host": "zipkin"}, "services": {"web": {"protocol": "http"}}},
            pulumi.ResourceOptions(depends_on=[pulumi.Output.from_input(started())]))
"""


def test_a_component_that_depends_on_consul_waits_for_it(programs: Programs) -> None:
    consul = Consul(programs)
    consul.stop()
    stack = Edited(programs, consul.address)
    (stack.directory / "__main__.py").write_text(LATE)
    with ThreadPoolExecutor() as pool:
        said = pool.submit(stack.project.up)
        time.sleep(2)
        assert not said.done()
        consul.start()
        consul.wait_until_ready()
        (stack.directory / "started").touch()
        said.result()
    assert entries(consul) == {MESH, WEB}
    consul.stop()


def test_tcp_services_are_written_before_an_http_default_takes_effect(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    stack = Edited(programs, gate.address)
    tcp = [f"db-{number}" for number in range(5)]
    http = f'"default_protocol": "http", "tcp_services": {tcp}, "collector"'
    stack.up(PLAIN.replace('"collector"', http))
    written = [request.entry for request in gate.writes()]
    assert {name for _, name in written[: written.index(MESH)]} >= set(tcp)
    stack.project.destroy()
    assert entries(consul) == set()


def test_adoption_merges_structs_and_shows_what_it_replaces(programs: Programs, consul: Consul) -> None:
    put(consul, MESH, TransparentProxy={"OutboundListenerPort": 15001}, Config={"protocol": "tcp"})
    put(consul, WEB, Protocol="tcp")
    stack = Edited(programs, consul.address)
    declared = """"existing": "adopt", "default_protocol": "http", "tcp_services": [],
        "proxy_defaults": {"TransparentProxy": {"DialedDirectly": True}}, "collector\""""
    stack.edit(PLAIN.replace('"collector"', declared))
    said = stack.project.previewed()
    assert "replaced: " in said
    assert 'protocol "tcp" → "http"' in said
    assert 'Protocol "tcp" → "http"' in said
    stack.project.up()
    assert live(consul)["TransparentProxy"] == {"OutboundListenerPort": 15001, "DialedDirectly": True}
    stack.project.preview(expect_no_changes=True)


def test_stacks_of_one_name_on_two_backends_are_told_apart_by_their_owner(programs: Programs, consul: Consul) -> None:
    first, second = (Edited(programs, consul.address) for _ in range(2))
    first.up(PLAIN.replace('"collector"', '"owner": "team-a", "collector"'))
    second.edit(PLAIN.replace('"collector"', '"owner": "team-b", "collector"'))
    assert "are managed by another stack (team-a)" in refusal(second.project)
    assert live(consul)["Meta"]["pulumi-stack"] == "team-a"


WITH_A_PROVIDER = """
import pulumi_consul

provider = pulumi_consul.Provider("elsewhere", address={address!r})
args = {{"collector": COLLECTOR, "sampling": {{"random": {random}}}, "services": {{"web": {{"protocol": "http"}}}}}}
MeshTracing("mesh", args, pulumi.ResourceOptions(providers=[provider]))
"""


def test_an_entry_is_read_again_through_the_provider_of_the_component(programs: Programs, consul: Consul) -> None:
    stack = Edited(programs, f"{LOOPBACK}:{free_port()}")
    stack.up(WITH_A_PROVIDER.format(address=consul.address, random=1))
    add_to_config(consul, theirs="x")
    stack.up(WITH_A_PROVIDER.format(address=consul.address, random=2))
    assert live(consul)["Config"]["theirs"] == "x"
    stack.project.preview(expect_no_changes=True)
