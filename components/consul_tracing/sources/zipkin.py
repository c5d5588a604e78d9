"""Traces in a trace store with Zipkin's API."""

from typing import NotRequired

from pydantic import ConfigDict
from typing_extensions import TypedDict

from .http import NOT_FOUND, HttpClient, ServerError, parsed_url, shown_url

LOOKBACK_MILLISECONDS = 3_600_000

MAX_TRACES = 200
"""Traces of one search. Zipkin returns the latest ones."""


class Endpoint(TypedDict, total=False):
    """The service that reported a span."""

    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc] # pydantic reads it

    serviceName: str


class Span(TypedDict):
    """A span.

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


class TraceStore:
    """Read-only client of a trace store."""

    def __init__(self, url: str) -> None:
        """Read from a URL with or without Zipkin's `/zipkin` path. Raises CommandError."""
        given = parsed_url(url)
        base = given._replace(path=given.path.rstrip("/").removesuffix("/zipkin"), query="", fragment="")
        self.url = shown_url(base)
        """The URL without credentials."""
        self._client = HttpClient(url=base, program="Zipkin", address=self.url)

    def check_health(self) -> None:
        """Check that the store is up. Raises ServerError."""
        response = self._client.response("/health")
        if response.status == NOT_FOUND:
            # Stores with Zipkin's API that are not Zipkin.
            response = self._client.response("/api/v2/services")
        if not response.is_success:
            raise ServerError(f"{self.url} responds with status {response.status}")

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that have arrived. Raises ServerError."""
        return self._client.get(f"/api/v2/trace/{trace_id}", list[Span]) or []

    def tagged_spans(self, user_agent: str) -> list[Span]:
        """Return the spans of the trace with a span that has this user agent. Raises ServerError."""
        found = self._traces(annotationQuery=f"user_agent={user_agent}", lookback=LOOKBACK_MILLISECONDS, limit=1)
        return self.spans(found[0][0]["traceId"]) if found else []

    def traces_of(self, service: str, start: int, end: int, *, limit: int = MAX_TRACES) -> list[list[Span]]:
        """Return the traces of a service with spans between two times in microseconds. Raises ServerError."""
        query = {"endTs": end // 1000 + 1, "lookback": (end - start) // 1000 + 2, "limit": limit}
        return self._traces(serviceName=service, **query)

    def _traces(self, **query: str | int) -> list[list[Span]]:
        found = self._client.get("/api/v2/traces", list[list[Span]], **query) or []
        return [spans for spans in found if spans]
