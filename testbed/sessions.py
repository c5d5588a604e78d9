"""Ending every process of a session.

A session holds a program and whatever it started: a Pulumi plugin leaves its parent's process group,
but stays in the session.
"""

import os
import signal
import time
from collections.abc import Collection

import psutil

GRACE_SECONDS = 2.0
"""How long a process may take over a SIGTERM. Nothing in a run directory is worth waiting longer for."""

_POLL_SECONDS = 0.02


def members(sessions: Collection[int]) -> list[int]:
    """Ids of the running processes of these sessions."""
    return [pid for pid in psutil.pids() if _session_of(pid) in sessions and _is_running(pid)]


def end(sessions: Collection[int], grace_seconds: float = GRACE_SECONDS) -> None:
    """End all their processes: ask with SIGTERM, and after the grace insist with SIGKILL until none is left."""
    if not sessions:
        return
    _send(signal.SIGTERM, sessions)
    deadline = time.monotonic() + grace_seconds
    while members(sessions):
        if time.monotonic() > deadline:
            _send(signal.SIGKILL, sessions)
        time.sleep(_POLL_SECONDS)


def _send(number: signal.Signals, sessions: Collection[int]) -> None:
    for pid in members(sessions):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _is_running(pid: int) -> bool:
    """Whether it is more than an entry that its parent has not yet collected."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
