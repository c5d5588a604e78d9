"""Traces in Zipkin, or another store with its API."""

import time
from collections.abc import Sequence
from typing import NotRequired

from typing_extensions import TypedDict

from consul_tracing.sources.spans import UNKNOWN, Span, by_start

from . import LOOKBACK_SECONDS, MAX_TRACES, Trace
from .client import StoreReader


class Endpoint(TypedDict, total=False):
    """The service that reported a span."""

    serviceName: str


class ZipkinSpan(TypedDict):
    """A span in Zipkin's format.

    Ref: https://zipkin.io/zipkin-api/#/default/get_trace__traceId_
    """

    traceId: str
    id: str
    parentId: NotRequired[str]
    kind: NotRequired[str]
    name: NotRequired[str]
    timestamp: NotRequired[int]
    """Microseconds since the epoch."""
    duration: NotRequired[int]
    shared: NotRequired[bool]
    localEndpoint: NotRequired[Endpoint]
    tags: NotRequired[dict[str, str]]


class Zipkin(StoreReader):
    """Read-only client of Zipkin."""

    def page(self, trace_id: str) -> str:
        """Return the address of the page of a trace. The API is also below the path of the pages."""
        return f"{self.url.removesuffix('/zipkin')}/zipkin/traces/{trace_id}"

    def spans(self, trace_id: str) -> Trace:
        """Return the spans of a trace that have arrived. Raises ServerError."""
        return by_start(map(span_of, self._client.get(f"/api/v2/trace/{trace_id}", list[ZipkinSpan]) or []))

    def tagged_spans(self, user_agent: str) -> Trace:
        """Return the spans of the latest trace with a span that has this user agent. Raises ServerError."""
        # The clocks of proxies may be ahead of this one.
        end, lookback = time.time_ns() // 1_000_000 + LOOKBACK_SECONDS * 1000, 2 * LOOKBACK_SECONDS * 1000
        found = self._traces(annotationQuery=f"user_agent={user_agent}", endTs=end, lookback=lookback, limit=1)
        return self.spans(found[0][0].trace_id) if found else []

    def traces_of(self, service: str, start: int, end: int, *, limit: int = MAX_TRACES) -> Sequence[Trace]:
        """Return the traces of a service with spans between two times in microseconds. Raises ServerError."""
        query = {"endTs": end // 1000 + 1, "lookback": (end - start) // 1000 + 2, "limit": limit}
        return self._traces(serviceName=service, **query)

    def _traces(self, **query: str | int) -> Sequence[Trace]:
        found = self._client.get("/api/v2/traces", list[list[ZipkinSpan]], **query) or []
        return [[*map(span_of, spans)] for spans in found if spans]


def span_of(span: ZipkinSpan) -> Span:
    """Return a span of Zipkin."""
    return Span(
        trace_id=span["traceId"],
        id=span["id"],
        parent_id=span.get("parentId"),
        service=(span.get("localEndpoint", {}).get("serviceName") or UNKNOWN).lower(),
        kind=span.get("kind", UNKNOWN),
        name=span.get("name", UNKNOWN),
        start=span.get("timestamp"),
        duration=span.get("duration"),
        is_shared=span.get("shared", False),
        tags=span.get("tags", {}),
    )
