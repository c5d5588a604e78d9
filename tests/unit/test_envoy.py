import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from consul_tracing import envoy
from consul_tracing.entries.bodies import (
    bootstrap_hash,
    canonical_json,
    gateway_arguments,
    proxy_defaults,
    tracing_config,
)
from consul_tracing.inputs.tracer_settings import Sampling
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY
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


@pytest.mark.parametrize(("name", "tls"), list(itertools.product(TRACERS, [None, TLS])))
def test_every_tracer_is_valid_envoy_configuration(name: str, tls: dict[str, str] | None) -> None:
    collector = {"host": "collector", **({"tls": tls} if tls else {})}
    assert tracer(collector=collector, tracer=TRACERS[name])["name"].startswith("envoy.tracers.")
    assert cluster(collector=collector, tracer=TRACERS[name], envoy_version="1.36")["name"] == "tracing_collector"


def values(value: Any, path: str = "") -> dict[str, Any]:
    """Return the values inside of a JSON value, by their paths."""
    if not isinstance(value, dict | list) or not value:
        return {path: value}
    members = value.items() if isinstance(value, dict) else enumerate(value)
    return {key: one for name, member in members for key, one in values(member, f"{path}.{name}".lstrip(".")).items()}


def written(**args: Any) -> dict[str, Any]:
    """Return the values in the three Envoy keys for these arguments. Envoy's messages must accept the keys."""
    config = tracing_config(settings(**{"envoy_version": "1.36", **args}))
    envoy_messages.parse_config(config)
    names = {TRACER_KEY: "tracer", LISTENER_KEY: "listener", CLUSTERS_KEY: "clusters"}
    return {key: one for name, text in config.items() for key, one in values(json.loads(text), names[name]).items()}


OTLP_HTTP = {"transport": "http", "headers": {"X-Scope-OrgID": "shop"}}
SLOW = {"host": "zipkin", "connect_timeout_ms": 100}
AUTHORIZED = {"host": "zipkin", "auth": {"header": "X-Api-Key", "file": '/etc/the "token"'}}
OWN_CERTIFICATE = {**TLS, "certificate_file": "/etc/ssl/proxy.pem", "key_file": "/etc/ssl/proxy.key"}
TAGS = {"b": {"literal": "2"}, "a": {"request_header": "X-User", "default": "anonymous"}, "c": {"environment": "ZONE"}}
STATED: dict[str, dict[str, Any]] = {
    "a random rate of zero is written": {"sampling": {"random": 0}},
    "skip writes the tracer into the listener and not into the bootstrap": {"gateways": "skip"},
    "span fields are written if they differ from Envoy's defaults": {
        "spans": {"max_path_tag_length": 1024, "spawn_upstream_span": True, "verbose": False}
    },
    "tags are sorted by name, and header names are in lower case": {"tags": TAGS},
    "a tag of the caller reads the metadata of Consul's listeners": {
        "tags": {"caller": {"caller": "service", "default": "none"}, "dc": {"caller": "datacenter"}}
    },
    "the Host header of spans is the input hostname": {"tracer": {"zipkin": {"hostname": "spans"}}},
    "b3+w3c sets the option of Envoy 1.36": {"tracer": {"zipkin": {"propagation": "b3+w3c"}}},
    "OTLP over gRPC uses HTTP/2, port 4317 and the headers": {
        "tracer": {"opentelemetry": {"headers": {"X-Scope-OrgID": "shop"}}},
        "collector": SLOW,
    },
    "OTLP over HTTP uses port 4318, the export timeout and the headers": {
        "tracer": {"opentelemetry": OTLP_HTTP},
        "collector": {**SLOW, "export_timeout_ms": 2500},
    },
    "a credential is added by a filter of the cluster, before the one that sends the request": {
        "collector": AUTHORIZED,
    },
    "a credential for OTLP over gRPC keeps HTTP/2": {"collector": AUTHORIZED, "tracer": {"opentelemetry": {}}},
    "headers of Zipkin need collector_service, with the same path and Host header": {
        "tracer": {"zipkin": {"headers": {"X-Scope-OrgID": "shop"}, "path": "/a/api/v2/spans", "hostname": "spans"}}
    },
    "headers of Zipkin over TLS": {
        "collector": {"host": "::1", "tls": TLS},
        "tracer": {"zipkin": {"headers": {"X-Scope-OrgID": "shop"}}},
    },
    "an outage of 10 seconds needs seven retries, and more than Envoy's three retries at a time": {
        "tracer": {"opentelemetry": {"retry_seconds": 10}}
    },
    "the cache is that of the tracer": {"tracer": {"opentelemetry": {"max_cache_size": 4096}}},
    "the environment of a proxy replaces the other resource attributes": {
        "tracer": {"opentelemetry": {"service_name": "mesh", "resource_attributes": {"service.name": "other"}}}
    },
    "Datadog uses port 8126": {"tracer": {"datadog": {"service_name": "mesh"}}},
    "the certificate is verified with the host name, without a dot at its end": {
        "collector": {"host": "zipkin.example.com.", "tls": TLS}
    },
    "the certificate of an IP address is verified without SNI": {"collector": {"host": "10.0.0.7", "tls": TLS}},
    "the own certificate is presented": {"collector": {"host": "zipkin", "tls": OWN_CERTIFICATE}},
    "OTLP over gRPC with TLS negotiates HTTP/2": {
        "collector": {"host": "zipkin", "tls": TLS},
        "tracer": {"opentelemetry": {}},
    },
}
"""Arguments by the claim about their configuration."""


