"""Loopback ports that nothing listens on."""

import secrets
import socket
import sys
from pathlib import Path

from testbed.errors import Failure

LOOPBACK = "127.0.0.1"

LOWEST = 20000
"""Below it stand the well-known ports of what may already run here: Consul's 8500, Zipkin's 9411, Envoy's 19000."""

_EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST_EPHEMERAL_ELSEWHERE = 49152

_claims: dict[int, socket.socket] = {}
"""The ports that this process gave out."""


class NoFreePort(Failure):
    """Every port that may be given out is taken."""


def free_port() -> int:
    """A port that is free for TCP and UDP on 127.0.0.1 and was never given out, on Linux by no running process.

    It lies below the range that the kernel takes the near ends of outgoing connections from: such a port can be
    taken between being found free and being listened on. The choice is random so that two demos do not meet.
    """
    candidates = range(LOWEST, lowest_ephemeral())
    start = secrets.randbelow(len(candidates))
    for offset in range(len(candidates)):
        port = candidates[(start + offset) % len(candidates)]
        if port not in _claims and is_free(port):
            _claims[port] = _claim(port)
            return port
    raise NoFreePort(f"no free port between {candidates.start} and {candidates.stop - 1} on {LOOPBACK}")


def _claim(port: int) -> socket.socket:
    """Make `is_free` in other processes report a port as taken, although nothing listens on it yet.

    Linux lets a server listen on an address to which another socket is only bound, if both set SO_REUSEADDR, which
    servers do.
    """
    claim = socket.socket()
    if sys.platform == "linux":
        claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        claim.bind((LOOPBACK, port))
    return claim


def lowest_ephemeral() -> int:
    """Where the ports of outgoing connections begin."""
    if not _EPHEMERAL_RANGE.exists():
        return _LOWEST_EPHEMERAL_ELSEWHERE
    lowest = int(_EPHEMERAL_RANGE.read_text().split()[0])
    # A machine that hands out low ports leaves no room below; then any port above the well-known ones must do.
    return lowest if lowest > LOWEST else _LOWEST_EPHEMERAL_ELSEWHERE


def is_free(port: int) -> bool:
    """Whether it can be listened on, for TCP and for UDP: Consul's gossip needs both on one port."""
    return all(_can_bind(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
        return True
