import json
from typing import Any

import pytest

from consul_tracing.entries.bodies import proxy_defaults
from consul_tracing.entries.propagation import (
    DATADOG,
    OPENTELEMETRY,
    ZIPKIN,
    ZIPKIN_W3C,
    Propagation,
    adds_sampler,
    broken_traces_text,
    propagation,
)
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.names import JsonObject
from tests.unit.meshes import settings

INPUTS: dict[str, dict[str, Any]] = {
    "b3": {"tracer": {"zipkin": {}}},
    "b3+w3c": {"tracer": {"zipkin": {"propagation": "b3+w3c"}}, "envoy_version": "1.36"},
    "otlp": {"tracer": {"opentelemetry": {}}},
    "datadog": {"tracer": {"datadog": {"service_name": "mesh"}}},
}


def body(tracer: str, **args: Any) -> JsonObject:
    return proxy_defaults(settings(**{**INPUTS[tracer], **args})).body


def tracer_of(entry: JsonObject | None) -> Propagation | None:
    return propagation(tracing_keys((entry or {}).get("Config")))


def live(message: str, **fields: Any) -> JsonObject:
    """Return an entry of another tool."""
    config = {"@type": f"type.googleapis.com/envoy.config.trace.v3.{message}", **fields}
    tracing = {"http": {"name": "any", "typedConfig": config}}
    return {"Config": {"ENVOY_TRACING_JSON": json.dumps(tracing, indent=2)}}


@pytest.mark.parametrize("gateways", ["join", "skip"])
@pytest.mark.parametrize(
    ("tracer", "expected"), [("b3", ZIPKIN), ("b3+w3c", ZIPKIN_W3C), ("otlp", OPENTELEMETRY), ("datadog", DATADOG)]
)
def test_entry_of_this_package_has_the_tracer_of_its_inputs(tracer: str, expected: Propagation, gateways: str) -> None:
    assert tracer_of(body(tracer, gateways=gateways)) == expected


def test_entry_of_another_tool_is_read_in_any_layout() -> None:
    assert tracer_of(live("ZipkinConfig")) == ZIPKIN
    assert tracer_of(live("ZipkinConfig", traceContextOption="USE_B3_WITH_W3C_PROPAGATION")) == ZIPKIN_W3C
    assert tracer_of(live("ZipkinConfig", trace_context_option=1)) == ZIPKIN_W3C
    assert tracer_of(live("SkyWalkingConfig")) != tracer_of(live("XRayConfig"))


@pytest.mark.parametrize(
    "entry",
    [
        None,
        {},
        {"Config": None},
        {"Config": {"envoy_tracing_json": "{"}},
        {"Config": {"envoy_tracing_json": {"http": {}}}},
        {"Config": {"envoy_tracing_json": '{"http": []}'}},
        live("DynamicOtConfig"),
    ],
)
def test_entry_without_a_known_tracer_is_compatible(entry: JsonObject | None) -> None:
    assert tracer_of(entry) is None
    assert broken_traces_text(entry, body("otlp")) == ""


def test_tracer_of_the_listener_precedes_the_tracer_of_the_bootstrap() -> None:
    config = body("b3")["Config"] | {"envoy_listener_tracing_json": json.dumps({"provider": provider_of("otlp")})}
    assert tracer_of({"Config": config}) == OPENTELEMETRY


def provider_of(tracer: str) -> Any:
    return json.loads(body(tracer)["Config"]["envoy_tracing_json"])["http"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("b3", "b3+w3c"),
        ("b3+w3c", "b3"),
        ("b3+w3c", "otlp"),
        ("otlp", "b3+w3c"),
        ("b3+w3c", "datadog"),
        ("datadog", "b3+w3c"),
        ("otlp", "datadog"),
        ("datadog", "otlp"),
    ],
)
def test_change_with_a_common_header_is_accepted(old: str, new: str) -> None:
    assert broken_traces_text(body(old), body(new)) == ""


@pytest.mark.parametrize(("old", "new"), [("b3", "otlp"), ("otlp", "b3"), ("b3", "datadog"), ("datadog", "b3")])
def test_change_without_a_common_header_is_rejected_with_the_steps_between(old: str, new: str) -> None:
    lines = broken_traces_text(body(old), body(new)).splitlines()
    assert lines[0].startswith("consul-tracing: CT218: tracer: changes from ")
    assert '    1. set tracer.zipkin.propagation: "b3+w3c" (requires Envoy 1.36), then pulumi up' in lines
    assert "    1. set accept_broken_traces: true" in lines


@pytest.mark.parametrize(
    ("live_entry", "expected"),
    [
        (body("b3+w3c"), True),
        (body("otlp", envoy_version="1.34"), True),
        (body("otlp", gateways="skip", envoy_version="1.34"), True),
        (live("SkyWalkingConfig"), True),
        (body("otlp"), False),
        (body("otlp", gateways="skip"), False),
        (body("b3", enabled=False), False),
        ({"Config": {"envoy_tracing_json": "{"}}, False),
        (None, False),
    ],
)
def test_rate_moves_to_the_sampler_if_running_proxies_have_a_tracer_without_one(
    live_entry: JsonObject | None, *, expected: bool
) -> None:
    assert adds_sampler(live_entry, body("otlp")) == expected
    assert not adds_sampler(live_entry, body("otlp", gateways="skip"))
    assert not adds_sampler(live_entry, body("otlp", envoy_version="1.34"))


def test_change_from_a_tracer_without_a_step_between_is_rejected() -> None:
    text = broken_traces_text(live("SkyWalkingConfig"), body("otlp"))
    assert "b3+w3c" not in text
    assert "accept_broken_traces" in text
