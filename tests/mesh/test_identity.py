"""Entries are preserved when the names of their Pulumi resources change."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed.consul import Consul
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from testbed.request_recorder import RequestRecorder
from tests.mesh.consul_entries import MESH, WEB, add_to_config, entries, live, rejection
from tests.mesh.edited_stack import COMPONENT_RENAMED, KEY_RENAMED, NESTED, PLAIN, EditedStack, created, state_deletions

pytestmark = pytest.mark.mesh

SERVICES = 'MeshTracing("mesh", {{"collector": COLLECTOR, "services": {services}}})\n'


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
def test_entry_with_a_renamed_resource_is_not_deleted(
    programs: Programs, consul: Consul, recorder: RequestRecorder, before: str, after: str
) -> None:
    stack = EditedStack(programs, recorder.address)
    stack.up(before)
    add_to_config(consul, envoy_prometheus_bind_addr="0.0.0.0:9102")
    before_edit = created(consul)
    recorder.requests.clear()
    stack.up(after)
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert created(consul) == before_edit
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.project.preview(expect_no_changes=True)


def test_entry_of_a_removed_service_is_deleted(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    stack.up(SERVICES.format(services={"web": {"protocol": "http"}}))
    stack.up(SERVICES.format(services={"web": {"protocol": "http", "name": "api"}}))
    assert entries(consul) == {MESH, ("service-defaults", "api")}
    stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_swapped_service_names_are_rejected_with_the_commands(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    swapped = [{"a": {"protocol": "http", "name": x}, "b": {"protocol": "http", "name": y}} for x, y in ("xy", "yx")]
    stack.up(SERVICES.format(services=swapped[0]))
    before = entries(consul)
    stack.edit(SERVICES.format(services=swapped[1]))
    output = rejection(stack.project)
    commands = state_deletions(output)
    assert entries(consul) == before
    assert len(commands) == 2
    for urn in commands:
        stack.project.delete_from_state(urn)
    stack.up(SERVICES.format(services=swapped[1]))
    assert entries(consul) == before
    stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_stack_moved_to_another_project_keeps_its_entries(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    stack = EditedStack(programs, recorder.address)
    stack.up(PLAIN)
    before_edit = created(consul)
    stack.project.rename("organization/moved/test")
    (stack.directory / "Pulumi.yaml").write_text("name: moved\nruntime: python\n")
    recorder.requests.clear()
    renamed = PLAIN.replace('"collector"', '"renamed_from": "organization/other/test", "collector"')
    stack.up(renamed.replace('"web": {', '"frontend": {"name": "web", '))
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert created(consul) == before_edit
    stack.up(PLAIN)
    stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_retain_on_delete_preserves_the_entries(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
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


@pytest.mark.slow
def test_component_that_depends_on_consul_waits_for_it(programs: Programs) -> None:
    consul = Consul(programs)
    consul.stop()
    stack = EditedStack(programs, consul.address)
    (stack.directory / "__main__.py").write_text(LATE)
    with ThreadPoolExecutor() as pool:
        up = pool.submit(stack.project.up)
        time.sleep(2)
        assert not up.done()
        consul.start()
        consul.wait_until_ready()
        (stack.directory / "started").touch()
        up.result()
    assert entries(consul) == {MESH, WEB}
    consul.stop()


@pytest.mark.slow
def test_tcp_services_are_written_before_an_http_default(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    stack = EditedStack(programs, recorder.address)
    tcp = [f"db-{number}" for number in range(5)]
    http = f'"default_protocol": "http", "tcp_services": {tcp}, "collector"'
    stack.up(PLAIN.replace('"collector"', http))
    written = [request.entry for request in recorder.writes()]
    assert {name for _, name in written[: written.index(MESH)]} >= set(tcp)
    stack.project.destroy()
    assert entries(consul) == set()


@pytest.mark.slow
def test_owner_distinguishes_stacks_with_the_same_name(programs: Programs, consul: Consul) -> None:
    first, second = (EditedStack(programs, consul.address) for _ in range(2))
    first.up(PLAIN.replace('"collector"', '"owner": "team-a", "collector"'))
    second.edit(PLAIN.replace('"collector"', '"owner": "team-b", "collector"'))
    assert "are managed by another stack (team-a)" in rejection(second.project)
    assert live(consul)["Meta"]["pulumi-stack"] == "team-a"


WITH_A_PROVIDER = """
import pulumi_consul

provider = pulumi_consul.Provider("elsewhere", address={address!r})
args = {{"collector": COLLECTOR, "sampling": {{"random": {random}}}, "services": {{"web": {{"protocol": "http"}}}}}}
MeshTracing("mesh", args, pulumi.ResourceOptions(providers=[provider]))
"""


def test_entry_is_read_through_the_provider_of_the_component(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, f"{LOOPBACK}:{free_port()}")
    stack.up(WITH_A_PROVIDER.format(address=consul.address, random=1))
    add_to_config(consul, foreign="x")
    stack.up(WITH_A_PROVIDER.format(address=consul.address, random=2))
    assert live(consul)["Config"]["foreign"] == "x"
    stack.project.preview(expect_no_changes=True)
