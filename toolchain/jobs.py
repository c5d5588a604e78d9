"""The commands that build and fetch a program, their log and their progress."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from testbed.processes import NotInTime, ProgramFailed, Programs


class Progress(Protocol):
    """Receives the progress of building or fetching a program."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Begin a step; `total` is its number of parts where that is known."""

    def advance(self) -> None:
        """Finish one more part of the step."""


class Quiet:
    """Progress that is not shown."""

    def step(self, doing: str, total: int | None = None) -> None:
        """Show nothing."""

    def advance(self) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Job:
    """The making of one program. `log` is written when a command fails."""

    programs: Programs
    log: Path
    progress: Progress

    def wait(self) -> None:
        """Show that another process makes the program. Raises `GuardianGone` when the run was ended."""
        self.programs.check()
        self.progress.step("waiting for another process that makes it")

    def run(
        self,
        name: str,
        command: Sequence[str | Path],
        directory: Path,
        environment: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> str:
        """Run a command and return its standard output. Raises `ProgramFailed`, or `NotInTime` after `seconds`.

        Each line on standard error advances the progress. `environment` is added to the caller's own.
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
        except (ProgramFailed, NotInTime) as failure:
            self.log.write_text(f"$ {shlex.join(map(str, command))}\n{failure.said}")
            raise
