"""HTTP requests with a deadline for the whole call, a limit of the size, and no credentials in a message.

The standard library is used, because the timeouts of HTTP clients apply to each read: a server that sends a byte from
time to time holds them for ever.
"""

from __future__ import annotations

import base64
import http.client
import io
import socket
import ssl
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import quote, unquote, urlencode, urlsplit, urlunsplit

from pydantic import TypeAdapter, ValidationError

from consul_tracing.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from urllib.parse import SplitResult

SECONDS = 10.0
"""Deadline of a call. A dump of thousands of clusters takes Envoy about a second."""

MAX_BYTES = 256 * 1024 * 1024
"""Maximum size of a response. A dump has about 20 KiB for each cluster."""

CHUNK = 64 * 1024
MAX_REASON_LENGTH = 200

NOT_FOUND = 404

SAFE = "!#$%&'()*+,/:;=?@[]~"
"""Characters of a path and a query that are sent as they are."""

T = TypeVar("T")


class HttpError(Exception):
    """There is no response. The message is the reason in one line."""


class ServerError(CommandError):
    """A server cannot be read."""


@dataclass(frozen=True)
class Response:
    """A response."""

    status: int
    headers: Mapping[str, str]
    """The names are in lower case."""
    body: bytes

    @property
    def is_success(self) -> bool:
        """Whether the status is a 2xx."""
        return self.status // 100 == 2  # noqa: PLR2004 - 2xx


def parsed_url(text: str) -> SplitResult:
    """Return an `http` or `https` URL. Raises CommandError without the text, which may contain credentials."""
    try:
        url = urlsplit(text)
        is_valid = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0 and " " not in url.netloc
    except ValueError:
        is_valid = False
    if not is_valid or not text.isprintable():
        raise CommandError("a URL must have the form http://HOST:PORT/PATH")
    return url


def shown_url(url: SplitResult) -> str:
    """Return a URL without credentials and query."""
    return urlunsplit((url.scheme, url.netloc.rpartition("@")[2], url.path, "", ""))


def port_of(url: SplitResult) -> int:
    """Return the port of a URL."""
    return url.port or (http.client.HTTPS_PORT if url.scheme == "https" else http.client.HTTP_PORT)


def one_line(text: str) -> str:
    """Return the text of a server as one short line."""
    line = "".join(letter if letter.isprintable() else "?" for letter in " ".join(text.split()))
    return line if len(line) <= MAX_REASON_LENGTH else f"{line[:MAX_REASON_LENGTH]}…"


