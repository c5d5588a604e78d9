import json
from typing import Any

import pytest

from consul_tracing.cli.verify.consul_config import config_from
from consul_tracing.cli.verify.tracers import endpoints, tracer_of
from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.entries.tracing_keys import UNTRACED, TracingKeys
from tests.unit.meshes import settings


def test_rendered_entries_are_read() -> None:
    mesh = settings(services={"web": {"protocol": "http"}}, sampling={"random": 5})
    entries = [{"Name": one.name, **one.body} for one in service_defaults(mesh).values()]
    config = config_from(proxy_defaults(mesh).body, entries)
    assert tracer_of(config.keys.bootstrap_tracer or {}).cluster == "tracing_collector"
    assert len(endpoints(config.keys.clusters["tracing_collector"])) == 1
    assert config.keys.listener_block["random_sampling"] == {"value": 5}
    assert "@type" not in config.keys.listener_block
    assert (config.is_http("web"), config.is_http("db")) == (True, False)


@pytest.mark.parametrize(
    "config", [None, {}, {"envoy_tracing_json": "{", "envoy_listener_tracing_json": "[]", "protocol": None}]
)
def test_missing_and_invalid_values_are_empty(config: Any) -> None:
    found = config_from({"Config": config}, [{"Name": "web", "Protocol": ""}])
    assert (found.keys, found.keys.listener_block, found.is_http("web")) == (TracingKeys(), UNTRACED, False)
    assert config_from({}, []).keys == TracingKeys()


def test_keys_ignore_case_and_the_default_protocol_applies() -> None:
    tracing = json.dumps({"http": {"name": "envoy.tracers.zipkin"}})
    found = config_from(
        {"Config": {"Envoy_Tracing_JSON": tracing, "Protocol": "HTTP"}}, [{"Name": "db", "Protocol": "tcp"}]
    )
    assert found.keys.tracer
    assert (found.is_http("web"), found.is_http("db")) == (True, False)


def test_camel_case_and_single_members_are_read() -> None:
    tracing = {"http": {"name": "envoy.tracers.zipkin", "typedConfig": {"collectorCluster": "zip"}}}
    address = {"socketAddress": {"address": "z", "portValue": "9411"}}
    cluster = {"name": "zip", "loadAssignment": {"endpoints": {"lbEndpoints": {"endpoint": {"address": address}}}}}
    config = {
        "envoy_tracing_json": json.dumps(tracing),
        "envoy_listener_tracing_json": json.dumps({"randomSampling": {"value": 0}}),
        "envoy_extra_static_clusters_json": json.dumps(cluster),
    }
    found = config_from({"Config": config}, [])
    assert tracer_of(found.keys.tracer or {}).cluster == "zip"
    assert found.keys.listener_block == {"random_sampling": {"value": 0}}
    assert endpoints(found.keys.clusters["zip"]) == (("z", 9411),)


@pytest.mark.parametrize("value", [5, "x", [1], {"http": "x"}, {"http": {"typed_config": [1]}}])
def test_values_of_any_type_are_read(value: Any) -> None:
    cluster = {"name": "a", "load_assignment": value}
    config = {
        "envoy_tracing_json": json.dumps(value),
        "envoy_listener_tracing_json": json.dumps(value),
        "envoy_extra_static_clusters_json": json.dumps(cluster),
    }
    assert endpoints(config_from({"Config": config}, []).keys.clusters["a"]) == ()
