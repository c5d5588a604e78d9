"""The options for the trace store: its kind and URL, credentials from files, variables and the URL, and headers."""

import re
from pathlib import Path
from typing import Any

import pytest

from consul_tracing.cli.verify.store import StoreOptions, store_of
from consul_tracing.errors import CommandError
from consul_tracing.sources.stores.jaeger import Jaeger
from consul_tracing.sources.stores.tempo import Tempo
from consul_tracing.sources.stores.zipkin import Zipkin
from tests.unit.http_server import Headers, serving

BASIC = "Basic dXNlcjpzZWM6cmV0"
"""user:sec:ret"""


def options(**given: Any) -> StoreOptions:
    return StoreOptions(**{"environment": {}, **given})


def received(**given: Any) -> Headers:
    """Return the headers that a store receives."""
    seen: dict[str, str] = {}

    def answer(_: str, headers: Headers) -> tuple[int, object]:
        seen.update(headers)
        return 200, []

    with serving(answer) as address:
        place = given.pop("user", "") + address
        store_of(options(**{"store": f"zipkin=http://{place}", **given})).check()
    return seen


@pytest.mark.parametrize(
    ("given", "kind", "url"),
    [
        ({"store": "zipkin=http://user:secret@a:1/zipkin/"}, Zipkin, "http://a:1/zipkin"),
        ({"zipkin": "http://user:secret@a:1/zipkin/"}, Zipkin, "http://a:1/zipkin"),
        ({"zipkin": "a"}, Zipkin, "http://a:9411"),
        ({"store": "jaeger=a"}, Jaeger, "http://a:16686"),
        ({"store": "jaeger=https://a/jaeger/search?x=y"}, Jaeger, "https://a/jaeger"),
        ({"store": "tempo=a"}, Tempo, "http://a:3200"),
        ({"store": "tempo=a=b.example:1"}, Tempo, "http://a=b.example:1"),
    ],
)
def test_kind_and_url(given: dict[str, str], kind: type, url: str) -> None:
    store = store_of(options(**given))
    assert (type(store), store.url) == (kind, url)


@pytest.mark.parametrize("store", ["secret", "http://user:se=cret@a", "datadog=secret", "=secret", "ZIPKIN=secret"])
def test_unknown_kind_is_an_error_without_the_value(store: str) -> None:
    with pytest.raises(CommandError, match="--store must have the form zipkin=URL, jaeger=URL or tempo=URL$") as error:
        store_of(options(store=store))
    assert "cret" not in str(error.value)


def test_one_store_is_required() -> None:
    with pytest.raises(CommandError, match="--store is required: zipkin=URL, jaeger=URL or tempo=URL$"):
        store_of(options())
    with pytest.raises(CommandError, match="--store conflicts with --zipkin$"):
        store_of(options(store="zipkin=a", zipkin="a"))


def test_token_of_a_file_and_of_the_variable(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("of-file\n")
    environment = {"CONSUL_TRACING_STORE_TOKEN": "of-variable"}
    assert received(token_file=str(file))["authorization"] == "Bearer of-file"
    assert received(environment=environment)["authorization"] == "Bearer of-variable"
    assert received(token_file=str(file), environment=environment)["authorization"] == "Bearer of-file"
    assert "authorization" not in received()


def test_user_and_password_of_a_file_of_the_variable_and_of_the_url(tmp_path: Path) -> None:
    file = tmp_path / "auth"
    file.write_text("user:sec:ret\n")
    environment = {"CONSUL_TRACING_STORE_AUTH": "user:sec:ret"}
    assert received(auth_file=str(file))["authorization"] == BASIC
    assert received(environment=environment)["authorization"] == BASIC
    assert received(user="user:sec%3Aret@")["authorization"] == BASIC
    assert received(user="other:one@", environment=environment)["authorization"] == BASIC


def test_headers_are_sent() -> None:
    assert (
        received(headers=["X-Scope-OrgID: team-a", "x-key: a: b"]).items()
        >= {
            "x-scope-orgid": "team-a",
            "x-key": "a: b",
        }.items()
    )


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"headers": ["secret"]}, "--store-header number 1 must have the form 'Name: value' with ASCII characters"),
        ({"token_file": "/absent"}, "/absent cannot be read: No such file or directory"),
        ({"auth_file": "/absent"}, "/absent cannot be read: No such file or directory"),
        ({"ca_file": "/absent"}, "--ca-file cannot be read: No such file or directory: /absent"),
        ({"ca_file": __file__}, "--ca-file must contain certificates in PEM: "),
        (
            {"environment": {"CONSUL_TRACING_STORE_AUTH": "secret"}},
            "--store-auth-file and CONSUL_TRACING_STORE_AUTH must contain USER:PASSWORD",
        ),
        (
            {"environment": {"CONSUL_TRACING_STORE_AUTH": "user:secret", "CONSUL_TRACING_STORE_TOKEN": "secret"}},
            "a token of the trace store conflicts with a user and a password",
        ),
        (
            {"store": "zipkin=http://user:secret@a", "environment": {"CONSUL_TRACING_STORE_TOKEN": "secret"}},
            "a token of the trace store conflicts with a user and a password",
        ),
    ],
)
def test_invalid_option_is_an_error_without_secrets(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(CommandError, match=re.escape(reason)) as error:
        store_of(options(**{"store": "zipkin=a", **given}))
    assert "secret" not in str(error.value)
