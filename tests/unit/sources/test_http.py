"""Servers that never end, answer something else, or know a secret: the call ends in time, with one line."""

import json
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from consul_tracing.errors import CommandError
from consul_tracing.sources import http
from consul_tracing.sources.http import HttpClient, HttpError, ServerError, parsed_url, shown_url
from tests.unit.http_server import OK, Headers, answering, bytes_for_ever, serving

SECONDS = 0.3
"""The deadline of calls to a server that stalls."""


def client(url: str, **options: Any) -> HttpClient:
    return HttpClient(url=parsed_url(url), **{"program": "Consul", "label": "Consul at x", **options})


@pytest.mark.parametrize(
    "send",
    [
        lambda _: time.sleep(3 * SECONDS),
        bytes_for_ever(b"", b"H", 0.01),
        bytes_for_ever(OK + b"a: ", b"b", 0.01),
        bytes_for_ever(OK + b"content-length: 100000\r\n\r\n", b"x", 0.01),
        bytes_for_ever(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.01),
        bytes_for_ever(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    ],
    ids=["silence", "status", "header", "body", "chunks", "continue"],
)
def test_deadline_holds_for_the_whole_call(send: Callable[[socket.socket], None]) -> None:
    with answering(send) as url:
        began = time.monotonic()
        with pytest.raises(HttpError, match=r"^timeout after 0\.3 s$"):
            client(url, seconds=SECONDS).request("/")
        assert time.monotonic() - began < 10 * SECONDS


@pytest.mark.parametrize("header", [b"content-length: 100000000000\r\n", b"transfer-encoding: chunked\r\n", b""])
def test_size_is_limited(monkeypatch: pytest.MonkeyPatch, header: bytes) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 1_000_000)
    piece = b"10000\r\n" + b"x" * 65536 + b"\r\n" if b"chunked" in header else b"x" * 65536
    with (
        answering(bytes_for_ever(OK + header + b"\r\n", piece)) as url,
        pytest.raises(HttpError, match="^the response has more than 1000000 bytes$"),
    ):
        client(url, seconds=10).request("/")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2p1 \x1b[31m\x00\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        OK + b"content-length: 5\r\n\r\nabc",
        OK + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        OK + b"a: " + b"b" * 100_000,
        OK + b"a: b\r\n" * 1000 + b"\r\n",
    ],
    ids=["nothing", "ssh", "status", "incomplete", "chunk", "long-header", "many-headers"],
)
def test_other_protocol_is_one_printable_line(answer: bytes) -> None:
    with answering(lambda connection: connection.sendall(answer)) as url, pytest.raises(HttpError) as error:
        client(url).request("/")
    assert str(error.value)
    assert str(error.value).isprintable()


def test_closed_port_and_unknown_host_are_reported() -> None:
    with pytest.raises(HttpError, match="Connection refused"):
        client("http://127.0.0.1:1").request("/")
    with pytest.raises(HttpError, match="not known|resolution"):
        client("http://no-such-host.invalid").request("/")


def test_url_of_a_server_has_a_host_and_no_control_characters() -> None:
    for url in (
        "secret",
        "ftp://secret",
        "http://",
        "http://secret:port",
        "http://[::1",
        "http://secret\x1b/",
        "http://a:0",
        "http://secret b/",
    ):
        with pytest.raises(CommandError, match="http://HOST:PORT/PATH") as error:
            parsed_url(url)
        assert "secret" not in str(error.value)


def test_credentials_and_query_are_not_shown() -> None:
    url = parsed_url("https://user:secret@[::1]:8080/a?token=secret#secret")
    assert shown_url(url) == "https://[::1]:8080/a"


def test_credentials_are_sent_and_are_in_no_message() -> None:
    received: list[tuple[str, Headers]] = []

    def answer(path: str, headers: Headers) -> tuple[int, object]:
        received.append((path, headers))
        return 403, b"denied"

    with serving(answer) as address:
        one = client(f"http://user:sec%3Aret@{address}/base/?a=b", headers={"x-consul-token": "secret"})
        with pytest.raises(ServerError, match=r"cannot be read: 403 denied$") as error:
            one.get("/v1/ä b", dict[str, str], q="ä&")
    assert "sec" not in str(error.value)
    assert "ret" not in repr(one)
    ((path, headers),) = received
    assert path == "/base/v1/%C3%A4%20b?a=b&q=%C3%A4%26"
    assert headers["authorization"] == "Basic dXNlcjpzZWM6cmV0"
    assert headers["x-consul-token"] == "secret"
    assert headers["host"] == address


@pytest.mark.parametrize("token", ["secret\nx: y", "secret\u20ac"])
def test_invalid_header_is_reported_without_its_value(token: str) -> None:
    with serving(lambda *_: (200, {})) as address, pytest.raises(ServerError, match="invalid characters$") as error:
        client(f"http://{address}", headers={"x-consul-token": token}).get("/", dict[str, str])
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<html>", "with JSON"),
        (b"", "with JSON"),
        (b"\xff", "with JSON"),
        (b"[" * 100_000, "with JSON"),
        (b"[]", "as expected"),
        (b"null", "as expected"),
        (b'{"a": "b"}', "as expected"),
    ],
    ids=["html", "empty", "binary", "deep", "list", "null", "text"],
)
def test_other_content_is_reported(body: bytes, reason: str) -> None:
    with serving(lambda *_: (200, body)) as address:
        consul = client(f"http://{address}")
        with pytest.raises(ServerError) as error:
            consul.get("/", dict[str, int])
    assert error.value.reason == f"Consul at x does not respond {reason}: it is not Consul"


def test_error_of_a_server_is_short() -> None:
    with serving(lambda *_: (500, b"\x1b[31m" + b"long " * 10_000)) as address, pytest.raises(ServerError) as error:
        client(f"http://{address}").get("/", dict[str, int])
    assert len(str(error.value)) < 300
    assert str(error.value).isprintable()


def test_missing_path_is_none() -> None:
    with serving(lambda *_: (404, b"no")) as address:
        assert client(f"http://{address}").get("/", dict[str, int]) is None


def test_connection_of_each_call_is_closed() -> None:
    ends: list[bytes] = []

    def send(connection: socket.socket) -> None:
        connection.sendall(OK + b"content-length: 2\r\n\r\n{}")
        ends.append(connection.recv(1))

    with answering(send) as url:
        assert json.loads(client(url).request("/").body) == {}
    assert ends == [b""]
