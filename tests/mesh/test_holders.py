"""No declared entry is deleted, whichever resource of the state holds it and whatever its `Meta` contains."""

import time
from collections.abc import Callable

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from testbed.request_recorder import RequestRecorder
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, entries, live, put, rejection
from tests.mesh.edited_stack import KEY_RENAMED, PLAIN, REPLACEMENTS, EditedStack, created, state_deletions, with_args

pytestmark = pytest.mark.mesh

ADOPT = with_args(PLAIN, existing="adopt")
TIMEOUT = {"LocalRequestTimeoutMs": 5000}
RAW = """
def raw(name, kind, entry, **body):
    structs = {"Expose": {}, "MeshGateway": {}, "TransparentProxy": {}}
    pulumi_consul.ConfigEntry(name, kind=kind, name=entry, config_json=json.dumps({**structs, **body}), opts=OPTIONS)

raw("a-mesh", "proxy-defaults", "global", AccessLogs={}, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
raw("a-web", "service-defaults", "web", Protocol="http", LocalRequestTimeoutMs=5000)
"""
RAW_OF_THE_SAME_PROVIDER = "OPTIONS = None\n" + RAW


def assert_kept(consul: Consul, stack: EditedStack, before: dict[tuple[str, str], int] | None = None) -> None:
    """Assert that both entries have their content and the fields of other owners, and that nothing is left to do."""
    assert before is None or created(consul) == before
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    assert "envoy_tracing_json" in live(consul)["Config"]
    assert TIMEOUT.items() <= live(consul, WEB).items()
    assert (live(consul, WEB)["Protocol"], live(consul, WEB)["Meta"]["managed-by"]) == ("http", "pulumi")
    stack.project.preview(expect_no_changes=True)


def add_foreign_fields(consul: Consul) -> None:
    """Write both entries as another writer does that drops `Meta`."""
    put(consul, MESH, Config=PROMETHEUS)
    put(consul, WEB, Protocol="http", **TIMEOUT)


