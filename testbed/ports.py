"""Free ports on the loopback interface."""

import secrets
import socket
import sys
from pathlib import Path

from testbed.errors import OperationalError

LOOPBACK = "127.0.0.1"

LOWEST = 20000
"""Lowest port to allocate, above the default ports of Consul (8500), Zipkin (9411) and Envoy (19000)."""

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_EPHEMERAL_ELSEWHERE = 49152

_claims: dict[int, socket.socket] = {}
"""The ports that this process has allocated."""


class NoFreePortError(OperationalError):
    """Every port in the range is in use."""


def free_port() -> int:
    """Allocate a port of 127.0.0.1 that is free for TCP and UDP. On Linux other processes do not allocate it either.

    It is below the ephemeral range, from which an outgoing connection could take it. The choice is random so that two
    demos rarely collide.
    """
    candidates = range(LOWEST, lowest_ephemeral())
    start = secrets.randbelow(len(candidates))
    for offset in range(len(candidates)):
        port = candidates[(start + offset) % len(candidates)]
        if port not in _claims and is_free(port):
            _claims[port] = _claim(port)
            return port
    raise NoFreePortError(f"no free port from {candidates.start} to {candidates.stop - 1} on {LOOPBACK}")


def _claim(port: int) -> socket.socket:
    """Bind the port so that `is_free` is false in other processes.

    On Linux a server can still listen on the port if both sockets set SO_REUSEADDR, as servers do.
    """
    claim = socket.socket()
    if sys.platform == "linux":
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claim.bind((LOOPBACK, port))
    return claim


def lowest_ephemeral() -> int:
    """Return the lowest port of the ephemeral range."""
    if not _EPHEMERAL_RANGE.exists():
        return _LOWEST_EPHEMERAL_ELSEWHERE
    lowest = int(_EPHEMERAL_RANGE.read_text().split()[0])
    # A low ephemeral range leaves no room below it.
    return lowest if lowest > LOWEST else _LOWEST_EPHEMERAL_ELSEWHERE


def is_free(port: int) -> bool:
    """Whether the port is free for TCP and UDP. Consul's gossip uses both."""
    return all(_can_bind(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
