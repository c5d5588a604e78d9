"""Receivers that keep requests as they are: for headers, Datadog and TLS. Limited to the needs of Envoy."""

import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
import msgpack  # type: ignore[import-untyped]
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from testbed.ports import LOOPBACK, free_port

DATADOG_PATH = "/v0.4/traces"
"""Path of the Datadog agent for traces in MessagePack."""


@dataclass
class Received:
    """Requests that a receiver has received."""

    port: int
    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    """Path, `Host` header and body of each HTTP request."""

    headers: list[dict[str, str]] = field(default_factory=list)
    """Headers or metadata of each request, with names in lower case."""

    spans: int = 0
    """Number of the spans of OTLP over gRPC."""

    def datadog_spans(self) -> list[dict[str, Any]]:
        """Return the spans of the Datadog requests, with the field names of the protocol, such as `parent_id`."""
        bodies = [msgpack.unpackb(body) for path, _, body in self.requests if path == DATADOG_PATH]
        return [span for traces in bodies for trace in traces for span in trace]


class _TraceService(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self, received: Received, credential: Mapping[str, str]) -> None:
        self._received, self._credential = received, credential

    def Export(  # noqa: N802 - name in the protocol
        self, request: trace_service_pb2.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> trace_service_pb2.ExportTraceServiceResponse:
        headers = {name: str(value) for name, value in context.invocation_metadata()}
        self._received.headers.append(headers)
        if not self._credential.items() <= headers.items():
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "no credential")
        scopes = (scope for resource in request.resource_spans for scope in resource.scope_spans)
        self._received.spans += sum(len(scope.spans) for scope in scopes)
        return trace_service_pb2.ExportTraceServiceResponse()


@contextmanager
def otlp_grpc_collector(
    certificate: Path | None = None,
    key: Path | None = None,
    *,
    port: int | None = None,
    credential: Mapping[str, str] | None = None,
) -> Iterator[Received]:
    """Start a receiver of OTLP over gRPC, which keeps the metadata and rejects requests without the `credential`."""
    received = Received(port or free_port())
    server = grpc.server(futures.ThreadPoolExecutor(4))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(  # type: ignore[no-untyped-call] # generated code
        _TraceService(received, credential or {}), server
    )
    address = f"{LOOPBACK}:{received.port}"
    if certificate is not None and key is not None:
        pair = key.read_bytes(), certificate.read_bytes()
        server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    else:
        server.add_insecure_port(address)
    server.start()
    try:
        yield received
    finally:
        server.stop(grace=None).wait()


@contextmanager
def http_collector(  # noqa: PLR0913 - keyword options
    certificate: Path | None = None,
    key: Path | None = None,
    client_authority: Path | None = None,
    *,
    status: int = 202,
    seconds: float = 0,
    credential: Mapping[str, str] | None = None,
) -> Iterator[Received]:
    """Start a collector for HTTP, which responds with a status after some seconds, or 401 without the `credential`.

    `certificate` enables TLS, `client_authority` verifies client certificates.
    """
    received = Received(free_port())

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self._body()
            received.requests.append((self.path, self.headers["host"], body))
            received.headers.append({name.lower(): value for name, value in self.headers.items()})
            # Envoy counts a Zipkin report as sent for status 202 only. The Datadog tracer requires 200 and JSON.
            time.sleep(seconds)
            known = (credential or {}).items() <= received.headers[-1].items()
            self.send_response(200 if self.path == DATADOG_PATH else status if known else 401)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def _body(self) -> bytes:
            if length := self.headers["content-length"]:
                return self.rfile.read(int(length))
            # Envoy sends a body of unknown length in chunks, which http.server does not decode.
            chunks = []
            while size := int(self.rfile.readline(), 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """Ignore failed TLS handshakes and closed connections, which tests cause on purpose."""

    server = Server((LOOPBACK, received.port), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        if client_authority is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(client_authority)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
