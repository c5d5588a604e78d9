"""A process that cleans up after the process that started the programs, however that ends.

`python -m testbed.guardian DIRECTORY` reads the lines `watch SESSION` and `forget SESSION` from standard input. When
the starter ends, even by SIGKILL, the kernel closes the pipe. The guardian then ends the watched sessions and removes
the run directory. A regular end uses the same mechanism, so that every run tests it.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from testbed import CHECKOUT, sessions
from testbed.errors import OperationalError


class GuardianExitedError(OperationalError):
    """The guardian has ended, so no program may be started."""


class Guardian:
    """The starter's side: a running guardian and the pipe to it."""

    def __init__(self, directory: Path) -> None:
        """Start the guardian of a run directory, which need not exist yet."""
        read_end, write_end = os.pipe()
        # A separate session protects the guardian from Ctrl-C. It does not inherit the outputs of the starter, because
        # a reader of those would wait for the guardian.
        self._process = subprocess.Popen(  # noqa: S603 - this Python interpreter
            [sys.executable, "-m", "testbed.guardian", directory],
            cwd=CHECKOUT,
            stdin=read_end,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(read_end)
        self._pipe = os.fdopen(write_end, "wb", buffering=0)

    def watch(self, session: int) -> None:
        """End the processes of this session when the starter ends."""
        self._send("watch", session)

    def forget(self, session: int) -> None:
        """Stop watching an ended session, whose number may be reused."""
        self._send("forget", session)

    def check(self) -> None:
        """Raise `GuardianExitedError` after `dismiss`."""
        if self._pipe.closed:
            raise GuardianExitedError("the run has ended")

    def dismiss(self) -> None:
        """Start the cleanup and wait for its end."""
        self._pipe.close()
        try:
            self._process.wait()
        finally:
            # Ctrl-C during the first wait must not end the starter before the programs.
            self._process.wait()

    def _send(self, verb: str, session: int) -> None:
        try:
            self._pipe.write(f"{verb} {session}\n".encode())
        except (BrokenPipeError, ValueError):  # ValueError: another thread has dismissed the guardian
            raise GuardianExitedError("the guardian process has ended. Start the run again") from None


def guard(lines: Iterable[str], directory: Path) -> None:
    """Process the lines until the starter ends, then end the watched sessions and remove the directory."""
    sessions.end(_watched_at_end(lines))
    shutil.rmtree(directory, ignore_errors=True)


def _watched_at_end(lines: Iterable[str]) -> set[int]:
    watched: set[int] = set()
    for line in lines:
        verb, session = line.split()
        if verb == "watch":
            watched.add(int(session))
        else:
            watched.discard(int(session))
    return watched


if __name__ == "__main__":
    # A signal to all processes of the demo must not stop the cleanup.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    guard(sys.stdin, Path(sys.argv[1]))
