"""The HTTP server of the metrics."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import TYPE_CHECKING

from consul_tracing.errors import CommandError, error_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATH = "/metrics"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

LOOPBACK = "127.0.0.1"
"""Address without a host in the option: the metrics are for this machine only."""

ADDRESS = re.compile(r"(?:(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+)):)?(?P<port>[0-9]{1,5})")

SECONDS = 10
"""Deadline of a read or write of a client."""

MAX_PORT = 65535

Address = tuple[str, int]


def listen_address(text: str) -> Address:
    """Return the host and the port of `HOST:PORT`, `[IPV6]:PORT` or `PORT`. Raises CommandError."""
    match = ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) <= MAX_PORT:
        raise CommandError("--metrics must have the form HOST:PORT or PORT")
    return match["ipv6"] or match["host"] or LOOPBACK, int(match["port"])


@contextmanager
def serving(address: Address, text: Callable[[], str]) -> Iterator[None]:
    """Serve a text at `/metrics` in the background. Raises CommandError if the address is not available."""
    try:
        server = _Server(address, text)
    except OSError as error:
        host, port = address
        shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise CommandError(f"the metrics cannot be served at {shown}: {error_reason(error)}") from None
    with server:
        threading.Thread(target=server.serve_forever, args=(0.1,), name="metrics", daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()


class _Server(ThreadingHTTPServer):
    def __init__(self, address: Address, text: Callable[[], str]) -> None:
        self.text = text
        # IPv4 and IPv6 addresses, and names.
        self.address_family = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)[0][0]
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # Without the DNS query of HTTPServer for the name of this machine.
        TCPServer.server_bind(self)

    def handle_error(self, *_: object) -> None:
        """Log nothing: the client has closed its connection or stalls."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = SECONDS

    def version_string(self) -> str:
        return "consul-tracing"

    def do_GET(self) -> None:
        if self.path.partition("?")[0] != PATH:
            self.send_error(HTTPStatus.NOT_FOUND, f"The metrics are at {PATH}")
            return
        body = self.server.text().encode()
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""
