"""The Envoys of a host, in a directory with the layout of Linux's `/proc`."""

import os
from pathlib import Path

import pytest

from consul_tracing.sources.processes import EnvoyProcess, envoy_processes

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
UNIT = "0::/system.slice/web-sidecar.service"


def row(address: str, state: str, inode: int) -> str:
    return f"   0: {address} 00000000:0000 {state} 00000000:00000000 00:00000000 00000000     0        0 {inode} 1"


ADMIN, MESH = row("0100007F:4A38", "0A", 101), row("00000000:4E20", "0A", 102)


def add(  # noqa: PLR0913 - the files of a process
    proc: Path, pid: int, name: str, sockets: dict[int, int], rows: list[str], *, parent: int = 1, group: str = UNIT
) -> None:
    """Add a process with these sockets: the inode by the file descriptor."""
    process = proc / str(pid)
    (process / "fd").mkdir(parents=True)
    (process / "net").mkdir()
    (process / "comm").write_text(f"{name}\n")
    (process / "status").write_text(f"Name:\t{name}\nPid:\t{pid}\nPPid:\t{parent}\n")
    (process / "cgroup").write_text(f"{group}\n")
    (process / "net/tcp").write_text("\n".join([HEAD, *rows, ""]))
    for descriptor, inode in sockets.items():
        (process / f"fd/{descriptor}").symlink_to(f"socket:[{inode}]")
    (process / "fd/0").symlink_to(os.devnull)


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    add(tmp_path, 1, "systemd", {}, [])
    return tmp_path


def test_first_listening_socket_is_the_admin_interface(proc: Path) -> None:
    connection = row("0100007F:0001", "01", 100)
    add(proc, 7, "envoy", {9: 100, 14: 101, 112: 102}, [MESH, ADMIN, connection])
    add(proc, 8, "nginx", {14: 101}, [ADMIN])
    assert envoy_processes(proc) == [EnvoyProcess("127.0.0.1:19000", "systemctl restart web-sidecar.service")]


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("00000000:4A38", "127.0.0.1:19000"),
        ("0200007F:4A39", "127.0.0.2:19001"),
        ("00000000000000000000000001000000:4A38", "[::1]:19000"),
        ("00000000000000000000000000000000:4A38", "[::1]:19000"),
    ],
)
def test_address_is_one_that_accepts_connections(proc: Path, address: str, expected: str) -> None:
    add(proc, 7, "envoy-1.38", {14: 101}, [row(address, "0A", 101)])
    assert [one.admin for one in envoy_processes(proc)] == [expected]


@pytest.mark.parametrize(
    ("parent", "group", "restart"),
    [
        (1, "0::/system.slice/a\\x2db.service", "systemctl restart 'a\\x2db.service'"),
        (1, "1:name=systemd:/system.slice/web.service", "systemctl restart web.service"),
        (1, "0::/user.slice/user@1000.service/app.slice/web.service", "systemctl --user restart web.service"),
        (1, "0::/user.slice/session-3.scope", ""),
        (1, "0::/", ""),
        (2, "0::/system.slice/supervisor.service", ""),
    ],
)
def test_unit_is_known_if_systemd_started_the_process(proc: Path, parent: int, group: str, restart: str) -> None:
    add(proc, 2, "supervisord", {}, [])
    add(proc, 7, "envoy", {14: 101}, [ADMIN], parent=parent, group=group)
    assert [one.restart for one in envoy_processes(proc)] == [restart]


def test_process_without_a_socket_and_another_system_have_no_envoys(proc: Path) -> None:
    add(proc, 7, "envoy", {14: 999}, [ADMIN])
    (proc / "8").mkdir()
    assert envoy_processes(proc) == envoy_processes(proc / "missing") == []
