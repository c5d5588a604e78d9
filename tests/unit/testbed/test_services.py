import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socketserver import BaseServer

import pytest

from testbed.http import RequestError, request_json, send_request
from testbed.ports import LOOPBACK, free_port
from testbed.services import PROPAGATED, TRACE_HEADERS, HttpService, Propagation, TcpService, Upstream


@contextmanager
def serving(service: BaseServer) -> Iterator[None]:
    with service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield
        service.shutdown()
        thread.join()


@contextmanager
def web_and_api(propagated: tuple[str, ...] = TRACE_HEADERS) -> Iterator[int]:
    web, api = free_port(), free_port()
    with ExitStack() as both:
        both.enter_context(serving(HttpService("api", api, None)))
        both.enter_context(serving(HttpService("web", web, Upstream("api", api, propagated))))
        yield web


@pytest.fixture
def web() -> Iterator[int]:
    with web_and_api() as port:
        yield port


def test_service_echoes_its_name_the_path_and_the_headers(web: int) -> None:
    answer = request_json(web, "/hello?x=1", headers={"X-Test": "yes"})
    assert (answer["service"], answer["path"], answer["headers"]["x-test"]) == ("web", "/hello?x=1", "yes")


def test_service_forwards_the_path_to_its_upstream_by_name(web: int) -> None:
    upstream = request_json(web, "/hello")["upstream"]
    assert (upstream["service"], upstream["path"], upstream["headers"]["host"]) == ("api", "/hello", "api")


@pytest.mark.parametrize("name", TRACE_HEADERS)
def test_trace_header_is_forwarded(web: int, name: str) -> None:
    assert request_json(web, "/", headers={name.title(): "abc"})["upstream"]["headers"][name] == "abc"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("w3c", {"traceparent", "tracestate"}),
        ("b3", {"x-b3-flags", "x-b3-parentspanid", "x-b3-sampled", "x-b3-spanid", "x-b3-traceid"}),
        ("none", set()),
    ],
)
def test_kind_of_application_forwards_its_trace_headers_only(kind: Propagation, expected: set[str]) -> None:
    with web_and_api(PROPAGATED[kind]) as web:
        headers = request_json(web, "/", headers=dict.fromkeys(TRACE_HEADERS, "abc"))["upstream"]["headers"]
    assert headers.keys() & set(TRACE_HEADERS) == expected


def test_other_header_is_not_forwarded(web: int) -> None:
    assert "cookie" not in request_json(web, "/", headers={"Cookie": "secret"})["upstream"]["headers"]


def test_unreachable_upstream_is_status_502_with_the_reason() -> None:
    port, unused_port = free_port(), free_port()
    with serving(HttpService("web", port, Upstream("api", unused_port))):
        answer = send_request(port, "/")
    assert answer.status == 502
    assert f"{LOOPBACK}:{unused_port}" in answer.json()["error"]


def test_tcp_service_echoes_its_input() -> None:
    port = free_port()
    with serving(TcpService(port)), socket.create_connection((LOOPBACK, port)) as connection:
        connection.sendall(b"\x00not http")
        assert connection.recv(100) == b"\x00not http"


def test_failed_request_is_reported_with_its_address() -> None:
    port = free_port()
    with pytest.raises(RequestError, match=rf"GET http://127.0.0.1:{port}/ready"):
        send_request(port, "/ready")
