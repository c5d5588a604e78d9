"""What `python -m toolchain` shows: bars at a terminal, plain lines anywhere else."""

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from toolchain.commands import Progress
from toolchain.provision import MissingProgram, Obtained

if TYPE_CHECKING:
    import rich.progress

SECONDS_SHOWN_EXACTLY = 60


class Row(Progress, Protocol):
    """One program's place in the display."""

    def obtained(self, program: Obtained) -> None:
        """Tell where it came from."""

    def missing(self, why: MissingProgram) -> None:
        """Tell why it cannot be had."""


class Display(Protocol):
    """Shows several programs at once."""

    def row(self, title: str) -> AbstractContextManager[Row]:
        """Return the row of one program, such as `envoy 1.37.0`, there while it is being got."""


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


def told(program: Obtained) -> str:
    """Return the one line that a program ends with."""
    line = f"{program.name} {program.version}: {program.origin}, {lasted(program.seconds)}, {program.path}"
    return f"{line}\n  passed over: {program.passed_over}" if program.passed_over else line


def lasted(seconds: float) -> str:
    """Return a duration as people say it: `0.1 s`, `3 min 12 s`."""
    if round(seconds, 1) < SECONDS_SHOWN_EXACTLY:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


@dataclass
class PlainRow:
    """One line when there is something to do, one at the end."""

    title: str
    begun: bool = False

    def step(self, doing: str, total: int | None = None) -> None:
        """Say the first step; the others happen within minutes and would only lengthen a log."""
        del total
        if not self.begun:
            print(f"{self.title}: {doing} …", flush=True)
        self.begun = True

    def advance(self) -> None:
        """Say nothing."""

    def obtained(self, program: Obtained) -> None:
        """Say where it came from."""
        print(told(program), flush=True)

    def missing(self, why: MissingProgram) -> None:
        """Say why, where errors go."""
        print(why, file=sys.stderr, flush=True)


class PlainDisplay:
    """Lines for a log or a pipe."""

    @contextmanager
    def row(self, title: str) -> Iterator[PlainRow]:
        """Return a row that needs no tidying up."""
        yield PlainRow(title)


@dataclass
class BarRow:
    """One bar, replaced by a line at the end; it pulses while the number of parts is not known."""

    bars: "rich.progress.Progress"
    task: "rich.progress.TaskID"

    def step(self, doing: str, total: int | None = None) -> None:
        """Begin the bar anew; the time goes on."""
        self.bars.update(self.task, doing=doing, total=total, completed=0, visible=True)

    def advance(self) -> None:
        """Lengthen the bar."""
        self.bars.advance(self.task)

    def obtained(self, program: Obtained) -> None:
        """Say above the bars where it came from."""
        self.bars.console.print(told(program), markup=False, highlight=False, soft_wrap=True)

    def missing(self, why: MissingProgram) -> None:
        """Say above the bars why it cannot be had."""
        self.bars.console.print(str(why), style="red", markup=False, highlight=False, soft_wrap=True)


@dataclass
class BarDisplay:
    """Bars for a terminal."""

    bars: "rich.progress.Progress"

    @contextmanager
    def row(self, title: str) -> Iterator[BarRow]:
        """Return a bar, invisible until there is something to do, and gone afterwards."""
        task = self.bars.add_task(title, total=None, visible=False, doing="")
        try:
            yield BarRow(self.bars, task)
        finally:
            self.bars.remove_task(task)
