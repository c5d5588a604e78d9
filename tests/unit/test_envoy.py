import itertools
from typing import Any

import pytest
from envoy.config.cluster.v3 import cluster_pb2

from consul_tracing import envoy
from consul_tracing.entries.bodies import bootstrap_hash, canonical_json, gateway_arguments, proxy_defaults
from consul_tracing.inputs.mesh_settings import Sampling, Spans, Tag
from consul_tracing.inputs.static_clusters import CLUSTER
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
def test_every_tracer_is_valid_envoy_configuration(name: str, tls: dict[str, str] | None) -> None:
    collector = {"host": "collector", **({"tls": tls} if tls else {})}
    assert tracer(collector=collector, tracer=TRACERS[name])["name"].startswith("envoy.tracers.")
    assert cluster(collector=collector, tracer=TRACERS[name], envoy_version="1.36")["name"] == "tracing_collector"


def test_zero_random_sampling_is_written_explicitly() -> None:
    assert envoy.percentages(Sampling(random=0))["random_sampling"] == {"value": 0.0}


def test_all_three_sampling_rates_are_written() -> None:
    assert envoy.percentages(Sampling()) == {
        "client_sampling": {"value": 100},
        "random_sampling": {"value": 1},
        "overall_sampling": {"value": 100},
    }


def test_join_omits_the_tracer_from_the_listener() -> None:
    assert "provider" not in envoy.listener_tracing(settings())


def test_skip_writes_the_tracer_into_the_listener() -> None:
    skip_settings = settings(gateways="skip")
    assert envoy.listener_tracing(skip_settings)["provider"] == envoy.bootstrap_tracing(skip_settings)["http"]


def test_span_fields_are_written_if_they_differ_from_the_default_of_envoy() -> None:
    spans = {"max_path_tag_length": 1024, "spawn_upstream_span": True, "verbose": False}
    block = envoy_messages.listener(canonical_json(envoy.listener_tracing(settings(spans=spans))))
    assert block.max_path_tag_length.value == 1024
    assert block.spawn_upstream_span.value is True
    assert not block.verbose
    assert envoy.span_fields(Spans()) == {}


@pytest.mark.parametrize("transport", ["grpc", "http"])
def test_export_has_its_headers_and_its_timeout(transport: str) -> None:
    exporter = {"transport": transport, "headers": {"X-Scope-OrgID": "shop"}}
    collector = {"host": "collector", "connect_timeout_ms": 100, "export_timeout_ms": 2500}
    config = tracer(tracer={"opentelemetry": exporter}, collector=collector)["typed_config"]
    if transport == "grpc":
        assert config["grpc_service"]["initial_metadata"] == [{"key": "x-scope-orgid", "value": "shop"}]
        assert config["grpc_service"]["timeout"] == "2.500s"
    else:
        added = config["http_service"]["request_headers_to_add"]
        assert added == [{"header": {"key": "x-scope-orgid", "value": "shop"}}]
        assert config["http_service"]["http_uri"]["timeout"] == "2.500s"


def test_environment_of_a_proxy_replaces_the_other_resource_attributes() -> None:
    exporter = {"service_name": "mesh", "resource_attributes": {"service.name": "other"}}
    detectors = tracer(tracer={"opentelemetry": exporter})["typed_config"]["resource_detectors"]
    assert [one["name"].rpartition(".")[2] for one in detectors] == ["static_config", "environment"]


def test_tags_are_sorted_by_name() -> None:
    block = envoy.listener_tracing(settings(tags={"b": {"literal": "2"}, "a": {"literal": "1"}}))
    assert [tag["tag"] for tag in block["custom_tags"]] == ["a", "b"]


def test_request_header_tag_has_its_default_value() -> None:
    assert envoy.custom_tag("user", Tag(request_header="X-User", default="anonymous")) == {
        "tag": "user",
        "request_header": {"name": "x-user", "default_value": "anonymous"},
    }


