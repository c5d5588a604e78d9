"""A gate in front of a Consul: a test acts at the moment a request arrives."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from testbed.consul import Consul
from testbed.ports import LOOPBACK


@dataclass(frozen=True)
class Request:
    """What Consul was asked."""

    method: str
    path: str
    body: bytes
    begun: float
    ended: float = 0.0

    @property
    def entry(self) -> tuple[str, str]:
        """The entry that it is about."""
        if self.method == "PUT":
            body = json.loads(self.body)
            return body["Kind"], body["Name"]
        kind, name = self.path.partition("?")[0].split("/")[-2:]
        return kind, name


@dataclass
class Gate:
    """Stands before a Consul, and lets a test act at the very moment at which something is asked."""

    consul: Consul
    port: int = 0
    asked: list[Request] = field(default_factory=list)
    on_request: Callable[[Request], None] = lambda _: None
    _writes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """Host and port of the gate, as `consul:address` takes them."""
        return f"{LOOPBACK}:{self.port}"

    def at_write(self, number: int, act: Callable[[], object]) -> None:
        """Act when the `number`th write arrives, before Consul gets it."""
        self._writes = 0

        def count(request: Request) -> None:
            if request.method != "PUT":
                return
            with self._lock:
                self._writes += 1
                if self._writes == number:
                    act()

        self.on_request = count

    def before_write_of(self, entry: tuple[str, str], act: Callable[[], object]) -> None:
        """Act whenever this entry is about to be written: after we have read it, before Consul gets ours."""

        def at_write(request: Request) -> None:
            if request.method == "PUT" and request.entry == entry:
                act()

        self.on_request = at_write

    def writes(self) -> list[Request]:
        """Every request that writes or deletes."""
        return [request for request in self.asked if request.method != "GET"]


@contextmanager
def gate_before(consul: Consul) -> Iterator[Gate]:
    """A gate in front of this Consul, on a free port."""
    gate = Gate(consul)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, body, time.monotonic())
            self.close_connection = True
            with suppress(OSError, HTTPException):
                gate.on_request(request)
                status, answer = self._answer(body)
                ended = time.monotonic()
                gate.asked.append(Request(request.method, request.path, body, request.begun, ended))
                self.send_response(status)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)
                self.close_connection = False

        def _answer(self, body: bytes) -> tuple[int, bytes]:
            connection = HTTPConnection(LOOPBACK, consul.http_port, timeout=60)
            try:
                token = {"X-Consul-Token": self.headers.get("X-Consul-Token", "")}
                connection.request(self.command, self.path, body or None, token)
                answer = connection.getresponse()
                return answer.status, answer.read()
            finally:
                connection.close()

        do_GET = do_PUT = do_DELETE = pass_on  # noqa: N815 - http.server's names

        def log_message(self, *_: object) -> None:
            """Nothing."""

    class Listener(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Pulumi's plugin was killed."""

    with Listener((LOOPBACK, 0), Handler) as server:
        gate.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield gate
        finally:
            server.shutdown()
            serving.join()