def basic_auth(user: str, password: str) -> dict[str, str]:
    """Return the header of basic authentication."""
    return {"authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}


@dataclass(frozen=True, kw_only=True)
class HttpClient:
    """Requests to one server."""

    url: SplitResult = field(repr=False)
    program: str = ""
    """The program that the server should be: `Consul`."""
    address: str = ""
    """The address of the server in messages, without credentials."""
    label: str = ""
    """The server in messages. Default: its address."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Headers of each request."""
    query: Mapping[str, str] = field(default_factory=dict)
    """Parameters of each request."""
    tls: ssl.SSLContext | None = None
    """TLS settings. Default: those of the system."""
    server_name: str | None = None
    """Name in the certificate of the server. Default: the host of the URL."""
    seconds: float = SECONDS
    """Deadline of a call."""
    connect: Callable[[], socket.socket] | None = field(default=None, repr=False)
    """Another way to the server than its address."""

    @property
    def secrets(self) -> list[str]:
        """The values that authenticate requests, and those of other headers."""
        user, password = unquote(self.url.username or ""), unquote(self.url.password or "")
        headers = {**self.headers, **(basic_auth(user, password) if user else {})}
        return [value for value in (*(one.rpartition(" ")[2] for one in headers.values()), password) if value]

    def get(self, path: str, shape: type[T], **query: str | int) -> T | None:
        """Return the JSON of a path in its shape, None if it is not found. Raises ServerError."""
        response = self.response(path, **query)
        if response.status == NOT_FOUND:
            return None
        if not response.is_success:
            text = one_line(response.body.decode(errors="replace"))
            raise self._error(f"cannot be read: {response.status} {text}".rstrip())
        try:
            return TypeAdapter(shape).validate_json(response.body)
        except (ValidationError, RecursionError) as error:
            is_json = isinstance(error, ValidationError) and error.errors()[0]["type"] != "json_invalid"
            raise self._unexpected("as expected" if is_json else "with JSON") from None

    def response(self, path: str, **query: str | int) -> Response:
        """Return the response for a path. Raises ServerError."""
        try:
            return self.request(path, query)
        except HttpError as error:
            raise self._error(f"cannot be read: {error}") from None

    @contextmanager
    def expected_shape(self) -> Iterator[None]:
        """Raise ServerError if a value that is read in the block has another type than the program returns."""
        try:
            yield
        except (AttributeError, IndexError, KeyError, TypeError, ValueError):
            raise self._unexpected("as expected") from None

    def _unexpected(self, how: str) -> ServerError:
        return self._error(f"does not respond {how}: it is not {self.program}")

    def _error(self, reason: str) -> ServerError:
        return ServerError(f"{self.label or self.address} {reason}")

    def request(
        self, path: str = "", query: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return the response for a path, which is appended to that of the URL. Raises HttpError."""
        ends = time.monotonic() + self.seconds
        parameters = "&".join(filter(None, [self.url.query, urlencode({**self.query, **(query or {})})]))
        target = f"{self.url.path.rstrip('/') if path else self.url.path}{path}" or "/"
        own = {"host": self.url.netloc.rpartition("@")[2]}
        if self.url.username:
            own |= basic_auth(unquote(self.url.username), unquote(self.url.password or ""))
        opened = None
        try:
            opened = self._open(ends)
            connection = http.client.HTTPConnection("localhost")
            connection.sock = _Timed(opened, ends)
            target = quote(f"{target}?{parameters}" if parameters else target, safe=SAFE)
            connection.request("GET", target, headers={**own, **self.headers, **(headers or {})})
            response = connection.getresponse()
            answer = {name.lower(): value for name, value in response.getheaders()}
            return Response(response.status, answer, _body(response))
        except TimeoutError:
            raise HttpError(f"timeout after {self.seconds:g} s") from None
        except (OSError, http.client.HTTPException) as error:
            raise HttpError(one_line(str(error)) or type(error).__name__) from None
        except ValueError:
            # Its text contains the value, which may be a secret.
            raise HttpError("the host or a header has invalid characters") from None
        finally:
            if opened:
                opened.close()

    def _open(self, ends: float) -> socket.socket:
        connect = self.connect and partial(within, _remaining(ends), self.connect)
        opened = connect() if connect else _connected(self.url.hostname or "", port_of(self.url), ends)
        if self.url.scheme == "http":
            return opened
        try:
            opened.settimeout(_remaining(ends))
            context = self.tls or ssl.create_default_context()
            return context.wrap_socket(opened, server_hostname=self.server_name or self.url.hostname)
        except BaseException:
            opened.close()
            raise


def within(seconds: float, call: Callable[[], T]) -> T:
    """Return what a call returns, or raise TimeoutError. The call continues in a thread that does not delay the exit.

    The timeouts of the Kubernetes client apply to each read, and a port-forward has none.
    """
    results: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def run() -> None:
        try:
            results.put((call(), None))
        except BaseException as error:  # noqa: BLE001 - raised by the caller
            results.put((None, error))

    Thread(target=run, daemon=True).start()
    try:
        result, error = results.get(timeout=seconds)
    except Empty:
        raise TimeoutError(f"timeout after {seconds:g} s") from None
    if error:
        raise error
    return cast("T", result)


def _connected(host: str, port: int, ends: float) -> socket.socket:
    """Return a connection to the first address that accepts one."""
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_remaining(ends))
            opened.connect(address)
        except OSError as error:
            opened.close()
            failure = error
        else:
            return opened
    raise failure


def _remaining(ends: float) -> float:
    if (remaining := ends - time.monotonic()) <= 0:
        raise TimeoutError
    return remaining


class _Timed(io.RawIOBase):
    """The part of a socket that http.client uses. Each operation ends at the deadline of the call."""

    def __init__(self, opened: socket.socket, ends: float) -> None:
        self._socket = opened
        self._ends = ends

    def sendall(self, data: bytes) -> None:
        self._socket.settimeout(_remaining(self._ends))
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - a buffer
        self._socket.settimeout(_remaining(self._ends))
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        """Do nothing: http.client closes the connection before it reads the body."""


def _body(response: http.client.HTTPResponse) -> bytes:
    body = bytearray()
    while chunk := response.read(CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise HttpError(f"the response has more than {MAX_BYTES} bytes")
    if response.length:
        raise HttpError("the response is incomplete")
    return bytes(body)
