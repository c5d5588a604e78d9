import itertools
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from consul_tracing import envoy
from consul_tracing.entries import canonical_json
from consul_tracing.envoy import CLUSTER_FIELDS
from consul_tracing.settings import Sampling, Tag
from tests.unit import envoy_messages
from tests.unit.meshes import settings

TLS = {"ca_file": "/etc/ssl/ca.pem"}
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {}},
    "zipkin-protobuf-w3c": {"zipkin": {"encoding": "protobuf", "propagation": "b3+w3c"}},
    "otlp-grpc": {"opentelemetry": {"service_name": "mesh"}},
    "otlp-http": {"opentelemetry": {"transport": "http", "resource_attributes": {"deployment.environment": "dev"}}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}


def cluster(**args: Any) -> Any:
    return envoy_messages.as_json(envoy_messages.clusters(canonical_json(envoy.collector_cluster(settings(**args))))[0])


def tracer(**args: Any) -> dict[str, Any]:
    text = canonical_json(envoy.bootstrap_tracing(settings(envoy_version="1.36", **args)))
    return envoy_messages.as_json(envoy_messages.tracer(text))["http"]  # type: ignore[no-any-return]


def tls_context(**args: Any) -> dict[str, Any]:
    return cluster(**args)["transport_socket"]["typed_config"]  # type: ignore[no-any-return]


@pytest.mark.parametrize(("name", "tls"), list(itertools.product(TRACERS, [None, TLS])))
def test_every_tracer_is_what_envoy_parses(name: str, tls: dict[str, str] | None) -> None:
    collector = {"host": "collector", **({"tls": tls} if tls else {})}
    assert tracer(collector=collector, tracer=TRACERS[name])["name"].startswith("envoy.tracers.")
    assert cluster(collector=collector, tracer=TRACERS[name], envoy_version="1.36")["name"] == "tracing_collector"


def test_a_zero_random_percentage_is_written_out() -> None:
    assert envoy.percentages(Sampling(random=0))["random_sampling"] == {"value": 0.0}


def test_all_three_percentages_are_always_written() -> None:
    assert envoy.percentages(Sampling()) == {
        "client_sampling": {"value": 100},
        "random_sampling": {"value": 1},
        "overall_sampling": {"value": 100},
    }


def test_a_joining_gateways_listener_block_brings_no_tracer() -> None:
    assert "provider" not in envoy.listener_tracing(settings())


def test_a_skipping_meshs_listener_block_brings_its_tracer() -> None:
    skipping = settings(gateways="skip")
    assert envoy.listener_tracing(skipping)["provider"] == envoy.bootstrap_tracing(skipping)["http"]


def test_tags_stand_in_the_order_of_their_names() -> None:
    block = envoy.listener_tracing(settings(tags={"b": {"literal": "2"}, "a": {"literal": "1"}}))
    assert [tag["tag"] for tag in block["custom_tags"]] == ["a", "b"]


def test_a_tag_from_a_header_falls_back_to_its_default() -> None:
    assert envoy.custom_tag("user", Tag(request_header="X-User", default="nobody")) == {
        "tag": "user",
        "request_header": {"name": "x-user", "default_value": "nobody"},
    }


def test_a_tag_from_the_environment_without_a_default_has_none() -> None:
    assert envoy.custom_tag("zone", Tag(environment="ZONE")) == {"tag": "zone", "environment": {"name": "ZONE"}}


def test_zipkin_gets_128_bit_ids_and_spans_of_their_own() -> None:
    config = tracer()["typed_config"]
    assert config["trace_id_128bit"] is True
    assert config["shared_span_context"] is False
    assert config["collector_endpoint_version"] == "HTTP_JSON"


def test_zipkins_host_header_is_the_collectors_host() -> None:
    assert tracer()["typed_config"]["collector_hostname"] == "zipkin"
    assert tracer(tracer={"zipkin": {"hostname": "spans"}})["typed_config"]["collector_hostname"] == "spans"


def test_b3_alone_asks_for_nothing_that_an_older_envoy_lacks() -> None:
    assert "trace_context_option" not in tracer()["typed_config"]


def test_w3c_headers_stand_beside_b3() -> None:
    config = tracer(tracer={"zipkin": {"propagation": "b3+w3c"}})["typed_config"]
    assert config["trace_context_option"] == "USE_B3_WITH_W3C_PROPAGATION"


