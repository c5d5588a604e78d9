"""Traces in Grafana Tempo, version 2.0 or newer.

Ref: https://grafana.com/docs/tempo/latest/api_docs/
"""

from __future__ import annotations

import json
import re
import time
from typing import TYPE_CHECKING

from typing_extensions import TypedDict

from consul_tracing.sources.spans import by_start

from . import LOOKBACK_SECONDS, MAX_TRACES
from .client import StoreReader, concurrently
from .otlp import ResourceSpans, spans_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from . import Trace

MICROSECONDS = 1_000_000


class Traces(TypedDict, total=False):
    """A trace. The former name of `resourceSpans` is `batches`."""

    batches: list[ResourceSpans] | None
    resourceSpans: list[ResourceSpans] | None


class Summary(TypedDict, total=False):
    """A trace in the result of a search."""

    traceID: str
    startTimeUnixNano: str
    durationMs: int


class Summaries(TypedDict, total=False):
    """The result of a search."""

    traces: list[Summary] | None


class Tempo(StoreReader):
    """Read-only client of Tempo."""

    def page(self, trace_id: str) -> str:  # noqa: ARG002 - Grafana shows the traces of Tempo
        """Return no address."""
        return ""

    def spans(self, trace_id: str) -> Trace:
        """Return the spans of a trace that have arrived. Raises ServerError."""
        found = self._client.get(f"/api/traces/{trace_id}", Traces) or {}
        with self._client.expected_shape():
            return by_start(spans_of(found.get("resourceSpans") or found.get("batches") or []))

    def tagged_spans(self, user_agent: str) -> Trace:
        """Return the spans of the first trace with a span that has this user agent. Raises ServerError."""
        now, lookback = time.time_ns() // 1000, LOOKBACK_SECONDS * MICROSECONDS
        found = self._search(f"{{ span.user_agent = {json.dumps(user_agent)} }}", now - lookback, now + lookback, 1)
        return self.spans(found[0]) if found else []

    def traces_of(self, service: str, start: int, end: int, *, limit: int = MAX_TRACES) -> Sequence[Trace]:
        """Return the traces of a service with spans between two times in microseconds. Raises ServerError."""
        pattern = json.dumps(f"(?i){re.escape(service)}")
        found = self._search(f"{{ resource.service.name =~ {pattern} }}", start, end, MAX_TRACES)
        return [*filter(None, concurrently(self.spans, found[:limit]))]

    def _search(self, query: str, start: int, end: int, limit: int) -> list[str]:
        """Return the ids of traces between two times in microseconds. Tempo searches whole seconds."""
        window = {"start": start // MICROSECONDS, "end": end // MICROSECONDS + 1}
        found = self._client.get("/api/search", Summaries, q=query, limit=limit, spss=1, **window) or {}
        with self._client.expected_shape():
            return [one["traceID"] for one in found.get("traces") or [] if _overlaps(one, start, end)]


def _overlaps(trace: Summary, start: int, end: int) -> bool:
    begins = int(trace.get("startTimeUnixNano", start * 1000)) // 1000
    return begins <= end and start <= begins + (trace.get("durationMs", 0) + 1) * 1000
