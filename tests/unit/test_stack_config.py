import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInput, mesh_args, protected
from consul_tracing.stack_config import single_machine


@pytest.fixture(autouse=True)
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A stack without configuration."""
    monkeypatch.setattr(pulumi.runtime.settings.SETTINGS, "stack", "prod")
    yield
    pulumi.runtime.set_all_config({}, [])


def configure(secret: str = "", **values: Any) -> None:
    written = {key.replace("__", ":").replace("_", "-"): value for key, value in values.items()}
    texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in written.items()}
    pulumi.runtime.set_all_config(texts, [secret] if secret else None)


def test_the_arguments_stand_under_one_key_as_they_are() -> None:
    configure(consul_tracing__mesh={"collector": {"host": "zipkin"}})
    assert mesh_args() == {"collector": {"host": "zipkin"}}


@pytest.mark.parametrize("mesh", ["zipkin", [1], 3])
def test_a_key_that_is_no_map_is_refused(mesh: Any) -> None:
    configure(consul_tracing__mesh=mesh)
    with pytest.raises(InvalidInput, match='an input of "prod" cannot be used\n  consul-tracing:mesh: is not a map'):
        mesh_args()


def test_a_missing_key_is_refused() -> None:
    with pytest.raises(InvalidInput, match="consul-tracing:mesh: is not set"):
        mesh_args()


def test_a_secret_anywhere_in_the_key_is_refused_without_being_repeated() -> None:
    configure("consul-tracing:mesh", consul_tracing__mesh={"collector": {"host": "hush"}})
    with pytest.raises(InvalidInput, match="consul-tracing:mesh: holds a secret") as refused:
        mesh_args()
    assert "hush" not in str(refused.value)


def test_entries_are_protected_only_when_the_stack_says_so() -> None:
    assert not protected()
    configure(consul_tracing__protect="true")
    assert protected()


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
def test_a_consul_on_this_machine_makes_it_a_single_machines_mesh(address: str, *, single: bool) -> None:
    configure(consul__address=address)
    assert single_machine() is single