def test_environment_tag_without_a_default_has_no_default_value() -> None:
    assert envoy.custom_tag("zone", Tag(environment="ZONE")) == {"tag": "zone", "environment": {"name": "ZONE"}}


def test_zipkin_has_128_bit_ids_and_unshared_spans_by_default() -> None:
    config = tracer()["typed_config"]
    assert config["trace_id_128bit"] is True
    assert config["shared_span_context"] is False
    assert config["collector_endpoint_version"] == "HTTP_JSON"


def test_zipkin_host_header_defaults_to_the_collector_host() -> None:
    assert tracer()["typed_config"]["collector_hostname"] == "zipkin"
    assert tracer(tracer={"zipkin": {"hostname": "spans"}})["typed_config"]["collector_hostname"] == "spans"


def test_b3_propagation_omits_the_option_of_newer_envoys() -> None:
    assert "trace_context_option" not in tracer()["typed_config"]


def test_b3_w3c_propagation_sets_the_trace_context_option() -> None:
    config = tracer(tracer={"zipkin": {"propagation": "b3+w3c"}})["typed_config"]
    assert config["trace_context_option"] == "USE_B3_WITH_W3C_PROPAGATION"


def test_collector_cluster_name_is_consistent() -> None:
    written = cluster()
    named = {written["name"], written["load_assignment"]["cluster_name"], tracer()["typed_config"]["collector_cluster"]}
    assert named == {"tracing_collector"}


def test_collector_host_name_is_resolved_by_dns() -> None:
    assert cluster()["type"] == "STRICT_DNS"
    assert cluster()["dns_lookup_family"] == "V4_PREFERRED"


