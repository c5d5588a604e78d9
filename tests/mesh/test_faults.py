"""What goes wrong around an `up`, on the real programs: after it, one more `up` brings the mesh to what it should be.

What held, how often, and what cannot be promised stands in docs/reliability.md.
"""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from testbed import CHECKOUT
from testbed.consul import Consul, ConsulServer
from testbed.gate import Gate, Request, gate_before
from testbed.http import ask
from testbed.ports import LOOPBACK
from testbed.processes import ProgramFailed, Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import (
    MESH,
    WEB,
    add_to_config,
    clear,
    entries,
    live,
    on,
    outcome,
    put,
    refusal,
    services,
)
from tests.mesh.traced_mesh import TracedMesh, retried, unique_path

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

STATES = Path(__file__).parent / "states"
PROMETHEUS = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
ROOT_TOKEN = "root-of-the-test"  # noqa: S105 - of a Consul that lives as long as the test
ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{ROOT_TOKEN}" }} }}'


def failure(stack: Project) -> str:
    """What an `up` that fails while it writes tells. Pulumi then interrupts the program, at times with a traceback."""
    with pytest.raises(ProgramFailed) as failed:
        stack.up()
    return failed.value.said


def pulumi_process() -> psutil.Process:
    """The engine that runs now."""
    return next(one for one in psutil.Process().children(recursive=True) if one.name() == "pulumi")


def through(gate: Gate, **args: Any) -> dict[str, object]:
    """A stack's configuration that leads through the gate."""
    return {**on(gate.consul, **args), "consul:address": gate.address}


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


@pytest.fixture
def gate(consul: Consul) -> Iterator[Gate]:
    with gate_before(consul) as gate:
        yield gate


def test_consul_killed_in_the_middle_of_an_up_costs_one_rerun(programs: Programs) -> None:
    consul = ConsulServer(programs)
    consul.wait_until_ready()
    write_by_hand(consul)
    with gate_before(consul) as gate:
        stack = Project(programs, CHECKOUT, through(gate, existing="adopt", services=services(300)), stack="killed")
        gate.at_write(150, consul.kill)
        assert "failed to set" in failure(stack)
        consul.start()
        consul.wait_until_read_up()
        assert 100 < len(entries(consul)) < 300
        stack.up()
        assert_all_is_as_it_should_be(consul, stack, 300)
    consul.stop()


