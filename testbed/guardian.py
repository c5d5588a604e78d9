"""The process that cleans up, however the process that started the programs ends.

`python -m testbed.guardian DIRECTORY` reads lines from its standard input, `watch SESSION` and `forget SESSION`. The
kernel closes that pipe when the starter is gone, SIGKILL included; then the guardian ends what is left of the watched
sessions and removes the run directory. An orderly end takes the same way, so the way is tried in every run.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from testbed import CHECKOUT, sessions
from testbed.errors import Failure


class GuardianGone(Failure):
    """The guardian has ended, so no program may be started."""


class Guardian:
    """The starter's side: a running guardian and the pipe to it."""

    def __init__(self, directory: Path) -> None:
        """Start the guardian of a run directory, which need not exist yet."""
        theirs, ours = os.pipe()
        # A session of its own, or Ctrl-C would end the guardian together with the starter. No output of the starter's,
        # or whoever reads that would wait for the guardian too.
        self._process = subprocess.Popen(  # noqa: S603 - this very interpreter
            [sys.executable, "-m", "testbed.guardian", directory],
            cwd=CHECKOUT,
            stdin=theirs,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs)
        self._pipe = os.fdopen(ours, "wb", buffering=0)

    def watch(self, session: int) -> None:
        """End this session's processes when the starter is gone."""
        self._tell("watch", session)

    def forget(self, session: int) -> None:
        """The session is over: its number may soon be another's."""
        self._tell("forget", session)

    def check(self) -> None:
        """Raise `GuardianGone` after `dismiss`."""
        if self._pipe.closed:
            raise GuardianGone("the run was ended")

    def dismiss(self) -> None:
        """Have it clean up now, and wait until it has."""
        self._pipe.close()
        try:
            self._process.wait()
        finally:
            # Ctrl-C at this moment must not let the starter go before the rest has gone.
            self._process.wait()

    def _tell(self, verb: str, session: int) -> None:
        try:
            self._pipe.write(f"{verb} {session}\n".encode())
        except (BrokenPipeError, ValueError):  # ValueError: another thread has dismissed the guardian
            raise GuardianGone("the guardian process is gone: start the run again") from None


def guard(lines: Iterable[str], directory: Path) -> None:
    """Follow the starter until it is gone, then leave nothing of it."""
    sessions.end(_still_watched(lines))
    shutil.rmtree(directory, ignore_errors=True)


def _still_watched(lines: Iterable[str]) -> set[int]:
    watched: set[int] = set()
    for line in lines:
        verb, session = line.split()
        if verb == "watch":
            watched.add(int(session))
        else:
            watched.discard(int(session))
    return watched


def _outlive_signals() -> None:
    """Whoever signals everything that the demo started must not stop its clean-up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)


if __name__ == "__main__":
    _outlive_signals()
    guard(sys.stdin, Path(sys.argv[1]))