@pytest.mark.parametrize(
    ("kind", "port"),
    [("zipkin", 9411), ("otlp-grpc", 4317), ("otlp-http", 4318), ("datadog", 8126)],
)
def test_collector_port_defaults_to_the_port_of_the_tracer(kind: str, port: int) -> None:
    address = cluster(tracer=TRACERS[kind])["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]["address"]
    assert address["socket_address"] == {"address": "zipkin", "port_value": port}


def test_otlp_over_grpc_uses_http2() -> None:
    options = cluster(tracer=TRACERS["otlp-grpc"])["typed_extension_protocol_options"]
    assert options["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]["explicit_http_config"] == {
        "http2_protocol_options": {}
    }
    assert "typed_extension_protocol_options" not in cluster(tracer=TRACERS["otlp-http"])


def test_collector_certificate_is_verified_with_its_host_name() -> None:
    context = tls_context(collector={"host": "zipkin.example.com.", "tls": TLS})
    verified = context["common_tls_context"]["validation_context"]
    assert verified["trusted_ca"] == {"filename": "/etc/ssl/ca.pem"}
    assert verified["match_typed_subject_alt_names"] == [
        {"san_type": "DNS", "matcher": {"exact": "zipkin.example.com"}}
    ]
    assert context["sni"] == "zipkin.example.com"


def test_collector_with_an_ip_address_is_verified_without_sni() -> None:
    context = tls_context(collector={"host": "10.0.0.7", "tls": TLS})
    names = context["common_tls_context"]["validation_context"]["match_typed_subject_alt_names"]
    assert names == [{"san_type": "IP_ADDRESS", "matcher": {"exact": "10.0.0.7"}}]
    assert "sni" not in context


def test_client_certificate_is_presented_to_the_collector() -> None:
    own = {**TLS, "certificate_file": "/etc/ssl/proxy.pem", "key_file": "/etc/ssl/proxy.key"}
    assert tls_context(collector={"host": "zipkin", "tls": own})["common_tls_context"]["tls_certificates"] == [
        {"certificate_chain": {"filename": "/etc/ssl/proxy.pem"}, "private_key": {"filename": "/etc/ssl/proxy.key"}}
    ]


def test_otlp_over_grpc_with_tls_negotiates_http2() -> None:
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
def test_collector_url_has_scheme_host_port_and_path(args: dict[str, Any], url: str) -> None:
    assert envoy.collector_url(settings(**args)) == url


OTLP = {"opentelemetry": {}}


def ratio(random: float) -> Any:
    sampler = tracer(tracer=OTLP, sampling={"random": random})["typed_config"]["sampler"]
    assert sampler["name"] == "envoy.tracers.opentelemetry.samplers.parent_based"
    return sampler["typed_config"]["wrapped_sampler"]["typed_config"]["sampling_percentage"]


@pytest.mark.parametrize(
    ("random", "numerator", "denominator"),
    [
        (0, 0, "TEN_THOUSAND"),
        (0.01, 1, "TEN_THOUSAND"),
        (0.07, 7, "TEN_THOUSAND"),
        (0.015, 150, "MILLION"),
        (1, 100, "TEN_THOUSAND"),
        (12.345, 123450, "MILLION"),
        (100, 10_000, "TEN_THOUSAND"),
    ],
)
def test_rate_of_opentelemetry_is_exact_in_its_sampler(random: float, numerator: int, denominator: str) -> None:
    rate = ratio(random)
    assert (rate.get("numerator", 0), rate["denominator"]) == (numerator, denominator)


@pytest.mark.parametrize("gateways", ["join", "skip"])
def test_listener_and_gateways_sample_all_requests_if_the_tracer_has_a_sampler(gateways: str) -> None:
    mesh = settings(tracer=OTLP, sampling={"random": 5}, gateways=gateways)
    block = envoy_messages.listener(canonical_json(envoy.listener_tracing(mesh)))
    assert {block.client_sampling.value, block.random_sampling.value, block.overall_sampling.value} == {100}
    assert '"tracing.random_sampling":{"denominator":"TEN_THOUSAND","numerator":10000}' in "".join(
        gateway_arguments(settings(tracer=OTLP, sampling={"random": 5}))
    )


@pytest.mark.parametrize(
    "args", [{"tracer": OTLP, "envoy_version": "1.34"}, {"tracer": {"zipkin": {}}, "envoy_version": "1.40"}]
)
def test_rate_is_in_the_listener_without_a_sampler(args: dict[str, Any]) -> None:
    mesh = settings(**args, sampling={"random": 5, "client": 50, "overall": 20})
    assert "sampler" not in canonical_json(envoy.bootstrap_tracing(mesh))
    block = envoy_messages.listener(canonical_json(envoy.listener_tracing(mesh)))
    rates = block.random_sampling.value, block.client_sampling.value, block.overall_sampling.value
    assert rates == (5, 50, 20)
    assert '"numerator":500' in "".join(gateway_arguments(mesh))


def test_rate_is_part_of_the_bootstrap_if_the_tracer_has_a_sampler() -> None:
    def hashed(random: float, **args: Any) -> str:
        return bootstrap_hash(proxy_defaults(settings(tracer=OTLP, sampling={"random": random}, **args)).body)

    assert hashed(1) != hashed(2)
    assert hashed(1, gateways="skip") == hashed(2, gateways="skip")
    assert hashed(1, envoy_version="1.34") == hashed(2, envoy_version="1.34")


def test_gateway_runtime_has_the_random_sampling_rate() -> None:
    layer = envoy.gateway_runtime(Sampling(random=12.34))["layered_runtime"]["layers"][0]
    assert layer["static_layer"] == {"tracing.random_sampling": {"numerator": 1234, "denominator": "TEN_THOUSAND"}}


def test_gateway_runtime_has_the_overall_sampling_rate() -> None:
    layer = envoy.gateway_runtime(Sampling(random=100, overall=50))["layered_runtime"]["layers"][0]
    assert layer["static_layer"]["tracing.global_enabled"] == {"numerator": 5000, "denominator": "TEN_THOUSAND"}


def test_cluster_fields_are_those_of_the_envoy_api() -> None:
    envoy_fields = {field.name for field in cluster_pb2.Cluster.DESCRIPTOR.fields}
    assert envoy_fields == CLUSTER.keys()
