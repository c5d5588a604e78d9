"""Spans of all trace stores in one form."""

from collections.abc import Iterable
from dataclasses import dataclass, field

UNKNOWN = "-"
"""Value of a field that a span does not have."""


@dataclass(frozen=True)
class Span:
    """A span. The fields are those that a proxy reports with each of its tracers."""

    trace_id: str
    id: str
    parent_id: str | None = None
    service: str = UNKNOWN
    """The service that reported the span, in lower case."""
    kind: str = UNKNOWN
    """`CLIENT` or `SERVER`."""
    name: str = UNKNOWN
    start: int | None = None
    """Microseconds since the epoch, by the clock of the proxy."""
    duration: int | None = None
    """Microseconds."""
    is_shared: bool = False
    """Whether the span has the id of its caller's span: Zipkin's shared span context."""
    tags: dict[str, str] = field(default_factory=dict, hash=False)

    @property
    def end(self) -> int:
        """Time of the end in microseconds. 0 if the start is not known."""
        return (self.start or 0) + (self.duration or 0)


def by_start(spans: Iterable[Span]) -> list[Span]:
    """Return spans in the order of their start. Stores return them in any order, which differs from call to call."""
    return sorted(spans, key=lambda span: (span.start or 0, span.id, span.kind))
