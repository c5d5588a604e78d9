"""`consul-tracing stale --agent` with real proxies, whose addresses are not given."""

import json
import secrets
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace

import pytest

from consul_tracing.cli.stale import listing
from consul_tracing.errors import CommandError
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.mesh import Instance, Service
from testbed.processes import Programs
from tests.command_line import Ended, consul_tracing
from tests.mesh.test_bootstrap import ENVOYS
from tests.mesh.test_stale import entry, write

# In one process: each test continues with the proxies of the former one.
pytestmark = [pytest.mark.mesh, pytest.mark.xdist_group("proxies of an agent")]


@pytest.fixture(scope="module")
def host(programs: Programs) -> Iterator[Consul]:
    """A Consul of its own: the proxies of the shared one may not run."""
    consul = Consul(programs)
    consul.wait_until_ready()
    yield consul
    consul.stop()


@pytest.fixture(scope="module")
def sidecars(programs: Programs, host: Consul) -> Iterator[dict[str, Envoy]]:
    """Two sidecars of services with unique names: a run beside this one may have a service `web`."""
    services = [f"{name}-{secrets.token_hex(4)}" for name in ("web", "api")]
    for service in services:
        host.register(Instance.allocate(Service(service)).registration)
    started = {service: Envoy(programs, host, service, [f"-sidecar-for={service}"]) for service in services}
    for envoy in started.values():
        programs.wait_until(lambda one=envoy: one.is_ready, "a ready proxy", program=envoy.program)
    yield started
    for envoy in started.values():
        envoy.stop()


def stale(consul: Consul, *options: str) -> Ended:
    return consul_tracing("stale", "--agent", *options, environment=consul.environment)


def addresses(consul: Consul) -> list[str]:
    report = json.loads(stale(consul, "--format=json").stdout)
    assert report["unreadable"] == []
    return [one["address"] for one in report["proxies"]]


@contextmanager
def forwarded(target: int) -> Iterator[int]:
    """Accept connections at a port and forward them to another one, as containers and tunnels do."""

    class Forward(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", target)) as upstream:
                back = threading.Thread(target=copy, args=(upstream, self.request))
                back.start()
                copy(self.request, upstream)
                back.join()

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Forward) as server:
        server.daemon_threads = True
        server.block_on_close = False
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def test_all_proxies_of_the_agent_are_found(programs: Programs, host: Consul, sidecars: dict[str, Envoy]) -> None:
    run = stale(host, "--format=json")
    report = json.loads(run.stdout)
    assert (run.exit_code, report["unreadable"]) == (0, [])
    assert {one["service"] for one in report["proxies"]} == sidecars.keys()
    for service in sidecars:
        write(programs, host, entry(), f"{service}-sidecar-proxy")
    run = stale(host)
    commands = [f"  restart the program that runs: consul connect envoy -sidecar-for {service}" for service in sidecars]
    assert run.exit_code == 1
    assert run.stdout.partition("To restart what is stale:\n")[2].splitlines() == sorted(commands)


def test_proxies_of_another_consul_with_the_same_ids_are_not_read(
    programs: Programs, host: Consul, sidecars: dict[str, Envoy]
) -> None:
    """Also of a Consul that has ended: its proxies keep running."""
    other = Consul(programs)
    other.wait_until_ready()
    service = next(iter(sidecars))
    other.register(Instance.allocate(Service(service)).registration)
    envoy = Envoy(programs, other, service, [f"-sidecar-for={service}"])
    admin = f"127.0.0.1:{envoy.admin_port}"
    try:
        programs.wait_until(envoy.listeners, "a proxy with listeners", program=envoy.program)
        assert admin not in addresses(host)
        assert addresses(other) == [admin]
        other.stop()
        assert sorted(addresses(host)) == sorted(f"127.0.0.1:{one.admin_port}" for one in sidecars.values())
    finally:
        envoy.stop()
        other.stop()


def test_proxy_that_connects_through_a_forwarded_port_is_of_the_agent(
    programs: Programs, host: Consul, sidecars: dict[str, Envoy]
) -> None:
    service, envoy = next(iter(sidecars.items()))
    with forwarded(host.grpc_port) as port:
        envoy.stop()
        proxy = Envoy(programs, host, service, [f"-sidecar-for={service}", f"-grpc-addr=localhost:{port}"])
        try:
            programs.wait_until(proxy.listeners, "a proxy with listeners", program=proxy.program)
            assert f"127.0.0.1:{proxy.admin_port}" in addresses(host)
        finally:
            proxy.stop()
            envoy.start()
            programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)


def test_wait_ends_when_the_proxies_have_restarted(
    programs: Programs, host: Consul, sidecars: dict[str, Envoy], monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in sidecars:
        write(programs, host, entry(collector={"host": "other.test"}), f"{service}-sidecar-proxy")
    waiting = [*sidecars.values()]

    def restart_one(_: float) -> None:
        envoy = waiting.pop()
        envoy.stop()
        envoy.start()
        programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)

    monkeypatch.setattr(listing, "time", SimpleNamespace(monotonic=time.monotonic, sleep=restart_one))
    run = stale(host, "--wait=60")
    assert (run.exit_code, waiting) == (0, [])
    first, second = run.stderr.splitlines()
    assert first.startswith("2 of 2 proxies must restart: ")
    assert second.startswith("1 of 2 proxies must restart: ")


@pytest.mark.slow
@pytest.mark.parametrize("version", [*ENVOYS, "1.38.3"])
def test_proxy_of_each_supported_envoy_is_found(
    programs: Programs, host: Consul, sidecars: dict[str, Envoy], version: str
) -> None:
    """Also with static listeners of its own, which Envoy opens after the admin interface."""
    service, envoy = next(iter(sidecars.items()))
    write(programs, host, entry(), f"{service}-sidecar-proxy")
    envoy.stop()
    envoy.version = version
    envoy.start()
    programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
    assert envoy.running_version == version
    report = json.loads(stale(host, "--format=json").stdout)
    assert service in {one["service"] for one in report["proxies"]}
    assert report["unreadable"] == []


def test_proxy_that_does_not_run_is_unreadable(host: Consul, sidecars: dict[str, Envoy]) -> None:
    *_, (service, envoy) = sidecars.items()
    envoy.stop()
    with pytest.raises(CommandError, match=f"1 of 2 proxies cannot be read: {service}-sidecar-proxy$"):
        stale(host, "--wait=0.1")
