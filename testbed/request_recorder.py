"""A reverse proxy for Consul that records requests and lets tests act before a request is forwarded."""

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
    """A request to Consul, with its start and end on the monotonic clock."""

    method: str
    path: str
    body: bytes
    begun: float
    ended: float = 0.0

    @property
    def entry(self) -> tuple[str, str]:
        """Kind and name of the config entry."""
        if self.method == "PUT":
            body = json.loads(self.body)
            return body["Kind"], body["Name"]
        kind, name = self.path.partition("?")[0].split("/")[-2:]
        return kind, name


@dataclass
class RequestRecorder:
    """Proxy that records the requests to a Consul. It calls `on_request` before it forwards a request.

    `translate` receives the path and the body of a request and returns those that are forwarded.
    """

    consul: Consul
    port: int = 0
    requests: list[Request] = field(default_factory=list)
    on_request: Callable[[Request], None] = lambda _: None
    translate: Callable[[str, bytes], tuple[str, bytes]] = lambda path, body: (path, body)
    _writes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def address(self) -> str:
        """Host and port, in the format of `consul:address`."""
        return f"{LOOPBACK}:{self.port}"

    def at_write(self, number: int, act: Callable[[], object]) -> None:
        """Call `act` before the write with this number is forwarded."""
        self._writes = 0

        def count(request: Request) -> None:
            if request.method != "PUT":
                return
            with self._lock:
                self._writes += 1
                if self._writes == number:
                    act()

        self.on_request = count

    def writes(self) -> list[Request]:
        """Return the requests that write or delete."""
        return [request for request in self.requests if request.method != "GET"]


@contextmanager
def record_requests(consul: Consul) -> Iterator[RequestRecorder]:
    """Start a recorder for this Consul on a free port."""
    recorder = RequestRecorder(consul)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, body, time.monotonic())
            self.close_connection = True
            with suppress(OSError, HTTPException):
                recorder.on_request(request)
                status, response = self._response(body)
                ended = time.monotonic()
                recorder.requests.append(Request(request.method, request.path, body, request.begun, ended))
                self.send_response(status)
                self.send_header("Content-Length", str(len(response)))
                self.end_headers()
                self.wfile.write(response)
                self.close_connection = False

        def _response(self, body: bytes) -> tuple[int, bytes]:
            connection = HTTPConnection(LOOPBACK, consul.http_port, timeout=60)
            try:
                token = {"X-Consul-Token": self.headers.get("X-Consul-Token", "")}
                path, body = recorder.translate(self.path, body)
                connection.request(self.command, path, body or None, token)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

        do_GET = do_PUT = do_DELETE = forward  # noqa: N815 - names in http.server

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """Ignore connections of killed Pulumi plugins."""

    with Server((LOOPBACK, 0), Handler) as server:
        recorder.port = server.server_address[1]
        serving = threading.Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield recorder
        finally:
            server.shutdown()
            serving.join()