def test_raw_resources_are_replaced_by_the_component(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    stack = EditedStack(programs, recorder.address)
    stack.up(RAW_OF_THE_SAME_PROVIDER)
    before = created(consul)
    recorder.requests.clear()
    stack.up(ADOPT)
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert_kept(consul, stack, before)


@pytest.mark.slow
def test_entries_that_lost_their_metadata_are_overwritten_by_the_reported_commands(
    programs: Programs, consul: Consul
) -> None:
    stack = EditedStack(programs, consul.address)
    stack.up(PLAIN)
    add_foreign_fields(consul)
    before = created(consul)
    steps = rejection(stack.project).partition("To manage whole entries in this stack")[2]
    assert [line.strip() for line in steps.splitlines()[1:3]] == [
        "1. set existing: overwrite",
        "2. pulumi up --refresh",
    ]
    stack.up(with_args(PLAIN, existing="overwrite"), "--refresh")
    assert created(consul) == before
    assert "envoy_tracing_json" in live(consul)["Config"]
    stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_entry_that_is_held_twice_is_rejected_with_the_commands(programs: Programs, consul: Consul) -> None:
    stack = EditedStack(programs, consul.address)
    stack.up(PLAIN)
    add_foreign_fields(consul)
    before = created(consul)
    stack.project.import_resource(
        "consul:index/configEntry:ConfigEntry", "mesh-proxy-defaults", "proxy-defaults/global"
    )
    stack.edit(with_args(PLAIN, existing="overwrite"))
    output = rejection(stack.project)
    (urn,) = state_deletions(output)
    assert urn.endswith("::consul:index/configEntry:ConfigEntry::mesh-proxy-defaults")
    stack.project.delete_from_state(urn)
    stack.project.up("--refresh")
    assert created(consul) == before
    assert "envoy_tracing_json" in live(consul)["Config"]
    stack.project.preview(expect_no_changes=True)


def test_renamed_key_of_an_entry_without_metadata_is_taken_over(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    stack = EditedStack(programs, recorder.address)
    stack.up(PLAIN)
    add_foreign_fields(consul)
    before = created(consul)
    recorder.requests.clear()
    stack.up(with_args(KEY_RENAMED, existing="adopt"))
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert_kept(consul, stack, before)


@pytest.mark.slow
def test_state_with_a_secret_is_read(programs: Programs, consul: Consul) -> None:
    exported = 'pulumi.export("password", pulumi.Output.secret("hush"))\n'
    stack = EditedStack(programs, consul.address)
    stack.up(exported + PLAIN)
    add_foreign_fields(consul)
    before = created(consul)
    assert "hush" not in stack.up(exported + ADOPT)
    assert_kept(consul, stack, before)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["earlier", "later"])
@pytest.mark.parametrize("in_state", ["in the state", "new"])
def test_raw_resource_beside_the_component_is_rejected(
    programs: Programs, consul: Consul, recorder: RequestRecorder, order: str, in_state: str
) -> None:
    stack = EditedStack(programs, recorder.address)
    if in_state == "in the state":
        stack.up(RAW_OF_THE_SAME_PROVIDER)
    stack.edit(RAW_OF_THE_SAME_PROVIDER + ADOPT if order == "earlier" else ADOPT + RAW_OF_THE_SAME_PROVIDER)
    for _ in range(2):
        assert 'conflicts with the resource "a-mesh"' in rejection(stack.project)
    stack.up(ADOPT)
    assert "DELETE" not in {request.method for request in recorder.requests}
    assert entries(consul) == {MESH, WEB}
    stack.project.preview(expect_no_changes=True)


@pytest.mark.slow
def test_raw_resource_whose_first_write_is_still_running_is_rejected(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    """Else the component writes the entry last, and the deletion of the raw resource deletes it."""
    recorder.on_request = lambda request: time.sleep(3) if request.method == "PUT" else None
    stack = EditedStack(programs, recorder.address)
    stack.edit(RAW_OF_THE_SAME_PROVIDER.replace('raw("a-mesh"', "#") + PLAIN)
    assert 'conflicts with the resource "a-web"' in rejection(stack.project)
    stack.up(ADOPT)
    assert entries(consul) == {MESH, WEB}
    stack.project.preview(expect_no_changes=True)


OTHER_PROVIDER = "OPTIONS = pulumi.ResourceOptions(provider=pulumi_consul.Provider('raw', address={address!r}))\n"


@pytest.mark.slow
def test_raw_resource_of_a_provider_with_another_address_is_rejected_with_the_commands(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    """The addresses of the two providers differ, although both are those of one Consul."""
    stack = EditedStack(programs, consul.address)
    stack.up(OTHER_PROVIDER.format(address=recorder.address) + RAW)
    before = created(consul)
    stack.edit(ADOPT)
    urns = state_deletions(rejection(stack.project))
    assert [urn.rpartition("::")[2] for urn in urns] == ["a-mesh", "a-web"]
    for urn in urns:
        stack.project.delete_from_state(urn)
    stack.project.up("--refresh")
    assert recorder.writes() == recorder.writes()[:2]
    assert_kept(consul, stack, before)


DATACENTERS = """
for name, address in {datacenters}.items():
    provider = pulumi_consul.Provider(name, address=address)
    MeshTracing(name, {{"existing": "adopt", "collector": COLLECTOR, "services": {{"web": {{"protocol": "http"}}}}}},
                pulumi.ResourceOptions(providers=[provider]))
"""


@pytest.mark.slow
def test_datacenters_of_one_stack_do_not_hold_the_entries_of_each_other(programs: Programs, consul: Consul) -> None:
    west, east = Consul(programs), consul
    west.wait_until_ready()
    stack = EditedStack(programs, east.address)
    stack.up(DATACENTERS.format(datacenters={"west": west.address}))
    add_foreign_fields(east)
    both = DATACENTERS.format(datacenters={"west": west.address, "east": east.address})
    stack.edit(DATACENTERS.format(datacenters={"east": east.address, "west": west.address}))
    assert "If the other resource writes an entry of another mesh:\n" in rejection(stack.project)
    stack.up(both)
    for datacenter in (east, west):
        before = created(datacenter)
        add_foreign_fields(datacenter)
        assert "pulumi up --refresh restores" in stack.up(both)
        stack.project.up("--refresh")
        assert_kept(datacenter, stack, before)
    west.stop()


@pytest.mark.slow
@REPLACEMENTS
@pytest.mark.parametrize("adopted", ["adopted", "own"])
def test_replaced_entry_is_written_after_its_deletion(
    programs: Programs, consul: Consul, replaced: Callable[[Project, str], None], adopted: str
) -> None:
    if adopted == "adopted":
        add_foreign_fields(consul)
    stack = EditedStack(programs, consul.address)
    stack.up(ADOPT)
    before = {entry: {**live(consul, entry), "CreateIndex": 0, "ModifyIndex": 0} for entry in (MESH, WEB)}
    for name in ("mesh-proxy-defaults", "mesh-service-web"):
        replaced(stack.project, stack.urn(name))
        after = {entry: {**live(consul, entry), "CreateIndex": 0, "ModifyIndex": 0} for entry in (MESH, WEB)}
        assert after == before
        stack.project.preview(expect_no_changes=True)
