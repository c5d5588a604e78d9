"""Readers of trace stores."""

from collections.abc import Sequence
from typing import Protocol

from consul_tracing.sources.spans import Span

LOOKBACK_SECONDS = 3600
"""Age of the oldest trace of a search by user agent."""

MAX_TRACES = 200
"""Traces of one search."""

Trace = Sequence[Span]
"""The spans of a trace, at least one."""


class TraceStore(Protocol):
    """Read-only client of a trace store."""

    url: str
    """The URL without credentials."""

    def check(self) -> None:
        """Check that the store is up and has the expected API. Raises ServerError."""

    def page(self, trace_id: str) -> str:
        """Return the address of the page of a trace. Empty if the store has no pages."""

    def spans(self, trace_id: str) -> Trace:
        """Return the spans of a trace that have arrived. Raises ServerError."""

    def tagged_spans(self, user_agent: str) -> Trace:
        """Return the spans of a trace with a span that has this user agent. Raises ServerError."""

    def traces_of(self, service: str, start: int, end: int, *, limit: int = ...) -> Sequence[Trace]:
        """Return the traces of a service with spans between two times in microseconds. Raises ServerError."""
