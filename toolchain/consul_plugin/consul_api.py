"""Consul's HTTP API for config entries, with errors in the words of Consul's Go client."""

import errno
import http.client
import json
import os
import socket
import ssl
import threading
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlencode

from .consul_settings import ConsulSettings
from .entry_address import EntryAddress

SECONDS_TO_CONNECT = 30.0
GO_METHOD_NAMES = {"GET": "Get", "PUT": "Put", "DELETE": "Delete"}
DIAL_PROBLEMS = {
    errno.ECONNREFUSED: "connect: connection refused",
    errno.EHOSTUNREACH: "connect: no route to host",
    errno.ENETUNREACH: "connect: network is unreachable",
}


class ConsulRefused(Exception):
    """Consul answered, and said no."""

    def __init__(self, status: int, told: str) -> None:
        """Take the HTTP status and the text of the answer."""
        super().__init__(f"Unexpected response code: {status} ({told.strip()})")
        self.status = status


class ConsulUnreachable(Exception):
    """No answer came from Consul."""


class ConsulApi:
    """One Consul agent. Each thread keeps a connection of its own alive: hundreds of entries cost no dialling."""

    def __init__(self, settings: ConsulSettings) -> None:
        """Connect only when something is asked."""
        self._settings = settings
        self._of_this_thread = threading.local()

    def entry(self, address: EntryAddress) -> dict[str, Any]:
        """Read an entry; raise `ConsulRefused` with status 404 where there is none."""
        found = json.loads(self._answer("GET", entry_path(address), address))
        return dict(found)

    def put_entry(self, address: EntryAddress, body: Mapping[str, Any]) -> None:
        """Write an entry over whatever is there."""
        self._answer("PUT", "/v1/config", address, json.dumps(body))

    def delete_entry(self, address: EntryAddress) -> None:
        """Delete an entry, whoever wrote it; one that does not exist is no error to Consul."""
        self._answer("DELETE", entry_path(address), address)

    def services(self, place: EntryAddress) -> dict[str, list[str]]:
        """Read the catalogue's services with their tags, in the namespace and partition of `place`."""
        return dict(json.loads(self._answer("GET", "/v1/catalog/services", place)))

    def _answer(self, method: str, path: str, address: EntryAddress, body: str | None = None) -> bytes:
        """Send one request and return its answer."""
        target = f"{self._settings.path_prefix}{path}{query(self._settings, address)}"
        try:
            response = self._response(method, target, body)
            told = response.read()
        except (OSError, http.client.HTTPException) as problem:
            self.hang_up()
            where = f"{self._settings.scheme}://{self._settings.host}{target}"
            raise ConsulUnreachable(
                f'{GO_METHOD_NAMES[method]} "{where}": {transport_problem(problem, self._settings.host)}'
            ) from None
        if response.status != HTTPStatus.OK:
            raise ConsulRefused(response.status, told.decode(errors="replace"))
        return told

    def _response(self, method: str, target: str, body: str | None) -> http.client.HTTPResponse:
        """Use this thread's connection; dial again where Consul has closed it while it was idle."""
        kept: http.client.HTTPConnection | None = getattr(self._of_this_thread, "connection", None)
        if kept is not None:
            try:
                return self._sent(kept, method, target, body)
            except (ConnectionError, http.client.BadStatusLine):
                kept.close()
        connection = self._dialled()
        self._of_this_thread.connection = connection
        return self._sent(connection, method, target, body)

    def _sent(
        self, connection: http.client.HTTPConnection, method: str, target: str, body: str | None
    ) -> http.client.HTTPResponse:
        """Send one request over this connection."""
        content_type = {} if body is None else {"Content-Type": "application/json"}
        headers = {**self._settings.headers, **content_type}
        connection.request(method, target, body=None if body is None else body.encode(), headers=headers)
        return connection.getresponse()

    def _dialled(self) -> http.client.HTTPConnection:
        """Open a connection."""
        host = self._settings.host
        if self._settings.tls is None:
            connection = http.client.HTTPConnection(host, timeout=SECONDS_TO_CONNECT)
        else:
            connection = http.client.HTTPSConnection(host, timeout=SECONDS_TO_CONNECT, context=self._settings.tls)
        connection.connect()
        # A request is two small writes: without this the second waits 40 ms for the first to be acknowledged.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def hang_up(self) -> None:
        """Close this thread's connection; the next request opens another."""
        kept: http.client.HTTPConnection | None = self._of_this_thread.__dict__.pop("connection", None)
        if kept is not None:
            kept.close()


def entry_path(address: EntryAddress) -> str:
    """Return the path of one entry."""
    return f"/v1/config/{quote(address.kind, safe='')}/{quote(address.name, safe='')}"


def query(settings: ConsulSettings, address: EntryAddress) -> str:
    """Return the query that says where the entry lives; empty on most meshes."""
    parameters = {
        "dc": settings.datacenter,
        "ns": address.namespace or settings.namespace,
        "partition": address.partition or settings.partition,
    }
    given = {key: value for key, value in parameters.items() if value}
    return f"?{urlencode(given)}" if given else ""


def transport_problem(problem: Exception, host: str) -> str:
    """Say what went wrong below HTTP, in Go's words where they are known."""
    match problem:
        case ssl.SSLCertVerificationError():
            return f"tls: failed to verify certificate: {problem.verify_message}"
        case socket.gaierror():
            return f"dial tcp: lookup {host.rsplit(':', 1)[0]}: no such host"
        case TimeoutError():
            return f"dial tcp {dialled_address(host)}: i/o timeout"
        case OSError() if problem.errno in DIAL_PROBLEMS:
            return f"dial tcp {dialled_address(host)}: {DIAL_PROBLEMS[problem.errno]}"
        case http.client.RemoteDisconnected():
            return "EOF"
        case OSError() if problem.errno:
            return os.strerror(problem.errno).lower()
        case _:
            return f"malformed HTTP response: {problem}"


def dialled_address(host: str) -> str:
    """Return the address behind a host name, which is what Go names in its errors."""
    name, _, port = host.rpartition(":")
    try:
        found = socket.getaddrinfo(name.strip("[]") or host, port or None, type=socket.SOCK_STREAM)
    except OSError:
        return host
    first = found[0][4][0]
    return f"[{first}]:{port}" if ":" in str(first) else f"{first}:{port}"