def test_the_cluster_has_one_name_in_all_three_places() -> None:
    written = cluster()
    named = {written["name"], written["load_assignment"]["cluster_name"], tracer()["typed_config"]["collector_cluster"]}
    assert named == {"tracing_collector"}


def test_the_collectors_name_is_looked_up() -> None:
    assert cluster()["type"] == "STRICT_DNS"
    assert cluster()["dns_lookup_family"] == "V4_PREFERRED"


@pytest.mark.parametrize(
    ("kind", "port"),
    [("zipkin", 9411), ("otlp-grpc", 4317), ("otlp-http", 4318), ("datadog", 8126)],
)
def test_the_port_is_the_tracers_own(kind: str, port: int) -> None:
    address = cluster(tracer=TRACERS[kind])["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address["socket_address"] == {"address": "zipkin", "port_value": port}


def test_grpc_goes_over_http2() -> None:
    options = cluster(tracer=TRACERS["otlp-grpc"])["typed_extension_protocol_options"]
    assert options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"] == {
        "http2_protocol_options": {}
    }
    assert "typed_extension_protocol_options" not in cluster(tracer=TRACERS["otlp-http"])


def test_the_collectors_certificate_and_its_name_are_verified() -> None:
    context = tls_context(collector={"host": "zipkin.example.com.", "tls": TLS})
    verified = context["common_tls_context"]["validation_context"]
    assert verified["trusted_ca"] == {"filename": "/etc/ssl/ca.pem"}
    assert verified["match_typed_subject_alt_names"] == [
        {"san_type": "DNS", "matcher": {"exact": "zipkin.example.com"}}
    ]
    assert context["sni"] == "zipkin.example.com"


def test_a_collector_known_by_its_address_is_verified_by_it_and_gets_no_sni() -> None:
    context = tls_context(collector={"host": "10.0.0.7", "tls": TLS})
    names = context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert names == [{"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.7"}}]
    assert "sni" not in context


def test_a_proxy_shows_its_own_certificate_where_it_has_one() -> None:
    own = {**TLS, "certificate_file": "/etc/ssl/proxy.pem", "key_file": "/etc/ssl/proxy.key"}
    assert tls_context(collector={"host": "zipkin", "tls": own})["common_tls_context"]["tls_certificates"] == [
        {"certificate_chain": {"filename": "/etc/ssl/proxy.pem"}, "private_key": {"filename": "/etc/ssl/proxy.key"}}
    ]


def test_grpc_over_tls_agrees_on_http2() -> None:
    context = tls_context(collector={"host": "otlp", "tls": TLS}, tracer=TRACERS["otlp-grpc"])
    assert context["common_tls_context"]["alpn_protocols"] == ["h2"]


@pytest.mark.parametrize(
    ("args", "url"),
    [
        ({}, "http://zipkin:9411/api/v2/spans"),
        ({"collector": {"host": "::1"}}, "http://[::1]:9411/api/v2/spans"),
        ({"collector": {"host": "z", "port": 443, "tls": TLS}}, "https://z:443/api/v2/spans"),
        ({"tracer": TRACERS["otlp-grpc"]}, "http://zipkin:4317"),
        ({"tracer": TRACERS["otlp-http"]}, "http://zipkin:4318/v1/traces"),
        ({"tracer": TRACERS["datadog"]}, "http://zipkin:8126"),
    ],
)
def test_the_collectors_url_says_where_spans_go(args: dict[str, Any], url: str) -> None:
    assert envoy.collector_url(settings(**args)) == url


def test_a_gateway_starts_traces_at_the_random_rate() -> None:
    layer = envoy.gateway_runtime(Sampling(random=12.34))["layered_runtime"]["layers"][0]
    assert layer["static_layer"] == {"tracing.random_sampling": {"numerator": 1234, "denominator": "TEN_THOUSAND"}}


def test_a_gateway_keeps_the_overall_bound() -> None:
    layer = envoy.gateway_runtime(Sampling(random=100, overall=50))["layered_runtime"]["layers"][0]
    assert layer["static_layer"]["tracing.global_enabled"] == {"numerator": 5000, "denominator": "TEN_THOUSAND"}


def test_the_known_cluster_fields_are_envoys_own() -> None:
    envoys = {field.name for field in cluster_pb2.Cluster.DESCRIPTOR.fields}
    assert envoys == CLUSTER_FIELDS
