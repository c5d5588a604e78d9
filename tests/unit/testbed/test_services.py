import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from socketserver import BaseServer

import pytest

from testbed.http import RequestError, request_json, send_request
from testbed.ports import LOOPBACK, free_port
from testbed.services import TRACE_HEADERS, HttpService, TcpService, Upstream


@contextmanager
def serving(service: BaseServer) -> Iterator[None]:
    with service:
        thread = threading.Thread(target=service.serve_forever, args=(0.01,))
        thread.start()
        yield
        service.shutdown()
        thread.join()


@pytest.fixture
def web() -> Iterator[int]:
    web, api = free_port(), free_port()
    with ExitStack() as both:
        both.enter_context(serving(HttpService("api", api, None)))
        both.enter_context(serving(HttpService("web", web, Upstream("api", api))))
        yield web


def test_a_service_echoes_its_name_the_path_and_the_headers(web: int) -> None:
    answer = request_json(web, "/hello?x=1", headers={"X-Test": "yes"})
    assert (answer["service"], answer["path"], answer["headers"]["x-test"]) == ("web", "/hello?x=1", "yes")


def test_a_service_that_calls_another_passes_the_path_on_and_asks_it_by_name(web: int) -> None:
    upstream = request_json(web, "/hello")["upstream"]
    assert (upstream["service"], upstream["path"], upstream["headers"]["host"]) == ("api", "/hello", "api")


@pytest.mark.parametrize("name", TRACE_HEADERS)
def test_a_trace_header_is_passed_on(web: int, name: str) -> None:
    assert request_json(web, "/", headers={name.title(): "abc"})["upstream"]["headers"][name] == "abc"


def test_a_header_of_another_kind_is_not_passed_on(web: int) -> None:
    assert "cookie" not in request_json(web, "/", headers={"Cookie": "secret"})["upstream"]["headers"]


def test_a_service_whose_upstream_is_down_answers_502_and_says_why() -> None:
    port, unused_port = free_port(), free_port()
    with serving(HttpService("web", port, Upstream("api", unused_port))):
        answer = send_request(port, "/")
    assert answer.status == 502
    assert f"{LOOPBACK}:{unused_port}" in answer.json()["error"]


def test_a_tcp_service_sends_back_what_it_receives() -> None:
    port = free_port()
    with serving(TcpService(port)), socket.create_connection((LOOPBACK, port)) as connection:
        connection.sendall(b"\x00not http")
        assert connection.recv(100) == b"\x00not http"


def test_asking_where_nothing_listens_names_the_address() -> None:
    port = free_port()
    with pytest.raises(RequestError, match=rf"GET http://127.0.0.1:{port}/ready"):
        send_request(port, "/ready")
