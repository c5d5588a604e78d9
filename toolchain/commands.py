"""Running the commands that build and fetch, so that none of them outlives this process."""

import os
import shlex
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn, Protocol

LINES_SHOWN = 20
"""How much of a failed command's output an error repeats: enough for a compiler's message, less than a screen."""

SECONDS_TO_END = 5.0
"""How long an interrupted command may tidy up before it is killed."""


class Progress(Protocol):
    """What is told while a program is built or fetched."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Tell that a step begins; `total` is its number of parts where that is known."""

    def advance(self) -> None:
        """Tell that one more part of the step is done."""


class Quiet:
    """Progress that nobody watches."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Tell nothing."""

    def advance(self) -> None:
        """Tell nothing."""


class CommandFailed(Exception):
    """A command that ended badly, with the end of its output and where the rest is."""

    def __init__(self, command: Sequence[str], code: int, log: Path) -> None:
        """Take the end of the output from `log`, which holds all of it."""
        last = log.read_text(errors="replace").splitlines()[-LINES_SHOWN:]
        ended = f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        shown = "\n".join(f"    {line}" for line in last) or "    (it said nothing)"
        super().__init__(f"`{shlex.join(command)}` {ended}; its last lines:\n{shown}\n  The full log is {log}")


class Interrupted(Exception):
    """A command that was not started or was ended because this process is ending."""


class RunningCommands:
    """The process groups of every command that runs now, over all threads."""

    def __init__(self) -> None:
        """Begin with none."""
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    @contextmanager
    def started(
        self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], stderr: int
    ) -> Iterator[subprocess.Popen[str]]:
        """Run a command in a process group of its own, which is gone, with all its children, when the block is left."""
        with self._lock:
            self.refuse_when_ended()
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
                errors="replace",
                process_group=0,
            )
            self._running.add(process)
        try:
            with process:
                try:
                    yield process
                    process.wait()
                finally:
                    end(process)
        finally:
            with self._lock:
                self._running.discard(process)
        self.refuse_when_ended()

    def end_all(self) -> None:
        """End every command and let none start any more: this process was interrupted."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for process in running:
            end(process)

    def refuse_when_ended(self) -> None:
        """Raise `Interrupted` after `end_all`."""
        if self._closed:
            raise Interrupted


RUNNING = RunningCommands()


def end(process: subprocess.Popen[str]) -> None:
    """End a command's whole process group: politely, then, after at most `SECONDS_TO_END`, by force.

    A command that ended may have left children in its group, so the group is ended whatever became of the command.
    """
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(SECONDS_TO_END)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def exiting_on_sigterm() -> Iterator[None]:
    """Leave the block by `SystemExit` on SIGTERM, so that what runs in it is ended and tidied up as after Ctrl-C.

    Leaves a handler alone that someone else has set, and does nothing outside the main thread, where none can be set.
    """
    main_thread = threading.current_thread() is threading.main_thread()
    if not main_thread or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, exit_as_terminated)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def exit_as_terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """Exit with the code that a shell gives to a process ended by this signal."""
    raise SystemExit(128 + number)


@dataclass(frozen=True)
class Job:
    """The commands that make one program: their log, and who is told how far they are."""

    log: Path
    progress: Progress

    def run(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str], counted: str | None = None) -> int:
        """Run a command, all its output going to the log, and return how many lines of it begin with `counted`.

        Each of these lines also advances the progress. Raises `CommandFailed`.
        """
        count = 0
        with self.log.open("a") as log, RUNNING.started(command, cwd, environment, subprocess.STDOUT) as process:
            print("$", shlex.join(command), file=log, flush=True)
            for line in process.stdout or ():
                log.write(line)
                if counted is not None and line.startswith(counted):
                    count += 1
                    self.progress.advance()
        self._require_success(command, process)
        return count

    def answer(self, command: Sequence[str], cwd: Path, environment: Mapping[str, str]) -> str:
        """Run a command and return its standard output; the rest goes to the log. Raises `CommandFailed`."""
        with self.log.open("a") as log, RUNNING.started(command, cwd, environment, log.fileno()) as process:
            print("$", shlex.join(command), file=log, flush=True)
            said = process.stdout.read() if process.stdout else ""
        self._require_success(command, process)
        return said.strip()

    def _require_success(self, command: Sequence[str], process: subprocess.Popen[str]) -> None:
        if process.returncode != 0:
            raise CommandFailed(command, process.returncode, self.log)
