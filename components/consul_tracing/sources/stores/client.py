"""HTTP client of a trace store: addresses as users have them, credentials, and servers that are another program."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from consul_tracing.names import JsonObject
from consul_tracing.sources.http import HttpClient, Response, ServerError, one_line, parsed_url, shown_url

from .programs import STORES, kind_at, program_at, receiver_at

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from urllib.parse import SplitResult

MAX_CONCURRENT = 8
"""Requests to a store at a time."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})
UNAUTHORIZED = 401
FORBIDDEN = 403
TOO_MANY_REQUESTS = 429
SERVER_ERRORS = 500

PAGES = re.compile(
    r"/(search|dependencies|dependency|ready|traces?/[0-9a-f]+|api/(echo|services|search|traces|v[23])\b.*)$"
)
"""The end of the address of a page or of an API call, which is not part of the address of the store."""

MIN_SECRET_LENGTH = 4
"""Characters of a header value that is removed from messages. A shorter one is not a secret."""

TENANT = "x-scope-orgid"
"""The header of Tempo's tenant, which is no secret."""

CREDENTIALS = "use --store-token-file, --store-auth-file or --store-header"

T = TypeVar("T")
U = TypeVar("U")


class RefusalError(ServerError):
    """A server redirects a request or requires other credentials."""


@dataclass(frozen=True, kw_only=True)
class StoreClient(HttpClient):
    """Requests to a trace store. `program` is one of `STORES`."""

    def check(self) -> None:
        """Check that the server is the store. Raises ServerError, which names another program if it is known."""
        store = STORES[self.program]
        try:
            response = self.response(store.path)
        except RefusalError:
            # Grafana, for instance, requires credentials for its API, but not for the path by which it is known.
            if server := program_at(self, self.program):
                raise self._error(server) from None
            raise
        except ServerError as error:
            hint = receiver_at(self.url)
            raise ServerError(f"{error.reason}. {hint}" if hint else error.reason) from None
        if store.matches(response):
            return
        if response.status >= SERVER_ERRORS or response.status == TOO_MANY_REQUESTS:
            raise self._error(f"responds with status {response.status}")
        if server := program_at(self, self.program) or kind_at(self, self.program):
            raise self._error(server)
        raise self._error(
            f"has status {response.status} for {store.path}: it is not {self.program}, or has another path"
        )

    def response(self, path: str, **query: str | int) -> Response:
        """Return the response for a path. Raises ServerError, also if it is a redirect or credentials are required."""
        response = super().response(path, **query)
        if reason := self._refusal(response):
            raise RefusalError(self._error(reason).reason)
        return response

    def _refusal(self, response: Response) -> str:
        """Return why a server refuses a request. Empty if it does not."""
        if response.status in REDIRECTS:
            target = _target(response.headers.get("location", ""))
            return f"redirects to {target}: set --store to the address behind it"
        if response.status == UNAUTHORIZED:
            is_given = self.url.username or "authorization" in self.headers
            given = "does not accept the credentials" if is_given else "requires authentication"
            return f"{given} (status 401): {CREDENTIALS}"
        return f"denies access (status 403): {CREDENTIALS}" if response.status == FORBIDDEN else ""

    def _error(self, reason: str) -> ServerError:
        """Return an error without credentials, which a server may repeat in its responses."""
        for secret in [one for one in self.secrets if len(one) >= MIN_SECRET_LENGTH]:
            reason = reason.replace(secret, "…")
        return super()._error(reason)

    def version(self) -> str:
        """Return the version of the store. Raises ServerError."""
        store = STORES[self.program]
        # Zipkin serves its API below its pages too, but not its version.
        root = replace(self, url=self.url._replace(path=self.url.path.removesuffix("/zipkin")))
        found = root.get(store.version_path, JsonObject) if store.version_path else None
        if found is None:
            raise self._error("does not report its version")
        with self.expected_shape():
            return store.version_of(found)

    @property
    def secrets(self) -> list[str]:
        """The values that authenticate requests. A tenant is no secret."""
        return [value for value in super().secrets if value != self.headers.get(TENANT)]


class StoreReader:
    """Read-only client of a trace store."""

    def __init__(self, client: StoreClient) -> None:
        """Read with a client."""
        self.url = client.address
        self._client = client

    def check(self) -> None:
        """Check that the store is up and is the program that it should be. Raises ServerError."""
        self._client.check()


def _target(location: str) -> str:
    """Return the target of a redirect without credentials and query."""
    try:
        return one_line(shown_url(urlsplit(location)))
    except ValueError:
        return "another address"


def store_url(address: str, default_port: int) -> SplitResult:
    """Return the URL of a store. Without a scheme it is HTTP, at the default port of the store. Raises CommandError."""
    url = parsed_url(address if "://" in address else f"http://{address}")
    if "://" not in address and url.port is None:
        url = url._replace(netloc=f"{url.netloc}:{default_port}")
    return url._replace(path=PAGES.sub("", url.path.rstrip("/")).rstrip("/"), query="", fragment="")


def concurrently(read: Callable[[T], U], values: Iterable[T]) -> list[U]:
    """Return what a function reads for each value. Raises its first error."""
    with ThreadPoolExecutor(MAX_CONCURRENT) as pool:
        return list(pool.map(read, values))
