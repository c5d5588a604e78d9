"""Messages about adopted entries and about restarts, on Pulumi mocks."""

import logging
from typing import Any

import pytest

from consul_tracing import ConflictError, MeshTracing
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

WEB = {"Kind": "service-defaults", "Name": "web", "Protocol": "tcp"}
DROPPED = (
    "service-defaults, if set: MaxRequestHeadersKB, which Pulumi's Consul provider 3.15 does not support. "
    "consul-tracing lint --consul reports such entries (CT360)"
)


def logged(engine: Engine, caplog: pytest.LogCaptureFixture, **args: Any) -> list[str]:
    """Return the messages of a program, after the prefix of all messages."""
    caplog.set_level(logging.INFO)
    caplog.clear()
    engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}}, **args)))
    return [record.getMessage().partition("consul-tracing: ")[2] for record in caplog.records]


def starting_with(code: str, messages: list[str]) -> str:
    (found,) = (one for one in messages if one.startswith(code))
    return found


def test_adoption_names_the_field_that_the_provider_drops(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = {"web": WEB}
    assert f"removed from {DROPPED}" in starting_with("CT501", logged(engine, caplog, existing="adopt"))


def test_adoption_of_a_mesh_drops_no_field(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    engine.live = {"global": {"Config": {"a": "b"}}}
    assert "CT360" not in starting_with("CT501", logged(engine, caplog, existing="adopt"))


def test_refusal_names_the_field_that_both_ways_drop(engine: Engine) -> None:
    engine.live = {"web": WEB}
    with pytest.raises(ConflictError) as refused:
        engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}})))
    assert f"both remove from {DROPPED}" in str(refused.value)


def test_bootstrap_of_a_new_mesh_is_none_before(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    assert "(bootstrap_hash none → " in starting_with("CT507", logged(engine, caplog))


def test_disabled_mesh_advises_a_restart_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    logged(engine, caplog)
    engine.live = {"global": engine.entry("mesh-proxy-defaults")}
    messages = logged(engine, caplog, enabled=False)
    assert " → none)\n" in starting_with("CT507", messages)
    assert " ".join(messages).lower().count("restart every proxy") == 1
    assert " ".join(messages).count("keeps") == 1


def test_several_changes_have_a_line_each(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    listener = '{"random_sampling":{"value":7},"max_path_tag_length":64}'
    engine.live = {"global": {"Config": {"envoy_listener_tracing_json": listener}}, "web": WEB}
    text = starting_with("CT501", logged(engine, caplog, existing="adopt"))
    assert "\n    replaced:\n      envoy_listener_tracing_json @type unset → " in text
    assert "\n      envoy_listener_tracing_json random_sampling 7 % → 1 %\n" in text
    assert '\n    replaced: Protocol "tcp" → "http"\n' in text


KEPT_BY_RELEASE = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}


@pytest.mark.parametrize(
    ("args", "is_reported"),
    [
        ({"enabled": False}, True),
        ({"enabled": False, "release": True}, False),
        ({}, False),
        ({"enabled": False, "proxy_config": {}}, False),
    ],
    ids=["disabled", "released", "enabled", "nothing else"],
)
def test_disabled_mesh_reports_what_a_destroy_deletes(
    engine: Engine, caplog: pytest.LogCaptureFixture, args: dict[str, Any], *, is_reported: bool
) -> None:
    messages = logged(engine, caplog, **{"proxy_config": KEPT_BY_RELEASE, **args})
    found = [one.splitlines()[0] for one in messages if one.startswith("CT536")]
    text = "CT536: proxy-defaults/global: pulumi destroy also deletes envoy_prometheus_bind_addr. "
    assert found == [f"{text}To keep it in Consul: set release: true, then pulumi up."] * is_reported
