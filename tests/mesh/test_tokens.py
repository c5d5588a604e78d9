"""An `up` with a token that lacks a right, or that is revoked meanwhile."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.gate import gate_before
from testbed.http import ask
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, WEB, clear, entries, failure, on, services
from tests.mesh.disturbed_up import assert_all_is_as_it_should_be, write_by_hand

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ROOT_TOKEN = "root-of-the-test"  # noqa: S105 - of a Consul that lives as long as the test
ACL = f'acl {{ enabled = true default_policy = "deny" tokens {{ initial_management = "{ROOT_TOKEN}" }} }}'


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
