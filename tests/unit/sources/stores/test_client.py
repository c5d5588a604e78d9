"""Addresses, credentials and deadlines of trace stores, and servers that are another program."""

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest

from consul_tracing.errors import CommandError
from consul_tracing.sources.http import ServerError, parsed_url, shown_url
from consul_tracing.sources.stores import TraceStore
from consul_tracing.sources.stores.client import StoreClient, store_url
from consul_tracing.sources.stores.jaeger import Jaeger
from consul_tracing.sources.stores.programs import STORES as PROGRAMS
from consul_tracing.sources.stores.tempo import Tempo
from consul_tracing.sources.stores.zipkin import Zipkin
from tests.unit.http_server import OK, Headers, answering, bytes_for_ever, serving

STORES: dict[str, Callable[[StoreClient], TraceStore]] = {"Zipkin": Zipkin, "Jaeger": Jaeger, "Tempo": Tempo}
SECONDS = 0.1
"""The deadline of reads from a server that stalls. Others have one that a busy machine does not exceed."""
LIMIT = 3.0
"""Time after which a read does not end in time, also on a busy machine. Its deadline is `SECONDS`."""

READS: dict[str, Callable[[TraceStore], object]] = {
    "check": lambda store: store.check(),
    "spans": lambda store: store.spans("1"),
    "tagged_spans": lambda store: store.tagged_spans("a/1"),
    "traces_of": lambda store: store.traces_of("web", 0, 1),
}

ANSWERS: dict[str, dict[str, Any]] = {
    "Zipkin": {"/api/v2/services": ["web"]},
    "Jaeger": {"/api/services": {"data": None, "total": 0, "limit": 0, "offset": 0, "errors": None}},
    "Tempo": {"/api/echo": b"echo"},
    "Grafana": {"/api/health": {"commit": "2e4f5c9", "database": "ok", "version": "11.2.0"}},
    "Elasticsearch": {"/": {"name": "es-1", "cluster_name": "docker-cluster", "tagline": "You Know, for Search"}},
    "nginx": {"/": b"<html>Welcome"},
    "unknown": {},
}
"""Responses by which programs are known. Others are 404."""

READ = "verify reads Zipkin, Jaeger and Tempo: --store zipkin=URL, jaeger=URL or tempo=URL"


def store(program: str, url: str, **options: Any) -> TraceStore:
    parsed = parsed_url(url)
    client = StoreClient(url=parsed, program=program, address=shown_url(parsed), **options)
    return STORES[program](client)


@pytest.mark.parametrize("program", STORES)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
@pytest.mark.parametrize(
    "send",
    [
        lambda _: time.sleep(3 * SECONDS),
        bytes_for_ever(OK + b"transfer-encoding: chunked\r\n\r\n", b"1\r\n[\r\n", 0.01),
    ],
    ids=["silence", "endless"],
)
def test_deadline_holds_for_each_read(
    program: str, read: Callable[[TraceStore], object], send: Callable[[socket.socket], None]
) -> None:
    with answering(send) as url:
        began = time.monotonic()
        with pytest.raises(ServerError, match=r"timeout after 0\.1 s"):
            read(store(program, url, seconds=SECONDS))
        assert time.monotonic() - began < LIMIT


@pytest.mark.parametrize("program", [*STORES])
def test_search_in_many_services_ends_with_the_first_that_stalls(program: str) -> None:
    def answer(path: str, _: Headers) -> tuple[int, Any]:
        if path.startswith("/api/services"):
            return 200, {"data": [f"web{number}" for number in range(500)]}
        if path.startswith("/api/search"):
            return 200, {"traces": [{"traceID": str(number)} for number in range(500)]}
        time.sleep(3 * SECONDS)
        return 200, []

    with serving(answer) as address:
        began = time.monotonic()
        for read in ("tagged_spans", "traces_of"):
            if (program, read) != ("Jaeger", "traces_of"):
                with pytest.raises(ServerError, match="timeout"):
                    READS[read](store(program, f"http://{address}", seconds=SECONDS))
        assert time.monotonic() - began < 2 * LIMIT


