"""The checks of sidecars when `proxy-defaults` changes, as docs/explain/how-it-works.md describes them."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

import toolchain
from testbed.consul import Consul, ConsulServer
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.mesh.consul_entries import MESH, put

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

TIMEOUT = "local_connect_timeout_ms"
WRITES = 3
"""A check that is critical can pass before it is read, if it runs at this moment: once in about a hundred writes."""


@pytest.fixture
def port() -> Iterator[int]:
    """A port that accepts the connections of checks."""
    with socket.create_server((LOOPBACK, 0)) as server:
        yield server.getsockname()[1]


def service(port: int, **sidecar: Any) -> dict[str, Any]:
    """Return a service with a sidecar, which has Consul's default checks unless others are given."""
    return {"name": "web", "address": LOOPBACK, "port": 8080, "connect": {"sidecar_service": {"port": port, **sidecar}}}


def consul_with_file(programs: Programs, definition: dict[str, Any]) -> Consul:
    """Start an agent that reads the service from its configuration."""
    consul = Consul(programs, hcl=json.dumps({"services": [definition]}))
    consul.wait_until_ready()
    return consul


def are_critical_after_a_write(programs: Programs, consul: Consul) -> bool:
    """Change `proxy-defaults` while all checks pass, and return whether one is critical afterwards."""
    programs.wait_until(lambda: statuses(consul) == {"passing"}, "checks that pass")
    timeout = (registered_timeout(consul) or 1000) + 1
    put(consul, MESH, Config={TIMEOUT: timeout})
    programs.wait_until(lambda: registered_timeout(consul) == timeout, "the registration with the new entry")
    return "critical" in statuses(consul)


def statuses(consul: Consul) -> set[str]:
    return {check["Status"] for check in consul.get("/v1/agent/checks").values()}


def registered_timeout(consul: Consul) -> int | None:
    """Return the timeout of the registration, in which Consul merges `proxy-defaults`."""
    found: int | None = consul.get("/v1/agent/service/web-sidecar-proxy")["Proxy"].get("Config", {}).get(TIMEOUT)
    return found


def test_checks_of_a_service_file_are_critical_after_a_write_until_its_agent_is_reloaded(
    programs: Programs, port: int
) -> None:
    consul = consul_with_file(programs, service(port))
    assert any(are_critical_after_a_write(programs, consul) for _ in range(WRITES))
    programs.wait_until(lambda: statuses(consul) == {"passing"}, "checks that pass")
    programs.run("consul reload", [toolchain.program("consul"), "reload"], environment=consul.environment)
    assert not any(are_critical_after_a_write(programs, consul) for _ in range(WRITES))
    consul.stop()


@pytest.mark.parametrize(
    "check", [{"tcp": f"{LOOPBACK}:1", "interval": "1h", "status": "passing"}, {"alias_service": "web"}]
)
def test_check_that_starts_as_passing_is_not_concerned(programs: Programs, port: int, check: dict[str, Any]) -> None:
    consul = consul_with_file(programs, service(port, checks=[{"name": "sidecar", **check}]))
    assert not any(are_critical_after_a_write(programs, consul) for _ in range(WRITES))
    consul.stop()


def test_checks_of_a_registration_are_critical_after_a_write_once_its_agent_has_restarted(
    programs: Programs, port: int
) -> None:
    consul = ConsulServer(programs)
    consul.wait_until_ready()
    consul.register(service(port))
    assert not any(are_critical_after_a_write(programs, consul) for _ in range(WRITES))
    consul.stop()
    consul.start()
    consul.wait_until_ready()
    assert any(are_critical_after_a_write(programs, consul) for _ in range(WRITES))
    consul.stop()
