"""Traces in a trace store with Zipkin's API."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import httpx

from consul_tracing.cli.verify.requests import shown_url

if TYPE_CHECKING:
    from consul_tracing.cli.verify.trace_tree import Span

TIMEOUT_SECONDS = 10.0

LOOKBACK_MILLISECONDS = 3_600_000

MAX_TRACES = 200
"""Traces of one search. Zipkin returns the latest ones."""


class StoreError(Exception):
    """The trace store cannot be read."""


class TraceStore:
    """Read-only client of a trace store."""

    def __init__(self, url: str) -> None:
        """Read from a URL with or without Zipkin's `/zipkin` path. Raises CommandError."""
        self.url = str(shown_url(url)).rstrip("/").removesuffix("/zipkin")
        """The URL without credentials."""
        user = httpx.URL(url)
        auth = (user.username, user.password) if user.username else None
        self._client = httpx.Client(base_url=self.url, auth=auth, timeout=TIMEOUT_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        """Return the client, whose connections are closed at the end of the block."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Close the connections."""
        self._client.close()

    def check_health(self) -> None:
        """Check that the store is up. Raises StoreError."""
        response = self._get("/health")
        if response.status_code == httpx.codes.NOT_FOUND:
            # Stores with Zipkin's API that are not Zipkin.
            response = self._get("/api/v2/services")
        if not response.is_success:
            raise StoreError(f"{self.url} responds with status {response.status_code}")

    def spans(self, trace_id: str) -> list[Span]:
        """Return the spans of a trace that have arrived. Raises StoreError."""
        response = self._get(f"/api/v2/trace/{trace_id}")
        return [] if response.status_code == httpx.codes.NOT_FOUND else self._json(response)

    def tagged_spans(self, user_agent: str) -> list[Span]:
        """Return the spans of the trace with a span that has this user agent. Raises StoreError."""
        query: dict[str, str | int] = {
            "annotationQuery": f"user_agent={user_agent}",
            "lookback": LOOKBACK_MILLISECONDS,
            "limit": 1,
        }
        found = self._json(self._get("/api/v2/traces", **query))
        return self.spans(found[0][0]["traceId"]) if found else []

    def traces_of(self, service: str, start: int, end: int, *, limit: int = MAX_TRACES) -> list[list[Span]]:
        """Return the traces of a service with spans between two times in microseconds. Raises StoreError."""
        query = {"endTs": end // 1000 + 1, "lookback": (end - start) // 1000 + 2, "limit": limit}
        found: list[list[Span]] = self._json(self._get("/api/v2/traces", serviceName=service, **query))
        return found

    def _get(self, path: str, **query: str | int) -> httpx.Response:
        try:
            return self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise StoreError(f"{self.url} cannot be read: {str(error) or type(error).__name__}") from None

    def _json(self, response: httpx.Response) -> Any:  # noqa: ANN401 - JSON
        if not response.is_success:
            raise StoreError(f"{self.url} responds with status {response.status_code}")
        try:
            return response.json()
        except ValueError:
            raise StoreError(f"{self.url} does not respond with JSON: it is not Zipkin") from None
