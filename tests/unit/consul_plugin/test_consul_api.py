import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from toolchain.consul_plugin.config_entry import ConfigEntries, EntryFailure
from toolchain.consul_plugin.consul_api import ConsulApi, ConsulRefused, ConsulUnreachable, dialled_address
from toolchain.consul_plugin.consul_settings import ConsulSettings
from toolchain.consul_plugin.entry_address import EntryAddress

GLOBAL = EntryAddress("proxy-defaults", "global")
PROGRAM = {"kind": "proxy-defaults", "name": "global", "configJson": "{}"}


@contextmanager
def reaching(settings: ConsulSettings) -> Iterator[ConsulApi]:
    api = ConsulApi(settings)
    try:
        yield api
    finally:
        api.hang_up()


@contextmanager
def answering(status: int, text: str, *, closes: bool = False) -> Iterator[tuple[ConsulSettings, list[str]]]:
    """Serve one answer to everything; `closes` drops the connection after each, without a word."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            asked.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            self.close_connection = closes

        do_GET = do_PUT = do_DELETE = answer  # noqa: N815 - the base class' names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class' name
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield ConsulSettings(host=f"127.0.0.1:{server.server_port}", headers={"X-Consul-Token": "s3cret"}), asked
        finally:
            server.shutdown()
            thread.join()


def test_a_refusal_keeps_consuls_own_text() -> None:
    refusal = "Permission denied: token with AccessorID 'x' lacks permission 'mesh:write' on \"default\""
    with answering(403, f"{refusal}\n") as (consul, _), reaching(consul) as api:
        with pytest.raises(EntryFailure) as failure:
            ConfigEntries(api).write(PROGRAM)
        assert str(failure.value) == f"failed to set 'global' config entry: Unexpected response code: 403 ({refusal})"


def test_a_look_up_of_a_missing_entry_says_what_was_asked() -> None:
    with (
        answering(404, 'Config entry not found for "proxy-defaults" / "global"') as (consul, _),
        reaching(consul) as api,
    ):
        with pytest.raises(EntryFailure) as failure:
            ConfigEntries(api).look_up(PROGRAM)
        assert str(failure.value) == (
            "failed to read config entry proxy-defaults/global: "
            'Unexpected response code: 404 (Config entry not found for "proxy-defaults" / "global")'
        )


def test_reading_a_missing_entry_finds_nothing() -> None:
    with answering(404, "") as (consul, _), reaching(consul) as api:
        assert ConfigEntries(api).read("proxy-defaults/global", {}, {}) is None


@pytest.mark.parametrize(
    ("step", "request_line"),
    [
        ("put", 'Put "http://127.0.0.1:1/v1/config"'),
        ("get", 'Get "http://127.0.0.1:1/v1/config/proxy-defaults/global"'),
    ],
)
def test_an_unreachable_consul_is_told_in_gos_words(step: str, request_line: str) -> None:
    api = ConsulApi(ConsulSettings(host="127.0.0.1:1"))
    with pytest.raises(ConsulUnreachable) as unreachable:
        api.put_entry(GLOBAL, {}) if step == "put" else api.entry(GLOBAL)
    assert str(unreachable.value) == f"{request_line}: dial tcp 127.0.0.1:1: connect: connection refused"


def test_no_failure_names_the_token() -> None:
    with answering(500, "leadership lost") as (consul, _), reaching(consul) as api:
        with pytest.raises(ConsulRefused) as refused:
            api.delete_entry(GLOBAL)
        assert str(refused.value) == "Unexpected response code: 500 (leadership lost)"


def test_a_connection_that_consul_closed_is_dialled_again() -> None:
    with answering(200, "{}", closes=True) as (consul, asked), reaching(consul) as api:
        api.entry(GLOBAL)
        api.entry(GLOBAL)
    assert asked == ["GET /v1/config/proxy-defaults/global"] * 2


def test_datacenter_namespace_and_partition_are_asked_for() -> None:
    with answering(200, "{}") as (consul, asked):
        settings = ConsulSettings(host=consul.host, datacenter="dc2", namespace="default", partition="east")
        with reaching(settings) as api:
            api.entry(EntryAddress("service-defaults", "web/1", namespace="shop"))
    assert asked == ["GET /v1/config/service-defaults/web%2F1?dc=dc2&ns=shop&partition=east"]


def test_a_v6_address_is_bracketed() -> None:
    assert dialled_address("[::1]:8500") == "[::1]:8500"
