"""The output of `python -m toolchain`: bars at a terminal, plain lines anywhere else."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from toolchain.errors import MissingProgram
from toolchain.jobs import Progress
from toolchain.provision import Obtained

if TYPE_CHECKING:
    import rich.progress

SECONDS_SHOWN_EXACTLY = 60


class Row(Progress, Protocol):
    """One program's place in the display."""

    def obtained(self, program: Obtained) -> None:
        """Show where it came from."""

    def missing(self, why: MissingProgram) -> None:
        """Show why it is missing."""


class Display(Protocol):
    """Shows several programs at once."""

    def row(self, title: str) -> AbstractContextManager[Row]:
        """Return the row of one program, such as `envoy 1.37.0`, shown while it is built or fetched."""


@contextmanager
def display() -> Iterator[Display]:
    """Return bars at a terminal where rich is installed (the `dev` extra brings it), else plain lines."""
    if not sys.stdout.isatty() or find_spec("rich") is None:
        yield PlainDisplay()
        return
    from rich.progress import (  # noqa: PLC0415 - only the dev extra has rich, and only a terminal needs it
        BarColumn,
        Progress,
        SpinnerColumn,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    title, doing = TextColumn("{task.description}"), TextColumn("{task.fields[doing]}")
    columns = (SpinnerColumn(), title, BarColumn(), TaskProgressColumn(), TimeElapsedColumn(), doing)
    with Progress(*columns, transient=True) as bars:
        yield BarDisplay(bars)


def summary(program: Obtained) -> str:
    """Return the line that a program ends with."""
    line = f"{program.name} {program.version}: {program.origin}, {duration(program.seconds)}, {program.path}"
    return f"{line}\n  {program.note}" if program.note else line


def duration(seconds: float) -> str:
    """Return a duration such as `0.1 s` or `3 min 12 s`."""
    if round(seconds, 1) < SECONDS_SHOWN_EXACTLY:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


@dataclass
class PlainRow:
    """One line when something is made, one at the end."""

    title: str
    begun: bool = False

    def step(self, doing: str, total: int | None = None) -> None:
        """Print the first step; the others would only lengthen a log."""
        del total
        if not self.begun:
            print(f"{self.title}: {doing} …", flush=True)
        self.begun = True

    def advance(self) -> None:
        """Print nothing."""

    def obtained(self, program: Obtained) -> None:
        """Print where it came from."""
        print(summary(program), flush=True)

    def missing(self, why: MissingProgram) -> None:
        """Print the reason to standard error."""
        print(why, file=sys.stderr, flush=True)


class PlainDisplay:
    """Lines for a log or a pipe."""

    @contextmanager
    def row(self, title: str) -> Iterator[PlainRow]:
        """Return a row."""
        yield PlainRow(title)


@dataclass
class BarRow:
    """One bar, replaced by a line at the end; it pulses while the number of parts is not known."""

    bars: "rich.progress.Progress"
    task: "rich.progress.TaskID"

    def step(self, doing: str, total: int | None = None) -> None:
        """Restart the bar; its time continues."""
        self.bars.update(self.task, doing=doing, total=total, completed=0, visible=True)

    def advance(self) -> None:
        """Lengthen the bar."""
        self.bars.advance(self.task)

    def obtained(self, program: Obtained) -> None:
        """Print above the bars where it came from."""
        self.bars.console.print(summary(program), markup=False, highlight=False, soft_wrap=True)

    def missing(self, why: MissingProgram) -> None:
        """Print above the bars why it is missing."""
        self.bars.console.print(str(why), style="red", markup=False, highlight=False, soft_wrap=True)


@dataclass
class BarDisplay:
    """Bars for a terminal."""

    bars: "rich.progress.Progress"

    @contextmanager
    def row(self, title: str) -> Iterator[BarRow]:
        """Return a bar, which is invisible until something is made, and removed afterwards."""
        task = self.bars.add_task(title, total=None, visible=False, doing="")
        try:
            yield BarRow(self.bars, task)
        finally:
            self.bars.remove_task(task)
