"""Outcomes of a run, and a line for each."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from consul_tracing.codes import CODES
from consul_tracing.errors import printable

from .report import time_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .report import Result


class Outcome(StrEnum):
    """Outcome of a run."""

    COMPLETE = "complete"
    INCOMPLETE = "incomplete"
    FAILED = "failed"


def outcome_of(result: Result | None) -> Outcome:
    """Return the outcome of a run, which has no result if it could not run."""
    if result is None:
        return Outcome.FAILED
    return Outcome.COMPLETE if result.trace.is_complete else Outcome.INCOMPLETE


def line_of(result: Result) -> str:
    """Return the result of a run as one line, without the spans."""
    return printable(f"{time_of(result)} {outcome_of(result)}: {'; '.join(_facts(result))}")


def _facts(result: Result) -> Iterator[str]:
    trace = result.trace
    if result.requests > 1:
        yield f"{result.complete} of {result.requests} traces are complete"
    arrived = f" after {trace.seconds:.1f} s" if trace.seconds is not None else ""
    yield f"{len(trace.spans)} spans{arrived}"
    if trace.missing:
        yield f"services without a span: {', '.join(trace.missing)}"
    for cause in result.causes:
        yield f"{cause.code} {CODES[cause.code].title}: {cause.proxy}: {cause.evidence}"
    if not trace.is_complete and not result.causes:
        yield "no cause was found"
