"""Programs that are killed, a full disk, an election: after a fault in an `up`, one more `up` completes the mesh.

The figures are in docs/reliability.md.
"""

import sys
from functools import partial

import psutil
import pytest

from testbed import CHECKOUT
from testbed.consul import Consul, ConsulServer
from testbed.gate import Gate, gate_before
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import entries, failure, outcome, services, through
from tests.mesh.disturbed_up import assert_all_is_as_it_should_be, write_by_hand
from tests.mesh.traced_mesh import TracedMesh, retried, unique_path

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.faults]


def pulumi_process() -> psutil.Process:
    """The engine that runs now."""
    return next(one for one in psutil.Process().children(recursive=True) if one.name() == "pulumi")


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
    changed = {"tags": {"fault": {"literal": "repaired"}}}
    with gate_before(mesh.consul) as gate:
        stack = traced.stack(**changed)
        stack.configure({**traced.configuration(**changed), "consul:address": gate.address})
        gate.at_write(1, lambda: pulumi_process().kill())
        failure(stack)
    stack.cancel()
    stack.configure(traced.configuration(**changed))
    stack.up()
    stack.preview(expect_no_changes=True)
    traced.follow()

    def is_tagged() -> bool:
        answer = retried(partial(mesh.request, unique_path()))()
        return all(span.get("tags", {}).get("fault") == "repaired" for span in traced.spans_of(answer, 4))

    traced.wait_until(is_tagged, "a trace with the new tag")


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
