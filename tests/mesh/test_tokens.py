"""An `up` with a token that lacks a permission or is revoked during the run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.http import send_request
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from testbed.request_recorder import record_requests
from tests.mesh.consul_entries import (
    MESH,
    WEB,
    clear,
    entries,
    failed_writes,
    is_write_error,
    outcome,
    rejection,
    services,
    stack_config,
)
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


def delete_token(consul: Consul, token: dict[str, Any]) -> None:
    path, header = f"/v1/acl/token/{token['AccessorID']}", {"X-Consul-Token": ROOT_TOKEN}
    send_request(consul.http_port, path, method="DELETE", headers=header)


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
        recorder.at_write(30, lambda: delete_token(consul, token))
        output = outcome(stack)
        assert token["SecretID"] not in output
        failed = failed_writes(output)
        assert failed
        for name, error in failed.items():
            assert is_write_error(name, error)
            assert error.endswith(": Unexpected response code: 403 (ACL not found)")
        assert len(entries(consul)) < 60
        stack.configure({**with_token(consul, new_token(consul, ALL_PERMISSIONS), **args), **consul_config})
        stack.up()
        assert_mesh_is_complete(consul, stack, 60)


NO_MESH_WRITE = 'service_prefix "" { policy = "write" }'
NO_SERVICE_WRITE = 'mesh = "write" service_prefix "" { policy = "read" }'
NO_SERVICE_READ = 'mesh = "write"'


@pytest.fixture(scope="module")
def guarded(programs: Programs) -> Iterator[Consul]:
    with guarded_consul(programs) as consul:
        yield consul


@pytest.mark.parametrize(
    ("rules", "resource", "entry", "permission"),
    [
        (NO_MESH_WRITE, "mesh-proxy-defaults", MESH, "'mesh:write'"),
        (NO_SERVICE_WRITE, "mesh-service-web", WEB, "'service:write' on \"web\""),
    ],
)
def test_missing_permission_to_write_is_the_error_of_the_entry(  # noqa: PLR0913, PLR0917 - a table
    programs: Programs, guarded: Consul, rules: str, resource: str, entry: tuple[str, str], permission: str
) -> None:
    clear(guarded)
    token = new_token(guarded, rules)
    stack = Project(programs, CHECKOUT, with_token(guarded, token), stack="rights")
    output = outcome(stack)
    assert token["SecretID"] not in output
    denied = f"Permission denied: token with AccessorID '{token['AccessorID']}' lacks permission {permission}"
    error = f"failed to set '{entry[1]}' config entry: Unexpected response code: 403 ({denied})"
    assert failed_writes(output) == {resource: error}
    assert entries(guarded) <= {MESH, WEB} - {entry}
    assert_sufficient_token_completes(stack, guarded)


def test_missing_permission_to_read_is_reported_before_a_write(programs: Programs, guarded: Consul) -> None:
    clear(guarded)
    token = new_token(guarded, NO_SERVICE_READ)
    stack = Project(programs, CHECKOUT, with_token(guarded, token), stack="rights")
    output = rejection(stack)
    assert token["SecretID"] not in output
    assert "CT205: Consul cannot be read, so nothing is written" in output
    assert "service-defaults/web: Unexpected response code: 403 (Permission denied: " in output
    assert "lacks permission 'service:read' on \"web\"" in output
    assert entries(guarded) == set()
    assert_sufficient_token_completes(stack, guarded)


def test_refresh_with_a_new_token_requires_the_program(programs: Programs, guarded: Consul) -> None:
    """README recommends PULUMI_RUN_PROGRAM for refreshes if tokens change between updates."""
    clear(guarded)
    token = new_token(guarded, ALL_PERMISSIONS)
    stack = Project(programs, CHECKOUT, with_token(guarded, token), stack="rotated")
    stack.up()
    delete_token(guarded, token)
    stack.configure(with_token(guarded, new_token(guarded, ALL_PERMISSIONS)))
    with pytest.raises(ProgramFailedError) as failed:
        stack.up("--refresh")
    reasons = {error.rpartition(": ")[2] for error in failed_writes(failed.value.output).values()}
    assert reasons == {"403 (ACL not found)"}
    stack.up("--refresh", "--run-program")
    assert entries(guarded) == {MESH, WEB}
    stack.preview(expect_no_changes=True)


def assert_sufficient_token_completes(stack: Project, guarded: Consul) -> None:
    stack.configure(with_token(guarded, new_token(guarded, ALL_PERMISSIONS)))
    stack.up()
    assert entries(guarded) == {MESH, WEB}
    stack.preview(expect_no_changes=True)
