import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from testbed.consul_stand_in import PluginError
from testbed.consul_stand_in.consul_api import ConsulApi, ConsulError, ConsulSettings, consul_settings
from testbed.consul_stand_in.entry_address import EntryAddress

GLOBAL = EntryAddress("proxy-defaults", "global")


@contextmanager
def serving(status: int, text: str, *, closes: bool = False) -> Iterator[tuple[ConsulApi, list[str]]]:
    """Yield an API client of a server with a fixed response. With `closes`, the server closes each connection."""
    requests: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def respond(self) -> None:
            requests.append(f"{self.command} {self.path}")
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())
            self.close_connection = closes

        do_GET = do_PUT = do_DELETE = respond  # noqa: N815 - names of the base class

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - name of the base class
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        api = ConsulApi(ConsulSettings(f"127.0.0.1:{server.server_port}", "s3cret"))
        try:
            yield api, requests
        finally:
            api.close()
            server.shutdown()
            thread.join()


def test_error_has_the_status_and_the_message_of_consul() -> None:
    with serving(500, "leadership lost\n") as (api, _), pytest.raises(ConsulError) as error:
        api.delete_entry(GLOBAL)
    assert (error.value.status, str(error.value)) == (500, "Unexpected response code: 500 (leadership lost)")


@pytest.mark.parametrize(
    ("step", "request_line"),
    [
        ("put", 'Put "http://127.0.0.1:1/v1/config"'),
        ("get", 'Get "http://127.0.0.1:1/v1/config/proxy-defaults/global"'),
    ],
)
def test_unreachable_consul_is_reported_with_the_message_of_go(step: str, request_line: str) -> None:
    api = ConsulApi(ConsulSettings("127.0.0.1:1"))
    with pytest.raises(ConsulError) as error:
        api.put_entry(GLOBAL, {}) if step == "put" else api.entry(GLOBAL)
    assert str(error.value) == f"{request_line}: dial tcp 127.0.0.1:1: connect: connection refused"


def test_closed_connection_is_reopened() -> None:
    with serving(200, "{}", closes=True) as (api, requests):
        api.entry(GLOBAL)
        api.entry(GLOBAL)
    assert requests == ["GET /v1/config/proxy-defaults/global"] * 2


def test_namespace_and_partition_are_sent() -> None:
    with serving(200, "{}") as (api, requests):
        api.entry(EntryAddress("service-defaults", "web/1", namespace="shop", partition="east"))
    assert requests == ["GET /v1/config/service-defaults/web%2F1?ns=shop&partition=east"]


@pytest.mark.parametrize(
    ("configuration", "environment", "address"),
    [
        ({}, {}, "localhost:8500"),
        ({"address": "10.0.0.1:8500"}, {"CONSUL_HTTP_ADDR": "10.0.0.2:8500"}, "10.0.0.1:8500"),
        ({}, {"CONSUL_HTTP_ADDR": "http://10.0.0.2:8500"}, "10.0.0.2:8500"),
    ],
)
def test_configuration_takes_precedence_over_the_environment(
    configuration: dict[str, str], environment: dict[str, str], address: str
) -> None:
    assert consul_settings(configuration, environment).address == address


def test_token_is_not_shown() -> None:
    settings = consul_settings({}, {"CONSUL_HTTP_TOKEN": "s3cret"})
    assert settings.token == "s3cret"  # noqa: S105 - no secret
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("configuration", "environment", "message"),
    [
        ({"scheme": "https"}, {}, "scheme: not supported"),
        ({"datacenter": "dc2", "httpAuth": "me:s3cret"}, {}, "datacenter, httpAuth: not supported"),
        ({}, {"CONSUL_NAMESPACE": "shop"}, "CONSUL_NAMESPACE: not supported"),
        ({"address": "https://consul:8501"}, {}, 'must be .*host:port for this stand-in, got "https://consul:8501"'),
    ],
)
def test_unsupported_setting_is_rejected(
    configuration: dict[str, str], environment: dict[str, str], message: str
) -> None:
    with pytest.raises(PluginError, match=message) as error:
        consul_settings(configuration, environment)
    assert "s3cret" not in str(error.value)
