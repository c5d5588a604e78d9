"""Starting programs that leave nothing behind: each in a session of its own, logging into the run's directory."""

import itertools
import math
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from testbed import sessions
from testbed.errors import Failure
from testbed.guardian import Guardian
from testbed.http import NotAnswered
from testbed.proxies import bypass_on_loopback

LAST_LINES = 20

# The program waits here until the guardian knows its session. A starter that is killed before it could tell the
# guardian closes the pipe instead of writing to it, and the program never begins.
_GATE = 'read -r _ && exec "$@" </dev/null'

# They would lead the run's programs to the Consul or the Pulumi that the user works with.
_FOREIGN_SETTINGS = ("CONSUL_", "PULUMI_")
_OWN_SETTINGS = "CONSUL_TRACING_"

_POLL_SECONDS = 0.05

T = TypeVar("T")


class ProgramFailed(Failure):
    """A program ended with a failure, or when it should have gone on."""

    def __init__(self, name: str, exit_code: int, said: str) -> None:
        """`said` is all that the program said; the message repeats the end of it."""
        self.name = name
        self.exit_code = exit_code
        self.said = said
        ended = f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
        super().__init__(_with_last_lines(f"{name} ended with {ended}", said))


class NotInTime(Failure):
    """What was waited for did not happen."""

    def __init__(self, what: str, seconds: float, *, obstacle: str = "", said: str = "") -> None:
        """`obstacle` is the last one met, `said` what the program concerned said."""
        self.said = said
        because = f": {obstacle}" if obstacle else ""
        super().__init__(_with_last_lines(f"{what}: not within {seconds:g} s{because}", said))


