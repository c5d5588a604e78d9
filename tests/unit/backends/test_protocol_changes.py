"""Which changes of protocols are reported. The protocols of Consul: tests/mesh/test_protocol_changes.py."""

import pytest

from consul_tracing import MeshTracing
from consul_tracing.backends.protocol_changes import protocols_message
from consul_tracing.entries.dependants import Protocols, Service
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine


def service(name: str) -> Service:
    return name, "default", "default"


def reported(
    old: dict[str, str], new: dict[str, str], defaults: tuple[str, str] = ("", ""), removed: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return the severity and the lines about services, empty without a message."""
    before, after = (
        Protocols({service(name): own for name, own in one.items()}, default)
        for one, default in zip((old, new), defaults, strict=True)
    )
    found = protocols_message(before, after, before.own.keys(), list(map(service, removed)), default=True)
    return (found[0], *(line.strip() for line in found[1].splitlines() if "→" in line)) if found else ()


@pytest.mark.parametrize(
    ("old", "new", "defaults"),
    [
        ({"web": ""}, {"web": "tcp"}, ("", "")),
        ({"web": "mysql"}, {"web": "tcp"}, ("", "")),
        ({"web": ""}, {"web": "http"}, ("http", "http")),
        ({"web": "tcp"}, {"web": ""}, ("", "tcp")),
    ],
    ids=["no protocol", "not HTTP", "the default", "default is tcp"],
)
def test_another_name_of_the_same_protocol_is_no_change(
    old: dict[str, str], new: dict[str, str], defaults: tuple[str, str]
) -> None:
    assert reported(old, new, defaults) == ()


def test_only_first_protocols_are_information() -> None:
    assert reported({"web": "", "api": ""}, {"web": "http", "api": "http"}) == ("info", "api, web: tcp → http")
    assert reported({"web": "tcp"}, {"web": "http"}) == ("warn", "web: tcp → http")
    assert reported({"web": ""}, {"web": "tcp"}, ("http", "http")) == ("warn", "web: http → tcp")
    assert reported({}, {}, ("http", "")) == ("warn", "services without a protocol of their own: http → tcp")


def test_removed_services_have_a_line_of_their_own() -> None:
    lines = reported({"api": "http", "db": "http"}, {"api": "", "db": "tcp"}, removed=("api",))
    assert lines == ("warn", "db: http → tcp", "api: http → tcp, no longer declared")


def test_preview_that_cannot_read_consul_reports_no_change(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    engine.live = "connection refused"
    engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}})), preview=True)
    assert "CT508" in caplog.text
    assert "CT534" not in caplog.text
