import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from testbed import CHECKOUT, ports


def listening(port: int, kind: socket.SocketKind) -> socket.socket:
    taken = socket.socket(socket.AF_INET, kind)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do
    taken.bind((ports.LOOPBACK, port))
    return taken


@pytest.fixture
def two_ports(monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    first = next(port for port in range(ports.free_port(), 60_000) if ports.is_free(port) and ports.is_free(port + 1))
    monkeypatch.setattr(ports, "LOWEST", first)
    monkeypatch.setattr(ports, "lowest_ephemeral", lambda: first + 2)
    monkeypatch.setattr(ports, "_claims", {})
    return first, first + 1


def test_port_is_allocated_only_once() -> None:
    given = [ports.free_port() for _ in range(200)]
    assert len(set(given)) == len(given)


def test_port_is_outside_the_ephemeral_range() -> None:
    assert ports.LOWEST <= ports.free_port() < ports.lowest_ephemeral()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_used_port_is_skipped(two_ports: tuple[int, int], kind: socket.SocketKind) -> None:
    with listening(two_ports[0], kind):
        assert ports.free_port() == two_ports[1]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen on a port that is bound")
def test_allocated_port_is_used_for_other_processes_and_accepts_a_server() -> None:
    port = ports.free_port()
    other = f"from testbed.ports import is_free; print(is_free({port}))"
    assert subprocess.check_output([sys.executable, "-c", other], text=True, cwd=CHECKOUT) == "False\n"
    with ThreadingHTTPServer((ports.LOOPBACK, port), BaseHTTPRequestHandler):
        pass
