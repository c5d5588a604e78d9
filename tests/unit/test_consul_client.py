from collections.abc import Iterator
from pathlib import Path

import pytest

from consul_tracing.errors import CommandError
from consul_tracing.sources.consul import ConsulClient
from tests.unit.http_server import Headers, serving


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
    assert ConsulClient(environment).get("/v1/agent/self") == answer
    variable = {"CONSUL_HTTP_TOKEN": "t", "CONSUL_HTTP_TOKEN_FILE": ""}
    assert ConsulClient(environment | variable).get("/v1/agent/self") == answer | {"token": "t"}


def test_missing_path_is_none(address: str) -> None:
    assert ConsulClient({"CONSUL_HTTP_ADDR": f"http://{address}"}).get("/missing") is None


def test_other_server_is_reported(address: str) -> None:
    with pytest.raises(CommandError, match=f"http://{address} does not respond with JSON: it is not Consul$"):
        ConsulClient({"CONSUL_HTTP_ADDR": address}).get("/page")


def test_failures_are_one_line_without_the_token(address: str) -> None:
    with pytest.raises(CommandError, match=r"cannot be read: 403 denied$") as failure:
        ConsulClient({"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN": "secret-token"}).get("/forbidden")
    assert "secret-token" not in str(failure.value)
    with pytest.raises(CommandError, match="Consul at http://127.0.0.1:1 cannot be read: .*refused"):
        ConsulClient({"CONSUL_HTTP_ADDR": "127.0.0.1:1"}).get("/v1/agent/self")


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
        ("CONSUL_HTTP_ADDR", "http://[::1", "the connection to Consul cannot be configured: Invalid"),
    ],
)
def test_unusable_variable_is_reported(variable: str, value: str, reason: str) -> None:
    with pytest.raises(CommandError, match=f"^consul-tracing: CT601: {reason}"):
        ConsulClient({variable: value})


def test_https_is_used_with_consul_http_ssl() -> None:
    assert ConsulClient({"CONSUL_HTTP_SSL": "true"}).address == "https://127.0.0.1:8500"
