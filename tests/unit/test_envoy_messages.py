"""Envoy's messages and the reader of their values, compared with Envoy's protobuf messages."""

import json
from typing import Any

import pytest
from envoy.config.bootstrap.v3 import bootstrap_pb2
from google.protobuf import json_format

from consul_tracing.envoy_messages.messages import ANY, CLUSTER, LISTENER_TRACING, PROVIDER, message
from consul_tracing.envoy_messages.reader import Kind, read
from consul_tracing.envoy_messages.releases import SINCE
from consul_tracing.files.values import Unevaluated
from tests.unit.envoy_messages import as_json
from tests.unit.inputs.test_static_clusters import LENIENT, VALID
from tests.unit.test_envoy import OTLP, TRACERS, tracer

EXPRESSION = Unevaluated("var.value")


def mistakes(value: object, name: str) -> dict[str, str]:
    return {".".join(one.path): one.reason for one in read(value, name).mistakes}


@pytest.mark.parametrize("cluster", VALID)
def test_canonical_value_is_the_same_message_for_envoy(cluster: dict[str, Any]) -> None:
    def parsed(value: Any) -> Any:
        message_ = json_format.ParseDict({"static_resources": {"clusters": [value]}}, bootstrap_pb2.Bootstrap())
        return json.loads(json.dumps(as_json(message_)).replace("type.googleapis.com/", ""))

    canonical = read(cluster, CLUSTER).value
    assert parsed(canonical) == parsed(cluster)
    assert read(canonical, CLUSTER).value == canonical


@pytest.mark.parametrize("cluster", [*VALID, *LENIENT[:-1]])
def test_accepted_cluster_has_no_mistake(cluster: dict[str, Any]) -> None:
    assert read(cluster, CLUSTER).mistakes == []


@pytest.mark.parametrize("name", TRACERS)
def test_tracers_of_this_package_have_no_mistake(name: str) -> None:
    assert mistakes(tracer(tracer=TRACERS[name]), PROVIDER) == {}


def test_leniencies_of_envoys_parser_have_the_canonical_form() -> None:
    given = {
        "type": "strict_dns",
        "lbPolicy": 1,
        "respect_dns_ttl": "Yes",
        "connectTimeout": "1.50s",
        "per_connection_buffer_limit_bytes": "32768",
        "health_checks": {"reuse_connection": "f", "unhealthy_threshold": 2.0},
        "circuit_breakers": {"thresholds": [[{"priority": 0, "track_remaining": False}]]},
    }
    assert read(given, CLUSTER).value == {
        "type": "STRICT_DNS",
        "lb_policy": "LEAST_REQUEST",
        "respect_dns_ttl": True,
        "connect_timeout": "1.5s",
        "per_connection_buffer_limit_bytes": 32768,
        "health_checks": [{"reuse_connection": False, "unhealthy_threshold": 2}],
        "circuit_breakers": {"thresholds": [{}]},
    }


def test_zero_of_a_plain_field_is_unset_and_zero_of_another_is_not() -> None:
    given = {
        "verbose": False,
        "operation": "",
        "custom_tags": [],
        "max_path_tag_length": 0,
        "random_sampling": {"value": 0},
    }
    assert read(given, LISTENER_TRACING).value == {"max_path_tag_length": 0, "random_sampling": {}}


def otlp(**fields: Any) -> dict[str, Any]:
    given = tracer(tracer=OTLP)
    return {**given, "typed_config": {**given["typed_config"], **fields}}


def extension(message_: str, **fields: Any) -> dict[str, Any]:
    field = "samplers" if "Sampler" in message_ else "resource_detectors"
    config = {"@type": f"type.googleapis.com/envoy.extensions.tracers.opentelemetry.{field}.v3.{message_}", **fields}
    return {"name": "any", "typed_config": config}


