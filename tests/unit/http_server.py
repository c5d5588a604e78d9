"""HTTP servers on a free port of 127.0.0.1, whose responses a test computes, or whose bytes it sends."""

import json
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

OK = b"HTTP/1.1 200 OK\r\n"

Headers = Mapping[str, str]
Answer = Callable[[str, Headers], tuple[int, object]]
"""Returns the status and the body for a path with its query and the headers in lower case. Bytes are sent as they are,
another value as JSON."""


@contextmanager
def serving(
    answer: Answer,
    *,
    keep_alive: bool = False,
    headers: Mapping[str, str] | None = None,
    certificate: tuple[Path, Path] | None = None,
) -> Iterator[str]:
    """Start a server and yield its address, `127.0.0.1:PORT`.

    `headers`: additional headers of each response. `certificate`: files of a certificate and its key, for HTTPS.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1" if keep_alive else "HTTP/1.0"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            status, content = answer(self.path, {name.lower(): value for name, value in self.headers.items()})
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Report errors, except of a client that does not accept the certificate or has ended the call."""
            if not isinstance(sys.exception(), ssl.SSLError | ConnectionError):
                super().handle_error(request, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def answering(send: Callable[[socket.socket], object], path: Path | None = None) -> Iterator[str]:
    """Start a server that sends bytes on each connection, and yield its URL. `path`: a Unix socket."""
    listener = socket.socket(socket.AF_UNIX) if path else socket.socket()
    listener.bind(str(path) if path else ("127.0.0.1", 0))
    listener.listen()
    ended = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while not ended.is_set():
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.recv(65536)
                    send(connection)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"unix://{path}" if path else f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()


def bytes_for_ever(start: bytes, piece: bytes, pause: float = 0.0) -> Callable[[socket.socket], None]:
    def send(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)
            time.sleep(pause)

    return send