def test_pulumi_killed_in_the_middle_of_an_up_costs_a_cancel_and_one_rerun(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    write_by_hand(consul)
    stack = Project(programs, CHECKOUT, through(gate, existing="adopt", services=services(300)), stack="killed")
    gate.at_write(150, lambda: pulumi_process().kill())
    failure(stack)
    assert 100 < len(entries(consul)) < 300
    assert "pulumi cancel" in failure(stack)
    stack.cancel()
    assert stack.state()["deployment"]["pending_operations"]
    stack.up()
    assert_all_is_as_it_should_be(consul, stack, 300)
    # Pulumi goes on warning of what it does not know to have ended, until it is told to forget that.
    assert stack.state()["deployment"]["pending_operations"]
    stack.clear_pending()
    assert "pending_operations" not in stack.state()["deployment"]
    stack.preview(expect_no_changes=True)


def test_after_a_killed_pulumi_and_one_rerun_traces_arrive_with_what_was_changed(traced: TracedMesh) -> None:
    mesh = traced.mesh
    traced.apply()
    with gate_before(mesh.consul) as gate:
        args = traced.arguments(tags={"fault": {"literal": "mended"}})
        traced.project.configure({"consul:address": gate.address, "consul-tracing:mesh": args})
        gate.at_write(1, lambda: pulumi_process().kill())
        failure(traced.project)
    traced.project.cancel()
    traced.apply(tags={"fault": {"literal": "mended"}})
    traced.project.preview(expect_no_changes=True)

    def is_tagged() -> bool:
        answer = retried(partial(mesh.request, unique_path()))()
        return all(span.get("tags", {}).get("fault") == "mended" for span in traced.spans_of(answer, 4))

    traced.wait_until(is_tagged, "a trace with the new tag")
    traced.apply()


@contextmanager
def guarded_consul(programs: Programs) -> Iterator[Consul]:
    consul = Consul(programs, hcl=ACL, token=ROOT_TOKEN)
    consul.wait_until_ready()
    programs.wait_until(lambda: consul.get("/v1/acl/token/self"), "the first token", seconds=30)
    yield consul
    consul.stop()


def new_token(consul: Consul, rules: str) -> dict[str, Any]:
    policy = consul.put("/v1/acl/policy", {"Name": f"policy-{time.monotonic_ns()}", "Rules": rules})
    token: dict[str, Any] = consul.put("/v1/acl/token", {"Policies": [{"ID": policy["ID"]}]})
    return token


def with_token(consul: Consul, token: dict[str, Any], **args: Any) -> dict[str, object]:
    return {**on(consul, **args), "consul:token": token["SecretID"]}


EVERYTHING_NEEDED = 'mesh = "write" service_prefix "" { policy = "write" }'


def test_a_token_revoked_half_way_costs_a_new_token_and_one_rerun(programs: Programs) -> None:
    with guarded_consul(programs) as consul, gate_before(consul) as gate:
        write_by_hand(consul)
        args: dict[str, Any] = {"existing": "adopt", "services": services(60)}
        token = new_token(consul, EVERYTHING_NEEDED)
        led = {"consul:address": gate.address}
        stack = Project(programs, CHECKOUT, {**with_token(consul, token, **args), **led}, stack="revoked")
        path = f"/v1/acl/token/{token['AccessorID']}"
        header = {"X-Consul-Token": ROOT_TOKEN}
        gate.at_write(30, lambda: ask(consul.http_port, path, method="DELETE", headers=header))
        told = failure(stack)
        assert "Unexpected response code: 403 (ACL not found)" in told
        assert token["SecretID"] not in told
        assert len(entries(consul)) < 60
        stack.configure({**with_token(consul, new_token(consul, EVERYTHING_NEEDED), **args), **led})
        stack.up()
        assert_all_is_as_it_should_be(consul, stack, 60)


def test_an_election_in_the_middle_of_an_up_costs_one_rerun_at_most(programs: Programs) -> None:
    first = ConsulServer(programs, "one", of=3)
    servers = [
        first,
        ConsulServer(programs, "two", of=3, join=first),
        ConsulServer(programs, "three", of=3, join=first),
    ]
    for server in servers:
        server.wait_until_ready()
    leader = next(server for server in servers if server.is_leader)
    follower = next(server for server in servers if server is not leader)
    write_by_hand(follower)
    with gate_before(follower) as gate:
        stack = Project(programs, CHECKOUT, through(gate, existing="adopt", services=services(60)), stack="election")
        gate.at_write(30, leader.kill)
        said = outcome(stack)
        print("the up went through" if not said else "the up failed")  # noqa: T201 - for the document
        assert not said or "failed to set" in said
        dead = f"{LOOPBACK}:{leader.ports['server']}"
        programs.wait_until(lambda: follower.get("/v1/status/leader") not in {"", dead}, "another leader")
        stack.up()
        assert_all_is_as_it_should_be(follower, stack, 60)
    for server in servers:
        server.stop()


def test_a_foreign_key_written_between_preview_and_up_stays(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="between")
    stack.up()
    stack.configure(on(consul, sampling={"random": 50}))
    stack.preview()
    add_to_config(consul, **PROMETHEUS)
    stack.up()
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.preview(expect_no_changes=True)


def window(gate: Gate, entry: tuple[str, str] = MESH) -> float:
    """Seconds between Consul's answer to our last look at an entry and our write of it."""
    written = next(one for one in gate.asked if one.method == "PUT" and one.entry == entry)
    read = [one for one in gate.asked if one.method == "GET" and one.entry == entry and one.ended < written.begun]
    return written.begun - read[-1].ended


@pytest.mark.parametrize("count", [1, 300])
def test_the_window_between_reading_and_writing_is_as_the_document_says(
    programs: Programs, consul: Consul, gate: Gate, count: int
) -> None:
    """Pulumi's provider cannot compare before it writes: what comes between is lost. A change shows here first."""
    stack = Project(programs, CHECKOUT, through(gate, services=services(count)), stack="window")
    stack.up()
    lost, lengths = 0, []
    tries = 10 if count == 1 else 3
    for number in range(tries):
        gate.asked.clear()
        gate.before_write_of(MESH, partial(add_to_config, consul, **{f"late_{number}": "x"}))
        stack.configure(through(gate, services=services(count), sampling={"random": 10 + number}))
        stack.up()
        assert {one.entry for one in gate.writes()} == {MESH}
        lengths.append(window(gate))
        lost += f"late_{number}" not in live(consul)["Config"]
    print(f"{count} services: lost {lost} of {tries}; seconds {sorted(lengths)}")  # noqa: T201 - for the document
    assert lost == tries
    assert max(lengths) < 30
    gate.asked.clear()
    stack.up()
    assert gate.writes() == []


def held_until_read(gate: Gate, reads: int) -> Callable[[Request], None]:
    """Hold every write back until so many reads have been answered."""

    def hold(request: Request) -> None:
        deadline = time.monotonic() + 60
        while request.method == "PUT" and time.monotonic() < deadline:
            if sum(one.method == "GET" for one in gate.asked) >= reads:
                return
            time.sleep(0.01)

    return hold


@pytest.mark.parametrize("count", [0, 20])
def test_of_two_stacks_started_at_the_same_moment_none_undoes_the_other_for_ever(
    programs: Programs, consul: Consul, gate: Gate, count: int
) -> None:
    configuration = through(gate, services=services(count))
    stacks = {name: Project(programs, CHECKOUT, configuration, stack=name) for name in ("blue", "green")}
    # Each looks at the mesh's entry, then at the services', then at the mesh's again.
    gate.on_request = held_until_read(gate, 2 * (count + 2 if count else 1))
    with ThreadPoolExecutor() as pool:
        first = list(pool.map(outcome, stacks.values()))
    assert first == ["", ""], "".join(first)
    gate.asked.clear()
    told = {name: outcome(stack) for name, stack in stacks.items()}
    refused = {name for name, said in told.items() if said}
    assert gate.writes() == []
    owners = {live(consul, entry)["Meta"]["pulumi-stack"].rpartition("/")[2] for entry in entries(consul)}
    print(f"{count} services: refused {sorted(refused)}, owners {sorted(owners)}")  # noqa: T201 - for the document
    assert refused == {name for name in stacks if owners - {name}}
    for name in refused:
        other = "green" if name == "blue" else "blue"
        assert f"written by another stack: organization/consul-tracing/{other}" in told[name]
    # The way out: the one that stays takes all, the other forgets what it wrote. Without the refresh Pulumi would
    # compare with what it wrote itself, and see nothing to do.
    stacks["green"].configure(through(gate, services=services(count), existing="overwrite"))
    stacks["green"].refresh()
    stacks["green"].up()
    stacks["blue"].forget()
    stacks["green"].configure(configuration)
    stacks["green"].preview(expect_no_changes=True)
    assert {live(consul, entry)["Meta"]["pulumi-stack"].rpartition("/")[2] for entry in entries(consul)} == {"green"}


def test_with_consul_out_of_reach_a_preview_goes_on_and_an_up_stops_before_it_writes(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    stack = Project(programs, CHECKOUT, through(gate), stack="unreachable")
    stack.up()
    before = live(consul)
    gate.asked.clear()

    def unreachable(request: Request) -> None:
        if request.method == "GET":
            raise ConnectionError

    gate.on_request = unreachable
    stack.configure(through(gate, sampling={"random": 50}))
    said = stack.previewed()
    assert "Consul cannot be read, so this preview knows nothing of what others wrote; an up would stop" in said
    told = refusal(stack)
    assert "error: consul-tracing: Consul cannot be read, and nothing is written without a look at what others" in told
    assert "proxy-defaults/global: Get " in told
    assert gate.writes() == []
    assert live(consul) == before
    gate.on_request = lambda _: None
    stack.up()
    stack.preview(expect_no_changes=True)


def test_an_entry_changed_by_hand_is_shown_by_refresh_and_up_mends_ours_and_keeps_theirs(
    programs: Programs, consul: Consul
) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="changed")
    stack.up()
    ours = live(consul)["Config"]
    add_to_config(consul, envoy_listener_tracing_json="{}", **PROMETHEUS)
    put(consul, WEB, **{**live(consul, WEB), "Protocol": "grpc"})
    assert "2 updated" in stack.refresh()
    stack.up()
    assert live(consul)["Config"] == {**ours, **PROMETHEUS}
    assert live(consul, WEB)["Protocol"] == "http"
    stack.preview(expect_no_changes=True)


COMPONENT = """
import pulumi
from consul_tracing import MeshTracing

MeshTracing({name!r}, {{"collector": {{"host": "zipkin"}}, "services": {{"web": {{"protocol": "http"}}}}}},
            pulumi.ResourceOptions(aliases={aliases}))
"""


def test_a_component_renamed_with_an_alias_keeps_its_entries_without_a_gap(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    directory = programs.make_directory("program")
    (directory / "Pulumi.yaml").write_text("name: other\nruntime: python\n")
    program = directory / "__main__.py"
    program.write_text(COMPONENT.format(name="old", aliases="[]"))
    stack = Project(programs, directory, {"consul:address": gate.address}, stack="test")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    before = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    gate.asked.clear()
    program.write_text(COMPONENT.format(name="new", aliases='[pulumi.Alias(name="old")]'))
    stack.up()
    assert "DELETE" not in {request.method for request in gate.asked}
    # An entry that was gone for any moment would have been created anew.
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == before
    names = {one["urn"].rpartition("::")[2] for one in stack.resources() if "ConfigEntry" in one["type"]}
    assert names == {"new-proxy-defaults", "new-service-web"}
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)


def test_a_stack_renamed_says_its_former_name_once(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="former")
    stack.up()
    add_to_config(consul, **PROMETHEUS)
    stack.rename("later")
    told = refusal(stack)
    assert "renamed_from: organization/consul-tracing/former" in told
    stack.configure(on(consul, renamed_from="organization/consul-tracing/former"))
    stack.up()
    assert live(consul)["Meta"]["pulumi-stack"] == "organization/consul-tracing/later"
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    stack.preview(expect_no_changes=True)
    stack.configure(on(consul))
    stack.preview(expect_no_changes=True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets the size of another process's files be limited")
def test_a_full_disk_under_the_state_costs_pulumis_backup_of_the_state_and_one_rerun(
    programs: Programs, consul: Consul, gate: Gate
) -> None:
    """A limit on the size of Pulumi's files stands for the full disk: another disk cannot be had without being root."""
    write_by_hand(consul)
    configuration = through(gate, existing="adopt", services=services(60))
    # Pulumi tries each of the writes at once for half a minute.
    stack = Project(programs, CHECKOUT, configuration, stack="full", environment={"PULUMI_PARALLEL": "1"})
    limit = (16 * 1024, 16 * 1024)
    gate.at_write(30, lambda: pulumi_process().rlimit(psutil.RLIMIT_FSIZE, limit))
    assert "failed to save snapshot" in failure(stack)
    assert "failed to load checkpoint" in failure(stack)
    stack.restore_backup()
    stack.up()
    assert_all_is_as_it_should_be(consul, stack, 60)


MAY_READ = 'mesh = "write" service_prefix "" { policy = "read" }'
WITHOUT: Mapping[str, tuple[str, str, set[tuple[str, str]]]] = {
    "mesh:write": ('service_prefix "" { policy = "write" }', "'global' config entry", {WEB}),
    "service:write": (MAY_READ, "'web' config entry", {MESH}),
    "service:read": ('mesh = "write"', "service-defaults/web", set()),
}
"""By the right that a token lacks: its rules, the entry that is told, and those that may be written all the same."""


@pytest.fixture(scope="module")
def guarded(programs: Programs) -> Iterator[Consul]:
    with guarded_consul(programs) as consul:
        yield consul


@pytest.mark.parametrize("right", WITHOUT)
def test_a_token_without_a_right_is_told_which_one_and_a_better_token_finishes(
    programs: Programs, guarded: Consul, right: str
) -> None:
    rules, entry, allowed = WITHOUT[right]
    clear(guarded)
    token = new_token(guarded, rules)
    stack = Project(programs, CHECKOUT, with_token(guarded, token), stack="rights")
    said = failure(stack)
    missing = f"lacks permission '{right}'"
    assert any("error: " in line and entry in line and missing in line for line in said.splitlines())
    assert token["SecretID"] not in said
    assert entries(guarded) <= allowed
    stack.configure(with_token(guarded, new_token(guarded, EVERYTHING_NEEDED)))
    stack.up()
    assert entries(guarded) == {MESH, WEB}
    stack.preview(expect_no_changes=True)


RELEASED: dict[str, Any] = {
    "proxy_config": {"local_connect_timeout_ms": 1000},
    "services": {"web": {"protocol": "http"}, "payments": {"protocol": "grpc", "name": "payments-v2"}},
}
"""The arguments with which the states in `states/` were made, each by the release that it is named after."""


@pytest.mark.parametrize("release", ["0.1.0"])
def test_the_state_of_a_release_previews_empty(programs: Programs, consul: Consul, release: str) -> None:
    state = (STATES / f"{release}.json").read_text().replace("127.0.0.1:8500", consul.address)
    for one in json.loads(state)["deployment"]["resources"]:
        if one["type"] == "consul:index/configEntry:ConfigEntry":
            inputs = one["inputs"]
            put(consul, (inputs["kind"], inputs["name"]), **json.loads(inputs["configJson"]))
    stack = Project(programs, CHECKOUT, on(consul, **RELEASED), stack="released")
    stack.take_state(state)
    stack.preview(expect_no_changes=True)
    stack.up()
    stack.preview(expect_no_changes=True)