@pytest.mark.parametrize("program", STORES)
@pytest.mark.parametrize("server", ANSWERS)
def test_other_program_is_named(program: str, server: str) -> None:
    def answer(path: str, _: Headers) -> tuple[int, Any]:
        found = ANSWERS[server].get(path.removeprefix("/base") or "/")
        return (404, b"404 page not found") if found is None else (200, found)

    with serving(answer) as address:
        url = f"http://{address}/base"
        if server == program:
            store(program, url).check()
            return
        with pytest.raises(ServerError) as error:
            store(program, url).check()
    known = {
        **{name: f"{name}, not {program}: set --store to {name.lower()}={url}" for name in STORES},
        "Grafana": f"Grafana, not {program}: set --store to tempo=http://{address}/api/datasources/proxy/uid/UID, "
        "the UID of its data source",
        "Elasticsearch": f"Elasticsearch or OpenSearch, not {program}: {READ}",
        "nginx": f"a web page, not {program}: {READ}",
    }
    unknown = f"has status 404 for {PROGRAMS[program].path}: it is not {program}, or has another path"
    assert error.value.reason == f"{url} {f'is {known[server]}' if server in known else unknown}"


@pytest.mark.parametrize("status", [302, 401, 403])
def test_program_that_requires_credentials_is_named_if_it_is_known(status: int) -> None:
    def answer(path: str, _: Headers) -> tuple[int, Any]:
        return (200, ANSWERS["Grafana"][path]) if path == "/api/health" else (status, b"<html>")

    with serving(answer) as address, pytest.raises(ServerError, match="is Grafana, not Jaeger: set --store to tempo="):
        store("Jaeger", f"http://{address}").check()


def test_other_program_that_stalls_ends_in_time() -> None:
    # The first response must arrive in time, also on a busy machine.
    deadline = 10 * SECONDS

    def answer(path: str, _: Headers) -> tuple[int, Any]:
        if path != PROGRAMS["Zipkin"].path:
            time.sleep(3 * deadline)
        return 200, {}

    with serving(answer) as address:
        began = time.monotonic()
        with pytest.raises(ServerError, match="it is not Zipkin, or has another path"):
            store("Zipkin", f"http://{address}", seconds=deadline).check()
        assert time.monotonic() - began < 2 * LIMIT


def test_receiver_of_spans_is_named() -> None:
    with (
        serving(lambda path, _: (405 if path == "/v1/traces" else 404, b"")) as address,
        pytest.raises(ServerError, match="is a receiver of OTLP spans, not Jaeger: verify reads"),
    ):
        store("Jaeger", f"http://{address}").check()
    with pytest.raises(ServerError, match=r"\. Port 4317 usually receives spans \(OTLP/gRPC\), and traces are"):
        store("Jaeger", "http://127.0.0.1:4317").check()


@pytest.mark.parametrize("program", STORES)
@pytest.mark.parametrize("status", [429, 500, 503])
def test_store_that_fails_is_not_another_program(program: str, status: int) -> None:
    with serving(lambda *_: (status, b"storage is down")) as address, pytest.raises(ServerError) as error:
        store(program, f"http://{address}").check()
    assert error.value.reason == f"http://{address} responds with status {status}"


@pytest.mark.parametrize("program", STORES)
@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_required_credentials_name_the_options(program: str, read: Callable[[TraceStore], object]) -> None:
    options = "use --store-token-file, --store-auth-file or --store-header"
    status = 401
    with serving(lambda *_: (status, b"no org id")) as address:
        url = f"http://{address}"
        for headers, expected in (
            ({}, "requires authentication"),
            ({"authorization": "Bearer secret"}, "does not acc"),
        ):
            with pytest.raises(ServerError, match=rf"{expected}.*\(status 401\): {options}"):
                read(store(program, url, headers=headers))
        status = 403
        with pytest.raises(ServerError, match=rf"denies access \(status 403\): {options}"):
            read(store(program, url))


