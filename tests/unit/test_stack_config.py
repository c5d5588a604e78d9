import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInputError, args_from_config, protect_from_config
from consul_tracing.stack_config import single_machine


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Select a stack without configuration, and reset it after the test."""
    monkeypatch.setattr(pulumi.runtime.settings.SETTINGS, "stack", "prod")
    yield
    pulumi.runtime.set_all_config({}, [])


def configure(secret: str = "", **values: Any) -> None:
    entries = {key.replace("__", ":").replace("_", "-"): value for key, value in values.items()}
    config = {key: value if isinstance(value, str) else json.dumps(value) for key, value in entries.items()}
    pulumi.runtime.set_all_config(config, [secret] if secret else None)


def test_arguments_are_read_from_one_key() -> None:
    configure(consul_tracing__mesh={"collector": {"host": "zipkin"}})
    assert args_from_config() == {"collector": {"host": "zipkin"}}


def test_numbers_that_pulumi_config_stores_as_text_are_numbers() -> None:
    """`pulumi config set --path consul-tracing:mesh.sampling.random 0.5` stores "0.5"."""
    mesh = {
        "collector": {"host": "10", "port": "9411", "connect_timeout_ms": "soon"},
        "sampling": {"random": "0.5", "client": "50", "overall": "5%"},
        "envoy_version": "1.40",
        "services": {"web": {"protocol": "http", "name": "7", "service_defaults": {"LocalRequestTimeoutMs": "5"}}},
        "zipkin_collector": {"replicas": "2"},
        "static_clusters": [{"name": "1"}],
    }
    configure(consul_tracing__mesh=mesh)
    read: Any = args_from_config()
    assert (read["sampling"], read["collector"]["port"]) == ({"random": 0.5, "client": 50.0, "overall": "5%"}, 9411)
    assert read["zipkin_collector"]["replicas"] == 2
    unchanged = ("envoy_version", "services", "static_clusters")
    assert {key: read[key] for key in unchanged} == {key: mesh[key] for key in unchanged}
    assert read["collector"] == {"host": "10", "port": 9411, "connect_timeout_ms": "soon"}


@pytest.mark.parametrize("mesh", ["zipkin", [1], 3])
def test_key_that_is_not_a_map_is_rejected(mesh: Any) -> None:
    configure(consul_tracing__mesh=mesh)
    with pytest.raises(
        InvalidInputError, match='1 input of stack "prod" is invalid\n  consul-tracing:mesh: must be a map'
    ):
        args_from_config()


def test_missing_key_is_rejected() -> None:
    with pytest.raises(
        InvalidInputError, match=r"consul-tracing:mesh: is required\. .*\{host: zipkin\.service\.consul\}.*https://"
    ):
        args_from_config()


def test_secret_in_the_key_is_rejected_without_being_shown() -> None:
    configure("consul-tracing:mesh", consul_tracing__mesh={"collector": {"host": "hush"}})
    with pytest.raises(InvalidInputError, match="consul-tracing:mesh: must be plain values, got a secret") as error:
        args_from_config()
    assert "hush" not in str(error.value)


def test_protect_defaults_to_false() -> None:
    assert not protect_from_config()
    configure(consul_tracing__protect="true")
    assert protect_from_config()


@pytest.mark.parametrize(
    ("address", "single"),
    [
        ("127.0.0.1:8500", True),
        ("http://localhost:8500", True),
        ("[::1]:8500", True),
        ("consul.example.com:8500", False),
        ("", False),
    ],
)
def test_single_machine_is_detected_by_a_loopback_consul_address(address: str, *, single: bool) -> None:
    configure(consul__address=address)
    assert single_machine() is single