@dataclass(frozen=True)
class Program:
    """A program that was started, and where it logs."""

    name: str
    process: subprocess.Popen[bytes]
    logs: tuple[Path, ...]

    @property
    def session(self) -> int:
        """The session that it leads: itself and everything that it starts."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def said(self) -> str:
        """Everything that it wrote so far."""
        return "".join(log.read_text(errors="replace") for log in self.logs)

    def failure(self) -> ProgramFailed:
        """That it ended, as an error to raise."""
        return ProgramFailed(self.name, self.process.wait(), self.said())


class Programs:
    """The programs of one run, its directory, and the guardian over both; a context manager.

    Whatever way the `with` block or this whole process ends, nothing of the run is left: no process, no file.
    """

    def __init__(self) -> None:
        """Make the directory, with the guardian over it."""
        self.directory = Path(tempfile.gettempdir()) / f"consul-tracing-{secrets.token_hex(8)}"
        """Where this run keeps everything."""
        # The guardian comes first, so that there is no moment at which the directory would be left behind.
        self._guardian = Guardian(self.directory)
        self.directory.mkdir(mode=0o700)
        self._running: list[Program] = []
        self._numbers = itertools.count(1)
        # Consul leaves the pipe of a proxy's bootstrap in the temporary directory when the proxy does not start.
        self._environment = {
            **_own_environment(),
            **bypass_on_loopback(os.environ),
            "TMPDIR": str(self.make_directory("tmp")),
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every program that still runs and remove the directory."""
        self._guardian.dismiss()
        # Nothing is left to do, unless somebody ended the guardian before.
        self._end_processes(*self._running)
        shutil.rmtree(self.directory, ignore_errors=True)

    def make_directory(self, name: str) -> Path:
        """A new directory in the run's own; names may repeat."""
        directory = self.directory / self._numbered(name)
        directory.mkdir()
        return directory

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
    ) -> Program:
        """Start a program that goes on until it is stopped. `environment` comes on top of the caller's own."""
        log = self._log(name, "log")
        program = self._launch(name, command, environment or {}, directory, (log, log))
        self._running.append(program)
        return program

    def run(  # noqa: PLR0913 - all but the command are options by name
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        seconds: float | None = 600,
        on_error_line: Callable[[], object] | None = None,
    ) -> str:
        """Run a program to its end and return its standard output; `ProgramFailed` unless its exit code is 0.

        `on_error_line` is called for each line on standard error while the program runs.
        """
        logs = self._log(name, "out"), self._log(name, "err")
        program = self._launch(name, command, environment or {}, directory, logs)
        self._finish(program, seconds, on_error_line)
        return logs[0].read_text(errors="replace")

    def show(self, name: str, command: Sequence[str | Path], *, directory: Path | None = None) -> None:
        """Run a program to its end with its output going where ours goes, progress bars included."""
        self._finish(self._launch(name, command, {}, directory, None))

    def stop(self, *programs: Program) -> None:
        """End these programs and everything that they started; one that was stopped before is left out."""
        # The number of a session that is over may be another's by now.
        running = [program for program in self._running if program in programs]
        self._running = [program for program in self._running if program not in programs]
        self._end(*running)

    def check(self) -> None:
        """Raise `ProgramFailed` if a program ended without being stopped, and `GuardianGone` after `close`."""
        self._guardian.check()
        for program in self._running:
            if not program.is_running:
                raise program.failure()

    def wait_until(
        self, condition: Callable[[], T], what: str, *, seconds: float = 30, program: Program | None = None
    ) -> T:
        """Ask until the answer is true, and return it; `NotInTime` says what was waited for and what stood in the way.

        `NotAnswered` means "not yet". A program of this run that ends meanwhile is told at once; `program` is the one
        whose last lines explain a wait in vain.
        """
        deadline = time.monotonic() + seconds
        while True:
            obstacle = ""
            try:
                if answer := condition():
                    return answer
            except NotAnswered as error:
                obstacle = str(error)
            self.check()
            if time.monotonic() > deadline:
                raise NotInTime(what, seconds, obstacle=obstacle, said=program.said() if program else "")
            time.sleep(_POLL_SECONDS)

    def _log(self, name: str, ending: str) -> Path:
        return self.directory / self._numbered(f"{name}.{ending}")

    def _numbered(self, name: str) -> str:
        return f"{next(self._numbers):03}-{name.replace(' ', '-')}"

    def _launch(
        self,
        name: str,
        command: Sequence[str | Path],
        environment: Mapping[str, str],
        directory: Path | None,
        logs: tuple[Path, Path] | None,
    ) -> Program:
        """Start a program in a session of its own. `logs` are for standard output and errors; None shows both."""
        self._guardian.check()
        theirs, ours = os.pipe()
        with ExitStack() as opened:
            gate = opened.enter_context(os.fdopen(ours, "w"))
            waiting = opened.enter_context(os.fdopen(theirs))
            outputs = [opened.enter_context(log.open("ab")) for log in logs] if logs else [None, None]
            process = subprocess.Popen(  # noqa: S603 - programs of the toolchain and of this project
                ["/bin/sh", "-c", _GATE, name, *command],
                cwd=directory or self.directory,
                env={**self._environment, **environment},
                stdin=waiting,
                stdout=outputs[0],
                stderr=outputs[1],
                start_new_session=True,
            )
            self._guardian.watch(process.pid)
            gate.write("go\n")
        return Program(name, process, tuple(dict.fromkeys(logs or ())))

    def _finish(
        self, program: Program, seconds: float | None = None, on_error_line: Callable[[], object] | None = None
    ) -> None:
        """Wait for a program's end, and end what it leaves behind."""
        try:
            if on_error_line:
                self._follow(program, seconds, on_error_line)
            else:
                program.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise NotInTime(f"the end of {program.name}", seconds or 0, said=program.said()) from None
        finally:
            self._end(program)
        if program.process.returncode != 0:
            raise program.failure()

    @staticmethod
    def _follow(program: Program, seconds: float | None, on_error_line: Callable[[], object]) -> None:
        """Wait for a program's end and report its lines on standard error meanwhile."""
        deadline = math.inf if seconds is None else time.monotonic() + seconds
        with program.logs[-1].open("rb") as errors:
            while program.is_running:
                with suppress(subprocess.TimeoutExpired):
                    program.process.wait(_POLL_SECONDS)
                for _ in range(errors.read().count(b"\n")):
                    on_error_line()
                if time.monotonic() > deadline:
                    raise subprocess.TimeoutExpired(program.name, deadline)

    def _end(self, *programs: Program) -> None:
        self._end_processes(*programs)
        for program in programs:
            self._guardian.forget(program.session)

    @staticmethod
    def _end_processes(*programs: Program) -> None:
        sessions.end({program.session for program in programs})
        for program in programs:
            program.process.wait()


def _own_environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_OWN_SETTINGS) or not name.startswith(_FOREIGN_SETTINGS)
    }


def _with_last_lines(headline: str, said: str) -> str:
    """The headline and, below it, the end of what a program said, which mostly tells why it failed."""
    lines = [line for line in said.splitlines() if line.strip()]
    return "\n".join([headline, *(f"  {line}" for line in lines[-LAST_LINES:])])
