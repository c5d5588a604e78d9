"""The Envoys of this host, from Linux's `/proc`."""

from __future__ import annotations

import re
import shlex
import socket
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")

LISTEN = "0A"
"""State of a socket in `/proc/net/tcp`. Ref: https://www.kernel.org/doc/Documentation/networking/proc_net_tcp.txt"""

ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - a socket of a proxy
"""Addresses of sockets that accept connections at every address of the host, and the address that is used."""


@dataclass(frozen=True)
class EnvoyProcess:
    """A process of Envoy."""

    admin: str
    """`HOST:PORT` of its admin interface."""
    restart: str = ""
    """The command that restarts its systemd unit. Empty if no unit runs only this process."""


def envoy_processes(proc: Path = PROC) -> list[EnvoyProcess]:
    """Return the Envoys that this user can read: the own processes, or all for root. None on other systems."""
    return [*_envoys(proc)]


def _envoys(proc: Path) -> Iterator[EnvoyProcess]:
    for process in proc.glob("[0-9]*"):
        try:
            if _text(process / "comm").startswith("envoy") and (admin := _first_listener(process)):
                yield EnvoyProcess(admin, _restart(process))
        except OSError:
            # The process has ended, or belongs to another user.
            continue


def _text(file: Path) -> str:
    return file.read_text(errors="replace").strip()


def _first_listener(process: Path) -> str:
    """Return the address of the socket that the process opened first, which is Envoy's admin interface.

    Requests to the others would enter the mesh. Envoy opens them after it has the configuration of Consul.
    """
    listening = _listening(process)
    for descriptor in sorted((process / "fd").iterdir(), key=lambda one: int(one.name)):
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if address := listening.get(target.removeprefix("socket:[").removesuffix("]")):
            return address
    return ""


def _listening(process: Path) -> dict[str, str]:
    """Return the addresses of the listening TCP sockets in the network namespace of a process, by inode."""
    rows = [row.split() for name in ("tcp", "tcp6") if (file := process / "net" / name).exists() for row in _rows(file)]
    return {row[9]: _address(row[1]) for row in rows if row[3] == LISTEN}


def _rows(file: Path) -> list[str]:
    return _text(file).splitlines()[1:]


def _address(text: str) -> str:
    """Return `HOST:PORT` of an address in `/proc/net/tcp`: words of 32 bits in the order of bytes of the host."""
    words, _, port = text.partition(":")
    packed = b"".join(struct.pack("=I", int(words[start : start + 8], 16)) for start in range(0, len(words), 8))
    family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6  # noqa: PLR2004 - bytes
    host = socket.inet_ntop(family, packed)
    host = ANY_ADDRESS.get(host, host)
    return f"[{host}]:{int(port, 16)}" if ":" in host else f"{host}:{int(port, 16)}"


def _restart(process: Path) -> str:
    """Return the command for a process that systemd started. The unit of a supervisor also runs other programs."""
    parent = re.search(r"^PPid:\s*(\d+)", _text(process / "status"), re.MULTILINE)
    if not parent or _text(process.parent / parent[1] / "comm") != "systemd":
        return ""
    groups = [line.partition(":")[2].partition(":")[2] for line in _text(process / "cgroup").splitlines()]
    group = next((one for one in groups if one.endswith(".service")), "")
    user = ["--user"] if "/user@" in group else []
    return shlex.join(["systemctl", *user, "restart", group.rpartition("/")[2]]) if group else ""
