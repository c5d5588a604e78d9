from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote_plus

import pytest

from consul_tracing.errors import CommandError
from consul_tracing.names import JsonObject
from consul_tracing.sources.consul import consul_client, sidecar_at
from tests.unit.http_server import Headers, serving
from tests.unit.sources.test_http import answering


def answer(path: str, headers: Headers) -> tuple[int, object]:
    if "page" in path:
        return 200, b"<html>"
    if "missing" in path:
        return 404, b"denied"
    return (403, b"denied  ") if "forbidden" in path else (200, {"path": path, "token": headers.get("x-consul-token")})


@pytest.fixture
def address() -> Iterator[str]:
    with serving(answer) as running:
        yield running


def test_environment_of_consul_determines_address_token_and_scope(address: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-file\n")
    environment = {
        "CONSUL_HTTP_ADDR": address,
        "CONSUL_HTTP_TOKEN_FILE": str(tmp_path / "token"),
        "CONSUL_NAMESPACE": "team",
        "CONSUL_PARTITION": "east",
    }
    answer = {"path": "/v1/agent/self?ns=team&partition=east", "token": "from-file"}
    assert consul_client(environment).get("/v1/agent/self", JsonObject) == answer
    variable = {"CONSUL_HTTP_TOKEN": "t", "CONSUL_HTTP_TOKEN_FILE": ""}
    assert consul_client(environment | variable).get("/v1/agent/self", JsonObject) == answer | {"token": "t"}


def test_missing_path_is_none(address: str) -> None:
    assert consul_client({"CONSUL_HTTP_ADDR": f"http://{address}"}).get("/missing", JsonObject) is None


def test_other_server_is_reported(address: str) -> None:
    with pytest.raises(CommandError, match=f"Consul at http://{address} does not respond with JSON: it is not Consul$"):
        consul_client({"CONSUL_HTTP_ADDR": address}).get("/page", JsonObject)


def test_failures_are_one_line_without_the_token(address: str) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: 403 denied$") as failure:
        consul_client({"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN": "secret-token"}).get("/forbidden", JsonObject)
    assert "secret-token" not in str(failure.value)
    with pytest.raises(CommandError, match="Consul at http://127.0.0.1:1 cannot be read: .*refused"):
        consul_client({"CONSUL_HTTP_ADDR": "127.0.0.1:1"}).get("/v1/agent/self", JsonObject)


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        (
            "CONSUL_HTTP_TOKEN_FILE",
            "/absent",
            "CONSUL_HTTP_TOKEN_FILE cannot be read: No such file or directory: /absent",
        ),
        ("CONSUL_CACERT", "/absent", "the connection to Consul cannot be configured: .*No such file or directory"),
        ("CONSUL_CAPATH", "/absent", "CONSUL_CAPATH must be a directory with certificates, got /absent"),
        ("CONSUL_HTTP_ADDR", "http://[::1", "CONSUL_HTTP_ADDR must be an address such as 127.0.0.1:8500"),
    ],
)
def test_unusable_variable_is_reported(variable: str, value: str, reason: str) -> None:
    with pytest.raises(CommandError, match=f"^consul-tracing: CT601: {reason}"):
        consul_client({variable: value})


def test_https_is_used_with_consul_http_ssl() -> None:
    assert consul_client({"CONSUL_HTTP_SSL": "true"}).address == "https://127.0.0.1:8500"


def test_credentials_in_the_address_are_in_no_message(address: str) -> None:
    consul = consul_client({"CONSUL_HTTP_ADDR": f"http://user:secret@{address}"})
    assert consul.address == f"http://{address}"
    with pytest.raises(CommandError) as failure:
        consul.get("/forbidden", JsonObject)
    assert "secret" not in str(failure.value)


def test_unix_socket_is_read(tmp_path: Path) -> None:
    path = tmp_path / "consul.sock"
    ok = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    with answering(lambda connection: connection.sendall(ok), path) as url:
        consul = consul_client({"CONSUL_HTTP_ADDR": url})
        assert consul.get("/v1/agent/self", JsonObject) == {}
    with pytest.raises(CommandError, match=f"Consul at unix://{path} cannot be read: .*refused"):
        consul.get("/v1/agent/self", JsonObject)


def test_sidecar_is_found_by_its_address() -> None:
    asked: list[str] = []

    def answer(path: str, _: Headers) -> tuple[int, object]:
        asked.append(unquote_plus(path))
        if path.startswith("/v1/catalog/services"):
            return 200, {"web-sidecar-proxy": []}
        return 200, [{"Node": "a", "ServiceID": "b", "ServiceProxy": {"DestinationServiceName": "web"}}]

    with serving(answer) as address:
        consul = consul_client({"CONSUL_HTTP_ADDR": address})
        assert sidecar_at(consul, "10.0.0.1", 20000) == "web"
        assert sidecar_at(consul, "no-such-host.invalid", 20000) == ""
    assert len(asked) == 2
    assert 'ServicePort == 20000 and (ServiceAddress == "10.0.0.1" or' in asked[0]
    assert asked[1].startswith("/v1/catalog/service/web-sidecar-proxy?")


def test_other_program_at_an_address_is_no_sidecar() -> None:
    with serving(lambda *_: (200, {})) as address:
        assert sidecar_at(consul_client({"CONSUL_HTTP_ADDR": address}), "10.0.0.1", 9411) == ""
