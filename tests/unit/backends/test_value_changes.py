import json

import pytest

from consul_tracing.backends.value_changes import change_lines, listed
from consul_tracing.entries.bodies import canonical_json
from consul_tracing.entries.ownership import Change
from consul_tracing.envoy import bootstrap_tracing
from tests.unit.meshes import settings

LISTENER = ("Config", "envoy_listener_tracing_json")


def listener(**fields: object) -> str:
    return json.dumps({"@type": "Tracing", **fields})


def test_sampling_rates_are_shown_as_percentages() -> None:
    before, after = listener(random_sampling={"value": 7}), listener(randomSampling={"value": 0.5})
    change = Change(LISTENER, before, after)
    assert change_lines((change,)) == ["envoy_listener_tracing_json random_sampling 7 % → 0.5 % = 1 in 200 requests"]


def test_rate_of_a_sampler_is_shown_as_a_percentage() -> None:
    old, new = (
        canonical_json(bootstrap_tracing(settings(tracer={"opentelemetry": {}}, sampling={"random": random})))
        for random in (1, 0.05)
    )
    lines = change_lines((Change(("Config", "envoy_tracing_json"), old, new),))
    assert lines == ["envoy_tracing_json typed_config.sampling_percentage 1 % → 0.05 % = 1 in 2,000 requests"]


def test_omitted_sampling_rate_is_shown_as_the_envoy_default() -> None:
    change = Change(LISTENER, listener(), listener(random_sampling={"value": 1}, client_sampling={"value": 100}))
    assert change_lines((change,)) == ["envoy_listener_tracing_json random_sampling 100 % → 1 %"]


def test_layout_of_json_is_not_a_change() -> None:
    before, after = '{ "b": [2, 1],\n "a": 1 }', '{"a":1,"b":[1,2]}'
    assert change_lines((Change(LISTENER, before, after),)) == []


def test_cluster_change_is_shown_by_field() -> None:
    part = ("Config", "envoy_extra_static_clusters_json", "tracing_collector")
    before, after = '{"name":"tracing_collector","type":"STATIC"}', '{"name":"tracing_collector"}'
    assert change_lines((Change(part, before, after),)) == ['static cluster tracing_collector type "STATIC" → unset']


@pytest.mark.parametrize("text", ["not JSON", "[1]", "7"])
def test_value_that_is_not_a_json_object_is_shown_as_invalid(text: str) -> None:
    assert change_lines((Change(LISTENER, text, "{}"),)) == [
        "envoy_listener_tracing_json not valid JSON → another value"
    ]
    clusters = Change(("Config", "envoy_extra_static_clusters_json"), '{"name":"a"},{"name":"b"}', text)
    assert change_lines((clusters,)) == ["envoy_extra_static_clusters_json another value → not valid JSON"]


def test_key_material_is_not_shown() -> None:
    change = Change(("Config", "other"), "-----BEGIN PRIVATE KEY-----", None)
    assert change_lines((change,)) == ["other key material (not shown) → unset"]


def test_list_is_sorted_and_capped() -> None:
    assert listed(["b", "a"]) == "a, b"
    assert listed([f"{number:02}" for number in range(12)], limit=2) == "00, 01, and 10 more"
