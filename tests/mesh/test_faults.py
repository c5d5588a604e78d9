"""Faults during an `up`: killed processes, a full disk, a leader election. The next `up` completes the mesh.

See docs/measurements/faults.md for the results.
"""

import signal
import sys

import psutil
import pytest

from bench.pulumi_runs import WITHOUT_CHECKPOINTS
from testbed import CHECKOUT
from testbed.consul import Consul, ConsulServer
from testbed.ports import LOOPBACK
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from testbed.request_recorder import RequestRecorder, record_requests
from tests.mesh.consul_entries import entries, failed_writes, is_write_error, outcome, recorded_stack_config, services
from tests.mesh.disturbed_up import assert_mesh_is_complete, write_unmanaged_entries
from tests.mesh.traced_mesh import TracedMesh, retried

pytestmark = [pytest.mark.mesh, pytest.mark.faults]


def pulumi_process() -> psutil.Process:
    """Return the running Pulumi engine."""
    return next(one for one in psutil.Process().children(recursive=True) if one.name() == "pulumi")


def up_until_killed(stack: Project) -> None:
    with pytest.raises(ProgramFailedError) as error:
        stack.up()
    assert error.value.exit_code == -signal.SIGKILL


def assert_writes_failed(stack: Project) -> None:
    """Run an `up` in which Consul is killed. Each entry that was not written has one error."""
    failed = failed_writes(outcome(stack))
    assert failed
    assert all(is_write_error(*one) for one in failed.items()), failed


def test_up_completes_after_consul_was_killed(programs: Programs) -> None:
    consul = ConsulServer(programs)
    consul.wait_until_ready()
    write_unmanaged_entries(consul)
    with record_requests(consul) as recorder:
        stack = Project(
            programs,
            CHECKOUT,
            recorded_stack_config(recorder, existing="adopt", services=services(300)),
            stack="killed",
        )
        recorder.at_write(150, consul.kill)
        assert_writes_failed(stack)
        consul.start()
        consul.wait_until_consistent()
        assert 100 < len(entries(consul)) < 300
        stack.up()
        assert_mesh_is_complete(consul, stack, 300)
    consul.stop()


def test_up_completes_after_pulumi_was_killed(programs: Programs, consul: Consul, recorder: RequestRecorder) -> None:
    write_unmanaged_entries(consul)
    stack = Project(
        programs, CHECKOUT, recorded_stack_config(recorder, existing="adopt", services=services(300)), stack="killed"
    )
    recorder.at_write(150, lambda: pulumi_process().kill())
    up_until_killed(stack)
    assert 100 < len(entries(consul)) < 300
    with pytest.raises(
        ProgramFailedError, match=r"error: the stack is currently locked by 1 lock\(s\)\..*`pulumi cancel`"
    ):
        stack.up()
    stack.cancel()
    assert stack.state()["deployment"]["pending_operations"]
    stack.up()
    assert_mesh_is_complete(consul, stack, 300)
    # Pulumi warns about pending operations until they are cleared.
    assert stack.state()["deployment"]["pending_operations"]
    stack.clear_pending_creates()
    assert "pending_operations" not in stack.state()["deployment"]
    stack.preview(expect_no_changes=True)


def test_up_without_checkpoints_completes_after_pulumi_was_killed(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    # Without `existing: adopt`: an entry that this stack does not own would be a conflict.
    stack = Project(
        programs,
        CHECKOUT,
        recorded_stack_config(recorder, services=services(300)),
        stack="killed",
        environment=WITHOUT_CHECKPOINTS,
    )
    recorder.at_write(150, lambda: pulumi_process().kill())
    up_until_killed(stack)
    assert 100 < len(entries(consul)) < 300
    stack.cancel()
    # The state contains none of the written entries. Their ownership metadata names this stack.
    assert not stack.resources()
    stack.up()
    assert len(entries(consul)) == 301
    stack.preview(expect_no_changes=True)


def test_failed_up_without_checkpoints_records_the_written_entries(programs: Programs) -> None:
    consul = ConsulServer(programs)
    consul.wait_until_ready()
    with record_requests(consul) as recorder:
        stack = Project(
            programs,
            CHECKOUT,
            recorded_stack_config(recorder, services=services(60)),
            stack="failed",
            environment=WITHOUT_CHECKPOINTS,
        )
        recorder.at_write(30, consul.kill)
        assert_writes_failed(stack)
        assert 10 < len(stack.resources()) < 60
    consul.stop()


def test_change_takes_effect_after_pulumi_was_killed(traced: TracedMesh) -> None:
    mesh = traced.mesh
    traced.apply()
    changed = {"tags": {"fault": {"literal": "repaired"}}}
    with record_requests(mesh.consul) as recorder:
        stack = traced.stack(**changed)
        stack.configure({**traced.configuration(**changed), "consul:address": recorder.address})
        recorder.at_write(1, lambda: pulumi_process().kill())
        up_until_killed(stack)
    stack.cancel()
    stack.configure(traced.configuration(**changed))
    stack.up()
    stack.preview(expect_no_changes=True)
    traced.follow()

    def is_tagged() -> bool:
        response = retried(traced.request)()
        return all(span.get("tags", {}).get("fault") == "repaired" for span in traced.spans_of(response, 4))

    traced.wait_until(is_tagged, "a trace with the new tag")


def test_up_completes_after_a_leader_election(programs: Programs) -> None:
    first = ConsulServer(programs, "one", size=3)
    servers = [
        first,
        ConsulServer(programs, "two", size=3, join=first),
        ConsulServer(programs, "three", size=3, join=first),
    ]
    for server in servers:
        server.wait_until_ready()
    leader = next(server for server in servers if server.is_leader)
    follower = next(server for server in servers if server is not leader)
    write_unmanaged_entries(follower)
    with record_requests(follower) as recorder:
        stack = Project(
            programs,
            CHECKOUT,
            recorded_stack_config(recorder, existing="adopt", services=services(60)),
            stack="election",
        )
        recorder.at_write(30, leader.kill)
        failed = failed_writes(outcome(stack))
        print(f"{len(failed)} writes failed")  # noqa: T201 - for the document
        assert all(is_write_error(*one) for one in failed.items()), failed
        killed_leader = f"{LOOPBACK}:{leader.ports['server']}"
        programs.wait_until(lambda: follower.get("/v1/status/leader") not in {"", killed_leader}, "another leader")
        stack.up()
        assert_mesh_is_complete(follower, stack, 60)
    for server in servers:
        server.stop()


@pytest.mark.nightly
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux can limit the file size of another process")
def test_up_completes_after_a_full_disk_and_a_state_backup(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    """A limit on the size of Pulumi's files simulates a full disk, since mounting a disk requires root."""
    write_unmanaged_entries(consul)
    configuration = recorded_stack_config(recorder, existing="adopt", services=services(60))
    # Pulumi retries each parallel write for half a minute.
    stack = Project(programs, CHECKOUT, configuration, stack="full", environment={"PULUMI_PARALLEL": "1"})
    limit = (16 * 1024, 16 * 1024)
    recorder.at_write(30, lambda: pulumi_process().rlimit(psutil.RLIMIT_FSIZE, limit))
    for reason in ("failed to save snapshot", "failed to load checkpoint"):
        with pytest.raises(ProgramFailedError, match=reason):
            stack.up()
    stack.restore_backup()
    stack.up()
    assert_mesh_is_complete(consul, stack, 60)
