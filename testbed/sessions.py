"""End all processes of a session.

A session contains a program and its descendants. A Pulumi plugin leaves the process group but not the session.
"""

import os
import signal
import time
from collections.abc import Collection

import psutil

GRACE_SECONDS = 2.0
"""Time between SIGTERM and SIGKILL. Short, because the state in a run directory is disposable."""

_POLL_SECONDS = 0.02


def members(sessions: Collection[int]) -> list[int]:
    """Return the ids of the running processes of these sessions."""
    return [pid for pid in psutil.pids() if _session_of(pid) in sessions and _is_running(pid)]


def end(sessions: Collection[int], grace_seconds: float = GRACE_SECONDS) -> None:
    """End all processes of these sessions: with SIGTERM, after the grace period with SIGKILL."""
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
    """Whether the process runs and is not a zombie."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