RATIO = extension("TraceIdRatioBasedSamplerConfig", sampling_percentage={"numerator": 1, "denominator": "million"})
VALID_TRACERS = [
    otlp(sampler=extension("ParentBasedSamplerConfig", wrapped_sampler=RATIO)),
    otlp(resource_detectors=extension("StaticConfigResourceDetectorConfig", attributes={"aB": "c"})),
]
INVALID_TRACERS = [
    (otlp(sampler=extension("ParentBasedSamplerConfig", wraped_sampler=RATIO)), "sampler.typed_config.wraped_sampler"),
    (
        otlp(sampler=extension("TraceIdRatioBasedSamplerConfig", sampling_percentage={"denominator": "THOUSAND"})),
        "sampler.typed_config.sampling_percentage.denominator",
    ),
    (
        otlp(resource_detectors=[extension("StaticConfigResourceDetectorConfig", atributes={"a": "b"})]),
        "resource_detectors.0.typed_config.atributes",
    ),
    (otlp(max_cache_size="many"), "max_cache_size"),
]
"""Providers with the path of their mistake inside of the tracer. tests/mesh/test_tracers_of_envoy.py validates them."""


@pytest.mark.parametrize("provider", VALID_TRACERS)
def test_valid_tracer_has_no_mistake(provider: dict[str, Any]) -> None:
    assert mistakes(provider, PROVIDER) == {}


@pytest.mark.parametrize(("provider", "path"), INVALID_TRACERS)
def test_mistake_inside_of_a_tracer_is_found(provider: dict[str, Any], path: str) -> None:
    assert f"typed_config.{path}" in mistakes(provider, PROVIDER)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (EXPRESSION, []),
        ({"name": EXPRESSION, "type": EXPRESSION, "health_checks": EXPRESSION}, []),
        ({"name": "a", "connect_timeout": EXPRESSION, "lb_policy": "x"}, ["lb_policy"]),
        (
            {"name": "a", "circuit_breakers": {"thresholds": [EXPRESSION, {"a": 1}]}},
            ["circuit_breakers.thresholds.1.a"],
        ),
        ({"name": "a", "upstream_config": {"name": "b", "typed_config": {"@type": EXPRESSION, "x": 1}}}, []),
        ({"name": "a", "upstream_config": {"name": "b", "typed_config": EXPRESSION}}, []),
    ],
)
def test_expression_is_not_checked_and_its_neighbours_are(value: object, expected: list[str]) -> None:
    assert [*mistakes(value, CLUSTER)] == expected


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("conect_timeout", Kind.MISSPELT),
        ("health", Kind.MISSPELT),
        ("hosts", Kind.FORMER),
        ("field_of_a_newer_envoy", Kind.UNKNOWN),
    ],
)
def test_field_that_envoy_does_not_have_is_misspelt_former_or_newer(field: str, kind: Kind) -> None:
    (found,) = read({"name": "a", field: 1}, CLUSTER).mistakes
    assert found.kind is kind


def test_newer_envoy_may_have_another_member_of_a_group() -> None:
    group = "must have exactly one of literal, environment, request_header, metadata, value; got none"
    assert mistakes({"custom_tags": [{"tag": "a"}]}, LISTENER_TRACING) == {"custom_tags.0": group}
    assert [*mistakes({"custom_tags": [{"tag": "a", "newer_source": {}}]}, LISTENER_TRACING)] == [
        "custom_tags.0.newer_source"
    ]


def test_value_that_is_too_deep_for_envoy_is_a_mistake() -> None:
    matcher: dict[str, Any] = {}
    for _ in range(300):
        matcher = {"on_no_match": {"matcher": matcher}}
    (found,) = read({"name": "a", "transport_socket_matcher": matcher}, CLUSTER).mistakes
    assert (len(found.path), found.reason) == (101, "must be at most 100 levels deep, got a map")


def test_message_that_is_not_known_is_not_checked() -> None:
    assert read({"@type": "a/example.Config", "anyField": None, "b": {"cD": 1}}, ANY).value == {
        "@type": "example.Config",
        "anyField": None,
        "b": {"cD": 1},
    }


def test_tables_of_releases_name_messages_and_fields() -> None:
    for name in SINCE:
        holder, _, field = name.rpartition(".")
        found = message(holder)
        assert message(name) or (found and field in found.fields), name


@pytest.mark.parametrize(
    ("name", "value", "fix"),
    [
        (CLUSTER, {"name": "a", "tlsContext": {}}, "Set transport_socket"),
        (PROVIDER, {"name": "a", "config": {}}, "Set typed_config"),
        (LISTENER_TRACING, {"operation_name": "EGRESS"}, "Remove it"),
    ],
)
def test_field_of_the_v2_api_has_its_replacement(name: str, value: object, fix: str) -> None:
    assert [*mistakes(value, name).values()] == [f"belongs to Envoy's v2 API. {fix}"]
