"""Other writers of the entries around an `up`, and a Consul that cannot be read.

The figures are in docs/reliability.md.
"""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.gate import Gate, Request
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import (
    PROMETHEUS,
    WEB,
    add_to_config,
    entries,
    live,
    on,
    outcome,
    put,
    refusal,
    services,
    through,
)

pytestmark = [pytest.mark.mesh, pytest.mark.slow]


def test_a_foreign_key_written_between_preview_and_up_stays(programs: Programs, consul: Consul) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="between", refresh=False)
    stack.up()
    stack.configure(on(consul, sampling={"random": 50}))
    stack.preview()
    add_to_config(consul, **PROMETHEUS)
    stack.up()
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.preview(expect_no_changes=True)


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
    # Each reads all entries, and the entry of the mesh again right before it is written. Without services both read
    # it before one writes it; with services the second one finds it changed, unless it is faster than that.
    gate.on_request = held_until_read(gate, 2 * (count + 1) if count else 4)
    with ThreadPoolExecutor() as pool:
        first = list(pool.map(outcome, stacks.values()))
    assert all(not said or "proxy-defaults/global was changed by another writer" in said for said in first)
    assert "" in first
    gate.asked.clear()
    told = {name: outcome(stack) for name, stack in stacks.items()}
    refused = {name for name, said in told.items() if said}
    assert gate.writes() == []
    owners = {live(consul, entry)["Meta"]["pulumi-stack"].rpartition("/")[2] for entry in entries(consul)}
    print(f"{count} services: refused {sorted(refused)}, owners {sorted(owners)}")  # noqa: T201 - for the document
    assert refused == {name for name in stacks if owners - {name}}
    for name in refused:
        other = "green" if name == "blue" else "blue"
        assert f"managed by another stack (organization/consul-tracing/{other})" in told[name]
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
    stack = Project(programs, CHECKOUT, through(gate), stack="unreachable", refresh=False)
    stack.up()
    before = live(consul)
    gate.asked.clear()

    def unreachable(request: Request) -> None:
        if request.method == "GET":
            raise ConnectionError

    gate.on_request = unreachable
    stack.configure(through(gate, sampling={"random": 50}))
    said = stack.previewed()
    assert (
        "Consul cannot be read, so this preview does not show fields of other owners, and pulumi up would stop" in said
    )
    told = refusal(stack)
    assert "error: consul-tracing: Consul cannot be read, so nothing is written" in told
    assert "proxy-defaults/global: Get " in told
    assert gate.writes() == []
    assert live(consul) == before
    gate.on_request = lambda _: None
    stack.up()
    stack.preview(expect_no_changes=True)


def test_an_entry_changed_by_hand_is_shown_by_refresh_and_up_mends_ours_and_keeps_theirs(
    programs: Programs, consul: Consul
) -> None:
    stack = Project(programs, CHECKOUT, on(consul), stack="changed", refresh=False)
    stack.up()
    ours = live(consul)["Config"]
    add_to_config(consul, envoy_listener_tracing_json="{}", **PROMETHEUS)
    put(consul, WEB, **{**live(consul, WEB), "Protocol": "grpc"})
    assert "2 updated" in stack.refresh()
    stack.up()
    assert live(consul)["Config"] == {**ours, **PROMETHEUS}
    assert live(consul, WEB)["Protocol"] == "http"
    stack.preview(expect_no_changes=True)