def test_configuration_matches_the_golden_file(golden: Callable[[str, Any], None]) -> None:
    """The file has the complete default configuration, and for each claim the values that are added or removed."""
    default = written()
    found: dict[str, Any] = {"default": default}
    for claim, args in STATED.items():
        config = written(**args)
        added = {path: one for path, one in config.items() if default.get(path) != one}
        found[claim] = {**added, "removed": sorted(default.keys() - config.keys())}
    golden("envoy", found)


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


@pytest.mark.parametrize("name", TRACERS)
def test_ipv6_address_of_the_collector_is_in_brackets_in_the_host_of_each_tracer(name: str) -> None:
    text = canonical_json(tracer(collector={"host": "fd00::1"}, tracer=TRACERS[name]))
    assert text.count("fd00::1") == text.count("[fd00::1]") == 1


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


def test_environment_of_a_service_is_its_own_or_that_of_the_template() -> None:
    known = {"web": {"DD_SERVICE": "shop-web"}, "*": {"DD_SERVICE": "{service}"}}
    environments = {service: envoy.environment_of(service, known) for service in ("web", "api")}
    assert environments == {"web": {"DD_SERVICE": "shop-web"}, "api": {"DD_SERVICE": "api"}}
    assert envoy.environment_of("api", {}) == {}
    assert envoy.environment_of("a,b", {"*": {"OTEL_RESOURCE_ATTRIBUTES": "service.name={service}"}}) == {}


def test_envoy_samples_each_hundredth_of_a_percent() -> None:
    """Envoy multiplies by 100 and truncates."""
    for hundredths in range(1, 10_001):
        written = envoy.exact(hundredths / 100)
        assert (int(written * 100), round(written, 9)) == (hundredths, hundredths / 100)


def test_gateway_runtime_has_the_random_sampling_rate() -> None:
    layer = envoy.gateway_runtime(Sampling(random=12.34))["layered_runtime"]["layers"][0]
    assert layer["static_layer"] == {"tracing.random_sampling": {"numerator": 1234, "denominator": "TEN_THOUSAND"}}


def test_gateway_runtime_has_the_overall_sampling_rate() -> None:
    layer = envoy.gateway_runtime(Sampling(random=100, overall=50))["layered_runtime"]["layers"][0]
    assert layer["static_layer"]["tracing.global_enabled"] == {"numerator": 5000, "denominator": "TEN_THOUSAND"}
