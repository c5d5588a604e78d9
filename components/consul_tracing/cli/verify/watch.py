"""Runs of `verify` at an interval, until a signal ends them."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from consul_tracing.cli.command import OutputFormat
from consul_tracing.errors import CommandError

from .junit import failed_run, junit_report, write_report
from .metrics import Address, History, serving
from .outcomes import line_of
from .report import as_json, timestamp
from .verification import Plan, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from .report import Result

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopError(BaseException):
    """The process received a signal that ends it."""


@dataclass
class Watch:
    """Repeated runs."""

    url: str
    """The URL in reports, without credentials."""
    plan: Callable[[], Plan]
    """Returns the plan of a run. Proxies and tokens may change from run to run."""
    interval: int
    """Seconds between the starts of two runs."""
    form: OutputFormat = OutputFormat.TEXT
    metrics: Address | None = None
    junit: Path | None = None

    def __post_init__(self) -> None:
        """Start without runs."""
        self.history = History(self.interval)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT. Raises CommandError if the first run cannot start."""
        with suppress(StopError), ExitStack() as stack:
            if self.metrics:
                stack.enter_context(serving(self.metrics, lambda: self.history))
            stack.enter_context(stopped_by_signals())
            due = time.monotonic()
            while True:
                self.once()
                # A run that takes longer than the interval delays the next one, and no run is made up for.
                due = max(due + self.interval, time.monotonic())
                time.sleep(max(0.0, due - time.monotonic()))

    def once(self) -> None:
        """Run once, and report the result or why there is none. Raises CommandError if the first run cannot start."""
        try:
            result = verify(self.plan())
        except Exception as error:  # one failed run must not end the others
            if isinstance(error, CommandError) and not self.history.runs:
                raise
            reason = error if isinstance(error, CommandError) else CommandError(f"{type(error).__name__}: {error}")
            self.record(None)
            complain(reason)
            # Else the file would have the result of the run before.
            self.write(failed_run(self.url, str(reason), time.time()))
        else:
            self.record(result)
            typer.echo(as_json(result, indent=None) if self.form is OutputFormat.JSON else line_of(result))
            self.write(junit_report(result))

    def record(self, result: Result | None) -> None:
        """Count a run."""
        self.history = self.history.with_run(result, time.time())

    def write(self, report: bytes) -> None:
        """Write the JUnit file, if there is one. Raises CommandError after the first run: the path may be wrong."""
        if self.junit is None:
            return
        try:
            write_report(self.junit, report)
        except CommandError as error:
            if sum(self.history.runs.values()) == 1:
                raise
            complain(error)


def complain(error: CommandError) -> None:
    """Print an error with the time."""
    typer.echo(f"{timestamp(time.time())} {error}", err=True)


@contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Raise StopError in the main thread on the first signal. A second one ends the process."""
    former = {number: signal.getsignal(number) for number in SIGNALS}

    def stop(*_: object) -> None:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        raise StopError

    try:
        for number in SIGNALS:
            signal.signal(number, stop)
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
