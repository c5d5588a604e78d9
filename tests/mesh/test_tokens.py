"""An `up` with a token that lacks a permission or is revoked during the run."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.http import send_request
from testbed.processes import Programs
from testbed.pulumi import Project
from testbed.request_recorder import record_requests
from tests.mesh.consul_entries import MESH, WEB, clear, entries, failure, services, stack_config
from tests.mesh.disturbed_up import assert_mesh_is_complete, write_unmanaged_entries

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ROOT_TOKEN = "root-of-the-test"  # noqa: S105 - of a temporary Consul
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
    return {**stack_config(consul, **args), "consul:token": token["SecretID"]}


ALL_PERMISSIONS = 'mesh = "write" service_prefix "" { policy = "write" }'


def test_revoked_token_requires_a_new_token_and_one_rerun(programs: Programs) -> None:
    with guarded_consul(programs) as consul, record_requests(consul) as recorder:
        write_unmanaged_entries(consul)
        args: dict[str, Any] = {"existing": "adopt", "services": services(60)}
        token = new_token(consul, ALL_PERMISSIONS)
        consul_config = {"consul:address": recorder.address}
        stack = Project(programs, CHECKOUT, {**with_token(consul, token, **args), **consul_config}, stack="revoked")
        path = f"/v1/acl/token/{token['AccessorID']}"
        header = {"X-Consul-Token": ROOT_TOKEN}
        recorder.at_write(30, lambda: send_request(consul.http_port, path, method="DELETE", headers=header))
        output = failure(stack)
        assert "Unexpected response code: 403 (ACL not found)" in output
        assert token["SecretID"] not in output
        assert len(entries(consul)) < 60
        stack.configure({**with_token(consul, new_token(consul, ALL_PERMISSIONS), **args), **consul_config})
        stack.up()
        assert_mesh_is_complete(consul, stack, 60)


SERVICE_READ = 'mesh = "write" service_prefix "" { policy = "read" }'
MISSING: Mapping[str, tuple[str, str, set[tuple[str, str]]]] = {
    "mesh:write": ('service_prefix "" { policy = "write" }', "'global' config entry", {WEB}),
    "service:write": (SERVICE_READ, "'web' config entry", {MESH}),
    "service:read": ('mesh = "write"', "service-defaults/web", set()),
}
"""By missing permission: the rules of the token, the text that identifies the entry, and the entries it can write."""


@pytest.fixture(scope="module")
def guarded(programs: Programs) -> Iterator[Consul]:
    with guarded_consul(programs) as consul:
        yield consul


@pytest.mark.parametrize("permission", MISSING)
def test_missing_permission_of_a_token_is_reported(programs: Programs, guarded: Consul, permission: str) -> None:
    rules, entry, allowed = MISSING[permission]
    clear(guarded)
    token = new_token(guarded, rules)
    stack = Project(programs, CHECKOUT, with_token(guarded, token), stack="rights")
    output = failure(stack)
    missing = f"lacks permission '{permission}'"
    assert any("error: " in line and entry in line and missing in line for line in output.splitlines())
    assert token["SecretID"] not in output
    assert entries(guarded) <= allowed
    stack.configure(with_token(guarded, new_token(guarded, ALL_PERMISSIONS)))
    stack.up()
    assert entries(guarded) == {MESH, WEB}
    stack.preview(expect_no_changes=True)
