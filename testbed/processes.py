"""Start programs, each in a separate session with a log in the run directory, and end them reliably."""

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from testbed import sessions
from testbed.errors import OperationalError
from testbed.guardian import Guardian
from testbed.http import RequestError
from testbed.http_proxy_variables import bypass_on_loopback

LAST_LINES = 20

# The program waits for this line until the guardian watches its session. If the starter is killed first, the pipe
# closes and the program does not start.
_START_COMMAND = 'read -r _ && exec "$@" </dev/null'

# Settings of the user, which would connect the programs to another Consul or Pulumi backend.
_USER_SETTINGS = ("CONSUL_", "PULUMI_")
_PROJECT_SETTINGS = "CONSUL_TRACING_"

_POLL_SECONDS = 0.05

T = TypeVar("T")


class ProgramFailedError(OperationalError):
    """A program failed or ended unexpectedly."""

    def __init__(self, name: str, exit_code: int, output: str) -> None:
        """Take the whole output. The message contains its last lines."""
        self.name = name
        self.exit_code = exit_code
        self.output = output
        ended = f"exit code {exit_code}" if exit_code >= 0 else signal.Signals(-exit_code).name
        super().__init__(_with_last_lines(f"{name} ended with {ended}", output))


class WaitTimeoutError(OperationalError):
    """A wait exceeded its timeout."""

    def __init__(self, event: str, seconds: float, *, last_error: str = "", output: str = "") -> None:
        """Take the last error of the condition and the output of the program."""
        self.output = output
        reason = f": {last_error}" if last_error else ""
        super().__init__(_with_last_lines(f"timeout after {seconds:g} s while waiting for {event}{reason}", output))


@dataclass(frozen=True)
class Program:
    """A started program and its logs."""

    name: str
    process: subprocess.Popen[bytes]
    logs: tuple[Path, ...]

    @property
    def session(self) -> int:
        """Session of the program and its descendants."""
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Whether the program has not ended."""
        return self.process.poll() is None

    def output(self) -> str:
        """Return the output of the program so far."""
        return "".join(log.read_text(errors="replace") for log in self.logs)

    def failure(self) -> ProgramFailedError:
        """Return the error for the end of the program."""
        return ProgramFailedError(self.name, self.process.wait(), self.output())


class Programs:
    """The programs of one run and their directory, as a context manager.

    However the `with` block or this process ends, no process and no file remains.
    """

    def __init__(self) -> None:
        """Create the run directory and start its guardian."""
        _restore_interrupts()
        self.directory = Path(tempfile.gettempdir()) / f"consul-tracing-{secrets.token_hex(8)}"
        # The guardian starts first, so that the directory is always removed.
        self._guardian = Guardian(self.directory)
        self.directory.mkdir(mode=0o700)
        self._running: list[Program] = []
        self._numbers = itertools.count(1)
        # Consul leaves a bootstrap pipe in the temporary directory if the proxy does not start.
        self._environment = {
            **_environment_without_user_settings(),
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
        """End the running programs and remove the directory."""
        self._guardian.dismiss()
        # Required only if the guardian was killed.
        self._end_processes(*self._running)
        shutil.rmtree(self.directory, ignore_errors=True)

    def make_directory(self, name: str) -> Path:
        """Create a directory in the run directory. Names may repeat."""
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
        """Start a program that runs until `stop`. `environment` extends the environment of this process."""
        log = self._log(name, "log")
        program = self._launch(name, command, environment or {}, directory, (log, log))
        self._running.append(program)
        return program

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        seconds: float | None = 600,
    ) -> str:
        """Run a program and return its standard output. Raises `ProgramFailedError` unless the exit code is 0."""
        logs = self._log(name, "out"), self._log(name, "err")
        program = self._launch(name, command, environment or {}, directory, logs)
        self._finish(program, seconds)
        return logs[0].read_text(errors="replace")

    def show(self, name: str, command: Sequence[str | Path], *, directory: Path | None = None) -> None:
        """Run a program with the standard output and error of this process."""
        self._finish(self._launch(name, command, {}, directory, None))

    def stop(self, *programs: Program) -> None:
        """End these programs and their descendants. Stopped programs are ignored."""
        # The number of an ended session may be reused.
        running = [program for program in self._running if program in programs]
        self._running = [program for program in self._running if program not in programs]
        self._end(*running)

    def check(self) -> None:
        """Raise `ProgramFailedError` if a program ended without `stop`, and `GuardianExitedError` after `close`."""
        self._guardian.check()
        for program in self._running:
            if not program.is_running:
                raise program.failure()

    def wait_until(
        self, condition: Callable[[], T], event: str, *, seconds: float = 30, program: Program | None = None
    ) -> T:
        """Evaluate the condition until it is true and return its value. Raises `WaitTimeoutError`.

        A `RequestError` counts as false. `event` and the last lines of `program` are part of the timeout message.
        Raises `ProgramFailedError` as soon as a program of this run ends.
        """
        deadline = time.monotonic() + seconds
        while True:
            last_error = ""
            try:
                if value := condition():
                    return value
            except RequestError as error:
                last_error = str(error)
            self.check()
            if time.monotonic() > deadline:
                raise WaitTimeoutError(
                    event, seconds, last_error=last_error, output=program.output() if program else ""
                )
            time.sleep(_POLL_SECONDS)

    def _log(self, name: str, suffix: str) -> Path:
        return self.directory / self._numbered(f"{name}.{suffix}")

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
        """Start a program in a new session. `logs` receive standard output and error; None inherits both."""
        self._guardian.check()
        read_end, write_end = os.pipe()
        with ExitStack() as opened:
            recorder = opened.enter_context(os.fdopen(write_end, "w"))
            read_pipe = opened.enter_context(os.fdopen(read_end))
            outputs = [opened.enter_context(log.open("ab")) for log in logs] if logs else [None, None]
            process = subprocess.Popen(  # noqa: S603 - programs of the toolchain and this project
                ["/bin/sh", "-c", _START_COMMAND, name, *command],
                cwd=directory or self.directory,
                env={**self._environment, **environment},
                stdin=read_pipe,
                stdout=outputs[0],
                stderr=outputs[1],
                start_new_session=True,
            )
            self._guardian.watch(process.pid)
            recorder.write("go\n")
        return Program(name, process, tuple(dict.fromkeys(logs or ())))

    def _finish(self, program: Program, seconds: float | None = None) -> None:
        """Wait for the end of a program, then end its descendants."""
        try:
            program.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise WaitTimeoutError(f"the end of {program.name}", seconds or 0, output=program.output()) from None
        finally:
            self._end(program)
        if program.process.returncode != 0:
            raise program.failure()

    def _end(self, *programs: Program) -> None:
        self._end_processes(*programs)
        for program in programs:
            self._guardian.forget(program.session)

    @staticmethod
    def _end_processes(*programs: Program) -> None:
        sessions.end({program.session for program in programs})
        for program in programs:
            program.process.wait()


def _restore_interrupts() -> None:
    """Restore the default handling of SIGINT, which programs inherit. A shell ignores it in background jobs.

    Pulumi ends its language host with SIGINT, and waits five seconds if that has no effect.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN and threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _environment_without_user_settings() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_PROJECT_SETTINGS) or not name.startswith(_USER_SETTINGS)
    }


def _with_last_lines(headline: str, output: str) -> str:
    """Append the last lines of the output, which usually contain the reason."""
    lines = [line for line in output.splitlines() if line.strip()]
    return "\n".join([headline, *(f"  {line}" for line in lines[-LAST_LINES:])])
