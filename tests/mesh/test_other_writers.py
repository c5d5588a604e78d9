"""Concurrent writers of entries during an `up`, and an unreachable Consul.

See docs/measurements/faults.md for the results.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.processes import Programs
from testbed.pulumi import Project
from testbed.request_recorder import Request, RequestRecorder
from tests.mesh.consul_entries import (
    PROMETHEUS,
    WEB,
    add_to_config,
    assert_rejected,
    entries,
    failed_writes,
    live,
    outcome,
    put,
    recorded_stack_config,
    rejection,
    services,
    stack_config,
)

pytestmark = [pytest.mark.mesh, pytest.mark.slow]


def test_foreign_key_written_between_preview_and_up_is_preserved(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, stack_config(consul), stack="between")
    stack.up()
    stack.configure(stack_config(consul, sampling={"random": 50}))
    stack.preview()
    add_to_config(consul, **PROMETHEUS)
    stack.up()
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.preview(expect_no_changes=True)


CHANGED = "another writer changed the entry after this up read it"


def delay_writes(recorder: RequestRecorder, reads: int) -> Callable[[Request], None]:
    """Return a handler that delays every write until `reads` reads have a response."""

    def delay(request: Request) -> None:
        deadline = time.monotonic() + 60
        while request.method == "PUT" and time.monotonic() < deadline:
            if sum(one.method == "GET" and "-defaults/" in one.path for one in recorder.requests) >= reads:
                return
            time.sleep(0.01)

    return delay


@pytest.mark.parametrize("count", [0, 20])
def test_two_concurrent_stacks_do_not_overwrite_each_other(
    programs: Programs, consul: Consul, recorder: RequestRecorder, count: int
) -> None:
    configuration = recorded_stack_config(recorder, services=services(count))
    stacks = {name: Project(programs, CHECKOUT, configuration, stack=name) for name in ("blue", "green")}
    # Each stack reads all entries, and reads the mesh entry again before its write. Without services, both stacks
    # read it before the first write. With services, the second stack usually finds it changed.
    recorder.on_request = delay_writes(recorder, 2 * (count + 1) if count else 4)
    with ThreadPoolExecutor() as pool:
        first = [failed_writes(output) for output in pool.map(outcome, stacks.values())]
    assert {} in first
    for errors in first:
        assert list(errors) in ([], ["mesh-proxy-defaults"])
        assert all(f"CT206: proxy-defaults/global: {CHANGED}" in error for error in errors.values())
    recorder.requests.clear()
    outputs = {name: outcome(stack) for name, stack in stacks.items()}
    rejected = {name for name, output in outputs.items() if output}
    assert recorder.writes() == []
    owners = {live(consul, entry)["Meta"]["pulumi-stack"].rpartition("/")[2] for entry in entries(consul)}
    print(f"{count} services: rejected {sorted(rejected)}, owners {sorted(owners)}")  # noqa: T201 - for the document
    assert rejected == {name for name in stacks if owners - {name}}
    for name in rejected:
        assert_rejected(outputs[name])
        other = "green" if name == "blue" else "blue"
        assert f"managed by another stack (organization/consul-tracing/{other})" in outputs[name]
    # To resolve the conflict, one stack overwrites all entries and the other one is removed. Without the refresh,
    # Pulumi compares with its state and finds no change.
    stacks["green"].configure(recorded_stack_config(recorder, services=services(count), existing="overwrite"))
    stacks["green"].refresh()
    stacks["green"].up()
    stacks["blue"].remove()
    stacks["green"].configure(configuration)
    stacks["green"].preview(expect_no_changes=True)
    assert {live(consul, entry)["Meta"]["pulumi-stack"].rpartition("/")[2] for entry in entries(consul)} == {"green"}


def test_unreachable_consul_fails_an_up_before_any_write(
    programs: Programs, consul: Consul, recorder: RequestRecorder
) -> None:
    stack = Project(programs, CHECKOUT, recorded_stack_config(recorder), stack="unreachable")
    stack.up()
    before = live(consul)
    recorder.requests.clear()

    def unreachable(request: Request) -> None:
        if request.method == "GET":
            raise ConnectionError

    recorder.on_request = unreachable
    stack.configure(recorded_stack_config(recorder, sampling={"random": 50}))
    output = stack.preview_without_diff()
    assert "Consul cannot be read yet, so this preview does not show fields of other owners" in output
    rejected_output = rejection(stack)
    assert "error: consul-tracing: CT205: Consul cannot be read, so nothing is written" in rejected_output
    assert "proxy-defaults/global: Get " in rejected_output
    assert recorder.writes() == []
    assert live(consul) == before
    recorder.on_request = lambda _: None
    stack.up()
    stack.preview(expect_no_changes=True)


def test_up_after_refresh_restores_managed_fields_and_preserves_foreign_fields(
    programs: Programs, consul: Consul
) -> None:
    stack = Project(programs, CHECKOUT, stack_config(consul), stack="changed")
    stack.up()
    own_config = live(consul)["Config"]
    add_to_config(consul, envoy_listener_tracing_json="{}", **PROMETHEUS)
    put(consul, WEB, **{**live(consul, WEB), "Protocol": "grpc"})
    assert "2 updated" in stack.refresh()
    stack.up()
    assert live(consul)["Config"] == {**own_config, **PROMETHEUS}
    assert live(consul, WEB)["Protocol"] == "http"
    stack.preview(expect_no_changes=True)
