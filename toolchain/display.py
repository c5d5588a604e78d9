"""Output of `python -m toolchain`: progress bars on a terminal, plain lines elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol

from toolchain.errors import MissingProgramError
from toolchain.jobs import Progress
from toolchain.provision import Obtained

if TYPE_CHECKING:
    import rich.progress

SECONDS_SHOWN_EXACTLY = 60


class Row(Progress, Protocol):
    """The part of the display that shows one program."""

    def obtained(self, program: Obtained) -> None:
        """Show its origin."""

    def missing(self, error: MissingProgramError) -> None:
        """Show the error."""


Display = Callable[[str], AbstractContextManager[Row]]
"""Function that opens the row of one program, such as `envoy 1.37.0`. Several rows may be open."""


@contextmanager
def open_display() -> Iterator[Display]:
    """Open progress bars on a terminal if rich is installed (extra `dev`), else plain lines."""
    if not sys.stdout.isatty() or find_spec("rich") is None:
        yield lambda title: nullcontext(PlainRow(title))
        return
    from rich.progress import (  # noqa: PLC0415 - optional dependency
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
        yield partial(bar_row, bars)


def summary(program: Obtained) -> str:
    """Return the final line of a program."""
    line = f"{program.name} {program.version}: {program.origin}, {format_duration(program.seconds)}, {program.path}"
    return f"{line}\n  {program.note}" if program.note else line


def format_duration(seconds: float) -> str:
    """Return a duration such as `0.1 s` or `3 min 12 s`."""
    if round(seconds, 1) < SECONDS_SHOWN_EXACTLY:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


@dataclass
class PlainRow:
    """One line at the start of a build or download and one at the end."""

    title: str
    begun: bool = False

    def step(self, doing: str, total: int | None = None) -> None:
        """Print the first step. Further steps would lengthen a log."""
        del total
        if not self.begun:
            print(f"{self.title}: {doing} …", flush=True)
        self.begun = True

    def advance(self) -> None:
        """Print nothing."""

    def obtained(self, program: Obtained) -> None:
        """Print its origin."""
        print(summary(program), flush=True)

    def missing(self, error: MissingProgramError) -> None:
        """Print the error to standard error."""
        print(error, file=sys.stderr, flush=True)


@dataclass
class BarRow:
    """One progress bar, replaced by a line at the end. It pulses while `total` is unknown."""

    bars: "rich.progress.Progress"
    task: "rich.progress.TaskID"

    def step(self, doing: str, total: int | None = None) -> None:
        """Restart the bar without resetting its time."""
        self.bars.update(self.task, doing=doing, total=total, completed=0, visible=True)

    def advance(self) -> None:
        """Advance the bar."""
        self.bars.advance(self.task)

    def obtained(self, program: Obtained) -> None:
        """Print its origin above the bars."""
        self.bars.console.print(summary(program), markup=False, highlight=False, soft_wrap=True)

    def missing(self, error: MissingProgramError) -> None:
        """Print the error above the bars."""
        self.bars.console.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)


@contextmanager
def bar_row(bars: "rich.progress.Progress", title: str) -> Iterator[BarRow]:
    """Open a bar, invisible until the first step."""
    task = bars.add_task(title, total=None, visible=False, doing="")
    try:
        yield BarRow(bars, task)
    finally:
        bars.remove_task(task)
