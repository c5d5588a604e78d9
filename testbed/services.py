"""Small services to put behind sidecars.

`python -m testbed.services KIND NAME --port PORT [--calls NAME --through PORT]`:

`http` answers with JSON: its name, the path, the headers that it received and, when it calls another service through
its sidecar, that one's answer to the same path. `tcp` sends back what it receives.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from typing import Any

from testbed.http import NotAnswered, ask_json
from testbed.ports import LOOPBACK

TRACE_HEADERS = (
    "b3",
    "baggage",
    "traceparent",
    "tracestate",
    "x-b3-flags",
    "x-b3-parentspanid",
    "x-b3-sampled",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-client-trace-id",
    "x-datadog-parent-id",
    "x-datadog-sampling-priority",
    "x-datadog-trace-id",
    "x-ot-span-context",
    "x-request-id",
)
"""What a service must pass on to those it calls: a sidecar cannot know which call belongs to which request."""


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """The trace headers among those of a request."""
    return {name: value for name, value in headers.items() if name.lower() in TRACE_HEADERS}


@dataclass(frozen=True)
class Upstream:
    """Another service, and the port on which the own sidecar takes what goes to it."""

    name: str
    port: int

    def get(self, path: str, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """What it answers; `NotAnswered` unless that is a success."""
        return ask_json(self.port, path, headers={**headers, "Host": self.name})


class HttpService(ThreadingHTTPServer):
    """An HTTP service that may call another one."""

    daemon_threads = True

    def __init__(self, name: str, port: int, upstream: Upstream | None) -> None:
        """Listen, so that connections wait until the service serves."""
        self.name = name
        self.upstream = upstream
        super().__init__((LOOPBACK, port), _HttpRequest)

    def answer(self, path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, Any]]:
        """What this service says to a request."""
        received = {name.lower(): value for name, value in headers.items()}
        own = {"service": self.name, "path": path, "headers": received}
        if self.upstream is None:
            return HTTPStatus.OK, own
        try:
            return HTTPStatus.OK, {**own, "upstream": self.upstream.get(path, passed_on(headers))}
        except NotAnswered as error:
            return HTTPStatus.BAD_GATEWAY, {**own, "error": str(error)}


class _HttpRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HttpService

    def do_GET(self) -> None:
        status, answer = self.server.answer(self.path, dict(self.headers.items()))
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TcpService(ThreadingTCPServer):
    """A service that speaks no HTTP: it sends back what it receives."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        """Listen, so that connections wait until the service serves."""
        super().__init__((LOOPBACK, port), _TcpConnection)


class _TcpConnection(StreamRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(65536):
            self.request.sendall(received)


def _service(arguments: argparse.Namespace) -> BaseServer:
    if arguments.kind == "tcp":
        return TcpService(arguments.port)
    upstream = Upstream(arguments.calls, arguments.through) if arguments.calls else None
    return HttpService(arguments.name, arguments.port, upstream)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.services", description=__doc__)
    parser.add_argument("kind", choices=("http", "tcp"))
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", help="the service to call on every request")
    parser.add_argument("--through", type=int, help="the port on which the sidecar takes what goes to that service")
    return parser.parse_args()


if __name__ == "__main__":
    with _service(_arguments()) as service:
        service.serve_forever()
