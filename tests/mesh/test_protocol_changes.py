"""Previews list the changes of the protocols that Consul gives to proxies, before and after an update."""

from collections.abc import Callable, Iterator

import pytest

from testbed.consul import Consul
from testbed.processes import Programs
from tests.mesh.consul_entries import MESH, WEB, clear, live, put
from tests.mesh.edited_stack import EditedStack

pytestmark = pytest.mark.mesh

Check = Callable[..., str]


def program(*, inputs: str = "", **protocols: str) -> str:
    services = {name: {"protocol": protocol} for name, protocol in protocols.items()}
    return f'MeshTracing("mesh", {{"collector": COLLECTOR, {inputs} "services": {services}}})\n'


@pytest.fixture
def stack(programs: Programs, consul: Consul) -> Iterator[EditedStack]:
    clear(consul)
    yield EditedStack(programs, consul.address)
    clear(consul)


@pytest.fixture
def changed_by(stack: EditedStack, consul: Consul) -> Check:
    """Return the message of the preview and the `up` of a program, and check the protocols that Consul then has."""

    def check(edited: str, **protocols: str) -> str:
        stack.edit(edited)
        (before, after) = map(_message, (stack.project.preview_without_diff(), stack.project.up()))
        assert before == after
        found = {name: consul.get(f"/v1/discovery-chain/{name}")["Chain"]["Protocol"] for name in protocols}
        assert found == protocols
        return before

    return check


def _message(output: str) -> str:
    """Return the lines of CT534, with their severity, empty without the message."""
    lines = [line.strip() for line in output.partition("Diagnostics:")[2].splitlines()]
    first = next((number for number, line in enumerate(lines) if "CT534" in line), len(lines))
    last = next((number for number, line in enumerate(lines) if "#ct534" in line), len(lines))
    return "\n".join(lines[first:last])


def test_only_changed_protocols_are_listed(changed_by: Check) -> None:
    first = changed_by(program(web="http", api="http", db="tcp"), web="http", api="http", db="tcp")
    assert first.startswith("consul-tracing: CT534")
    assert "\napi, web: tcp → http\n" in first
    assert "db" not in first
    assert changed_by(program(web="http", api="http", db="tcp"), db="tcp") == ""
    lowered = changed_by(program(web="grpc", api="tcp", db="tcp"), web="grpc", api="tcp", db="tcp")
    assert lowered.startswith("warning: consul-tracing: CT534")
    assert {"api: http → tcp", "web: http → grpc"} <= set(lowered.splitlines())
    assert "db" not in lowered


def test_removed_service_loses_its_protocol(changed_by: Check) -> None:
    changed_by(program(web="http", api="http", db="tcp"), api="http")
    removed = changed_by(program(web="http"), web="http", api="tcp", db="tcp")
    assert removed.startswith("warning: ")
    assert "\napi: http → tcp, no longer declared\n" in removed
    assert "web" not in removed
    assert "db" not in removed
    assert changed_by(program(web="http"), api="tcp") == ""


def test_drift_is_not_a_change_of_this_update(changed_by: Check, consul: Consul) -> None:
    """CT506 reports drift, which an `up` without a refresh does not restore."""
    changed_by(program(web="http", api="http"), web="http", api="http")
    consul.delete_config_entry("service-defaults", "api")
    put(consul, WEB, **{**live(consul, WEB), "Protocol": "tcp"})
    assert changed_by(program(web="http", api="http"), web="tcp", api="tcp") == ""
    assert "\ndb: tcp → http\n" in changed_by(program(web="http", api="http", db="http"), web="tcp", db="http")


def test_retained_entries_keep_their_protocol(changed_by: Check, consul: Consul) -> None:
    put(consul, ("service-defaults", "api"), Protocol="http", LocalRequestTimeoutMs=5000)
    adopted = changed_by(program(inputs='"existing": "adopt",', web="http", api="http"), api="http")
    assert "\nweb: tcp → http\n" in adopted
    assert changed_by(program(inputs='"existing": "adopt",', web="http"), api="http") == ""
    changed_by(program(inputs='"release": True,', web="http"))
    assert changed_by(program(inputs='"release": True,'), web="http") == ""


def test_default_protocol_applies_to_services_without_their_own(changed_by: Check, consul: Consul) -> None:
    put(consul, MESH, Config={"protocol": "http"})
    http = '"existing": "adopt", "tcp_services": [], "default_protocol": "http",'
    assert changed_by(program(inputs=http, web="http"), web="http", api="http") == ""
    assert changed_by(program(inputs=http), web="http") == ""
    opted_out = changed_by(program(inputs=http, web="tcp"), web="tcp")
    assert opted_out.startswith("warning: ")
    assert "\nweb: http → tcp\n" in opted_out
    lowered = changed_by(program(inputs='"default_protocol": "tcp",', web="tcp"), api="tcp", web="tcp")
    assert lowered.startswith("warning: ")
    assert "\nservices without a protocol of their own: http → tcp\n" in lowered
