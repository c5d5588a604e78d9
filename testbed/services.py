"""Small services that run behind sidecars.

`python -m testbed.services KIND NAME --port PORT [--calls NAME --through PORT]`:

`http` responds with JSON: its name, the path, the request headers and, with `--calls`, the response of the upstream to
the same path. `--propagate` selects the trace headers of the request to the upstream. With `--respond` it responds with
this status and calls no upstream. `tcp` echoes its input.
"""

import argparse
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import BaseServer, StreamRequestHandler, ThreadingTCPServer
from typing import Any, Literal

from testbed.http import RequestError, request_json
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
    "x-datadog-tags",
    "x-datadog-trace-id",
    "x-ot-span-context",
    "x-request-id",
)
"""Headers to propagate to upstreams. A sidecar cannot correlate inbound and outbound requests."""

Propagation = Literal["all", "w3c", "b3", "b3-single", "none"]

PROPAGATED: Mapping[Propagation, tuple[str, ...]] = {
    "all": TRACE_HEADERS,
    "w3c": ("traceparent", "tracestate"),
    "b3": tuple(name for name in TRACE_HEADERS if name.startswith("x-b3-")),
    "b3-single": ("b3",),
    "none": (),
}
"""Kinds of applications by the headers that they propagate. The default of OpenTelemetry SDKs is `w3c`."""


@dataclass(frozen=True)
class Upstream:
    """Another service and the local port of the sidecar for requests to it."""

    name: str
    port: int
    headers: tuple[str, ...] = TRACE_HEADERS
    """Headers to propagate."""
    has_own_spans: bool = False
    """Whether the call is a child of a span of the service itself."""

    def get(self, path: str, headers: Mapping[str, str]) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Send a GET request with the propagated headers and return the body. Raises `RequestError` if it fails."""
        passed = {name: value for name, value in headers.items() if name.lower() in self.headers}
        if self.has_own_spans:
            passed["x-b3-spanid"] = secrets.token_hex(8)
        return request_json(self.port, path, headers={**passed, "Host": self.name})


class HttpService(ThreadingHTTPServer):
    """An HTTP service with an optional upstream."""

    daemon_threads = True

    def __init__(self, name: str, port: int, upstream: Upstream | None, status: HTTPStatus = HTTPStatus.OK) -> None:
        """Listen. Connections wait until the service runs."""
        self.name = name
        self.status = status
        self.upstream = upstream
        super().__init__((LOOPBACK, port), _HttpRequest)

    def respond(self, path: str, headers: Mapping[str, str]) -> tuple[HTTPStatus, dict[str, Any]]:
        """Return status and body of the response to a request."""
        received = {name.lower(): value for name, value in headers.items()}
        body = {"service": self.name, "path": path, "headers": received}
        if self.upstream is None:
            return self.status, body
        try:
            return HTTPStatus.OK, {**body, "upstream": self.upstream.get(path, headers)}
        except RequestError as error:
            return HTTPStatus.BAD_GATEWAY, {**body, "error": str(error)}


class _HttpRequest(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body are two packets. The second would wait 40 ms for the acknowledgement of the first.
    disable_nagle_algorithm = True
    server: HttpService

    def do_GET(self) -> None:
        status, content = self.server.respond(self.path, dict(self.headers.items()))
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class TcpService(ThreadingTCPServer):
    """A TCP service that echoes its input."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        """Listen. Connections wait until the service runs."""
        super().__init__((LOOPBACK, port), _TcpConnection)


class _TcpConnection(StreamRequestHandler):
    def handle(self) -> None:
        while received := self.request.recv(65536):
            self.request.sendall(received)


def _service(arguments: argparse.Namespace) -> BaseServer:
    if arguments.kind == "tcp":
        return TcpService(arguments.port)
    headers = PROPAGATED[arguments.propagate]
    is_caller = arguments.calls and not arguments.respond
    upstream = Upstream(arguments.calls, arguments.through, headers, arguments.own_spans) if is_caller else None
    return HttpService(arguments.name, arguments.port, upstream, HTTPStatus(arguments.respond or HTTPStatus.OK))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m testbed.services", description=__doc__)
    parser.add_argument("kind", choices=("http", "tcp"))
    parser.add_argument("name")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--calls", help="service to call on every request")
    parser.add_argument("--through", type=int, help="local port of the sidecar for that service")
    parser.add_argument("--propagate", choices=PROPAGATED, default="all", help="default: %(default)s")
    parser.add_argument("--own-spans", action="store_true", help="continue the trace with spans that are not exported")
    parser.add_argument("--respond", type=int, metavar="STATUS", help="respond with a status, without a call")
    return parser.parse_args()


if __name__ == "__main__":
    with _service(_arguments()) as service:
        service.serve_forever()
