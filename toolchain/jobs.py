"""Commands that build or fetch a program, with a log and progress."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.processes import ProgramFailedError, Programs, WaitTimeoutError


class Progress(Protocol):
    """Receives the progress of building or fetching a program."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Begin a step. `total` is the number of its parts, if known."""

    def advance(self) -> None:
        """Finish one part of the step."""


class NoProgress:
    """Ignores progress."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Ignore the step."""

    def advance(self) -> None:
        """Ignore the part."""


@dataclass(frozen=True)
class Job:
    """Build or download of one program. `log` is written when a command fails."""

    programs: Programs
    log: Path
    progress: Progress

    def wait(self) -> None:
        """Show that another process works on the entry. Raises `GuardianExitedError` after the end of the run."""
        self.programs.check()
        self.progress.step("waiting for another process")

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> str:
        """Run a command and return its standard output. Raises `ProgramFailedError` or `WaitTimeoutError`.

        Each line on standard error advances the progress. `environment` extends the environment of the caller.
        """
        try:
            return self.programs.run(
                name,
                command,
                environment=environment,
                directory=directory,
                seconds=seconds,
                on_error_line=self.progress.advance,
            )
        except (ProgramFailedError, WaitTimeoutError) as error:
            self.log.write_text(f"$ {shlex.join(map(str, command))}\n{error.output}")
            raise