def test_secrets_that_a_server_repeats_are_removed() -> None:
    def answer(_: str, headers: Headers) -> tuple[int, object]:
        return 500, f"{headers['authorization']} {headers.get('x-key', '')} sec:ret!".encode()

    for url, headers in (
        ("http://user:sec%3Aret%21@{}", {"x-key": "key-secret"}),
        ("http://{}", {"authorization": "Bearer sec:ret!", "x-key": "key-secret"}),
    ):
        with serving(answer) as address, pytest.raises(ServerError) as error:
            store("Zipkin", url.format(address), headers=headers).spans("1")
        assert not any(text in str(error.value) for text in ("sec:ret", "dXNlcjpzZWM6cmV0IQ", "key-secret"))
        assert "cannot be read: 500" in str(error.value)


@pytest.mark.parametrize("location", ["", "//[", "\x1b", "http://[secret"])
def test_redirect_to_an_invalid_address_is_one_line(location: str) -> None:
    with (
        serving(lambda *_: (302, b""), headers={"Location": location}) as address,
        pytest.raises(ServerError, match="redirects to .*: set --store") as error,
    ):
        store("Zipkin", f"http://{address}").check()
    assert error.value.reason.isprintable()
    assert "secret" not in str(error.value)


def test_redirect_names_its_target_without_query() -> None:
    location = {"Location": "https://user:secret@traces.example/login?token=secret"}
    with (
        serving(lambda *_: (302, b""), headers=location) as address,
        pytest.raises(ServerError, match="redirects to https://traces.example/login: set --store") as error,
    ):
        store("Zipkin", f"http://{address}").check()
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("zipkin", "http://zipkin:9411"),
        ("zipkin:1234", "http://zipkin:1234"),
        ("user:secret@zipkin", "http://user:secret@zipkin:9411"),
        ("http://zipkin", "http://zipkin"),
        ("https://[::1]:1/", "https://[::1]:1"),
        ("http://zipkin/zipkin/", "http://zipkin/zipkin"),
        ("http://zipkin/zipkin/traces/463ac35c9f6413ad?x=1#a", "http://zipkin/zipkin"),
        ("http://zipkin/zipkin/dependency", "http://zipkin/zipkin"),
        ("http://zipkin/api/v2/traces?limit=1", "http://zipkin"),
        ("http://jaeger:16686/search?service=web", "http://jaeger:16686"),
        ("http://host/jaeger/trace/463ac35c9f6413ad48485a3953bb6124", "http://host/jaeger"),
        ("http://host/jaeger/api/traces/463ac35c9f6413ad", "http://host/jaeger"),
        ("http://jaeger/api/v3/services", "http://jaeger"),
        ("http://tempo:3200/ready", "http://tempo:3200"),
        ("https://tempo.example/tempo/api/echo", "https://tempo.example/tempo"),
        ("http://grafana/api/datasources/proxy/uid/abc", "http://grafana/api/datasources/proxy/uid/abc"),
        ("http://grafana/api/datasources/proxy/uid/abc/api/search?q=x", "http://grafana/api/datasources/proxy/uid/abc"),
        ("http://host/search/jaeger", "http://host/search/jaeger"),
    ],
)
def test_address_of_a_page_is_the_store(address: str, url: str) -> None:
    assert store_url(address, 9411).geturl() == url


@pytest.mark.parametrize(
    "address", ["", "http://", "ftp://secret", "secret:port", "::1", "secret b", "http://secret:0"]
)
def test_invalid_address_is_an_error_without_it(address: str) -> None:
    with pytest.raises(CommandError, match="http://HOST:PORT/PATH") as error:
        store_url(address, 9411)
    assert "secret" not in str(error.value)
