"""The version of a trace store. That of Tempo is in the form of its documentation."""

from typing import Any

import pytest

from consul_tracing.cli.verify.store import StoreOptions, client_of
from consul_tracing.errors import CommandError
from tests.unit.http_server import serving


@pytest.mark.parametrize(
    ("kind", "prefix", "path", "content", "expected"),
    [
        ("zipkin", "", "/info", {"zipkin": {"version": "3.6.1", "commit": "b2b0c98"}}, "3.6.1"),
        ("zipkin", "/zipkin", "/info", {"zipkin": {"version": "3.6.1"}}, "3.6.1"),
        ("zipkin", "/shop/zipkin/", "/shop/info", {"zipkin": {"version": "3.6.1"}}, "3.6.1"),
        ("tempo", "", "/api/status/buildinfo", {"version": "2.6.0", "revision": "1"}, "2.6.0"),
    ],
)
def test_version_of_a_store(kind: str, prefix: str, path: str, content: Any, expected: str) -> None:
    with serving(lambda requested, _: (200, content) if requested == path else (404, "")) as address:
        assert client_of(StoreOptions(f"{kind}=http://{address}{prefix}"))[1].version() == expected


@pytest.mark.parametrize(
    ("kind", "status", "content", "reason"),
    [
        ("jaeger", 200, {}, "does not report its version"),
        ("zipkin", 404, "", "does not report its version"),
        ("zipkin", 200, {"zipkin": 1}, "does not respond as expected"),
    ],
)
def test_version_that_is_not_known(kind: str, status: int, content: Any, reason: str) -> None:
    with serving(lambda *_: (status, content)) as address, pytest.raises(CommandError, match=reason):
        client_of(StoreOptions(f"{kind}=http://{address}"))[1].version()
