"""HTTP client of a trace store: addresses as users have them, credentials, and servers that are another program."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import unquote, urlsplit

from consul_tracing.sources.http import HttpClient, Response, ServerError, basic_auth, one_line, parsed_url, shown_url

from .programs import STORES, program_at, receiver_at

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


@dataclass(frozen=True, kw_only=True)
class StoreClient(HttpClient):
    """Requests to a trace store. `program` is one of `STORES`."""

    def check(self) -> None:
        """Check that the server is the store. Raises ServerError, which names another program if it is known."""
        store = STORES[self.program]
        try:
            response = self.response(store.path)
        except ServerError as error:
            hint = receiver_at(self.url)
            raise ServerError(f"{error.reason}. {hint}" if hint else error.reason) from None
        if store.matches(response):
            return
        if response.status >= SERVER_ERRORS or response.status == TOO_MANY_REQUESTS:
            raise self._error(f"responds with status {response.status}")
        if server := program_at(self, self.program):
            raise self._error(server)
        raise self._error(
            f"has status {response.status} for {store.path}: it is not {self.program}, or has another path"
        )

    def response(self, path: str, **query: str | int) -> Response:
        """Return the response for a path. Raises ServerError, also if it is a redirect or credentials are required."""
        response = super().response(path, **query)
        if response.status in REDIRECTS:
            target = _target(response.headers.get("location", ""))
            raise self._error(f"redirects to {target}: set --store to the address behind it")
        if response.status == UNAUTHORIZED:
            is_given = self.url.username or "authorization" in self.headers
            given = "does not accept the credentials" if is_given else "requires authentication"
            raise self._error(f"{given} (status 401): {CREDENTIALS}")
        if response.status == FORBIDDEN:
            raise self._error(f"denies access (status 403): {CREDENTIALS}")
        return response

    def _error(self, reason: str) -> ServerError:
        """Return an error without credentials, which a server may repeat in its responses."""
        for secret in self._secrets():
            reason = reason.replace(secret, "…")
        return super()._error(reason)

    def _secrets(self) -> list[str]:
        user, password = unquote(self.url.username or ""), unquote(self.url.password or "")
        headers = {**self.headers, **(basic_auth(user, password) if user else {})}
        values = [*(value.rpartition(" ")[2] for name, value in headers.items() if name != TENANT), password]
        return [value for value in values if len(value) >= MIN_SECRET_LENGTH]


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
