"""Warnings about valid settings. The golden file has them whole, in the order of the rows."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from consul_tracing.inputs.warnings import setting_warnings
from tests.unit.inputs.test_tracers import listener, manager
from tests.unit.meshes import settings

UNTRACED, TRACED = json.dumps(listener(manager())), json.dumps(listener(manager(tracing={})))
OTLP: dict[str, Any] = {"tracer": {"opentelemetry": {"service_name": "mesh"}}}
W3C: dict[str, Any] = {"tracer": {"zipkin": {"propagation": "b3+w3c"}}, "envoy_version": "1.36"}
AUTH = {"file": "/etc/consul-tracing/token"}
ON_KUBERNETES: dict[str, Any] = {"target": "kubernetes", "collector": {"host": "zipkin.example.com"}}


def warnings_of(*, single_machine: bool = False, **args: Any) -> list[str]:
    given = {"services": {"web": {"protocol": "http"}}, **args}
    return list(setting_warnings(settings(**given), single_machine=single_machine))


def collector(host: str, **fields: Any) -> dict[str, Any]:
    return {"collector": {"host": host, **fields}}


def upstreams(**config: Any) -> dict[str, Any]:
    return {"services": {"web": {"protocol": "http", "service_defaults": {"UpstreamConfig": config}}}}


LARGE_HEADERS = {"services": {"web": {"protocol": "http", "service_defaults": {"MaxRequestHeadersKB": 96}}}}

WARNED: list[dict[str, Any]] = [
    {"sampling": {"random": 0}},
    {"services": {"web": {"protocol": "http", "tracing": {"sampling": 0}}}},
    {"services": {"web": {"protocol": "http", "tracing": {"sampling": 0.05}}}},
    {"sampling": {"overall": 0}},
    {"sampling": {"client": 12.5}},
    {**OTLP, "gateways": "skip"},
    {**W3C, "gateways": "skip"},
    {"tracer": {"opentelemetry": {}}},
    {"tracer": {"opentelemetry": {}}, **ON_KUBERNETES},
    {"tracer": {"opentelemetry": {"resource_attributes": {"service.namespace": "shop"}}}},
    {"services": {}},
    {"services": {"db": {"protocol": "tcp"}}},
    *(collector(host) for host in ("localhost", "127.0.0.1", "127.9.9.9", "::1")),
    {**collector("localhost"), "target": "kubernetes"},
    collector("jaeger", port=4317),
    collector("zipkin", port=443),
    {**collector("zipkin"), "target": "kubernetes"},
    collector("zipkin.virtual.consul"),
    {**collector("zipkin.virtual.consul"), "target": "kubernetes"},
    *({"proxy_config": {key: UNTRACED}} for key in ("envoy_public_listener_json", "Envoy_Public_Listener_JSON")),
    upstreams(Defaults={"EnvoyListenerJSON": UNTRACED}),
    upstreams(Overrides=[{"Name": "a"}, {"EnvoyListenerJSON": UNTRACED}]),
    {"proxy_config": {"Envoy_bootstrap_json_tpl": "{}"}},
    {"enabled": False, "services": {}, "sampling": {"random": 0}},
    LARGE_HEADERS,
    {**collector("zipkin", auth=AUTH), "envoy_version": "1.36"},
    {"tracer": {"zipkin": {"headers": {"x-tenant": "shop"}}}, "envoy_version": "1.36", "gateways": "skip"},
    {"static_clusters": [{"name": "a", "http4_options": {}, "type": "STATIC"}]},
]

SILENT: list[dict[str, Any]] = [
    {},
    {**OTLP, "gateways": "join"},
    {**W3C, "gateways": "join"},
    {"gateways": "skip"},
    {**OTLP, "services": {"a,b": {"protocol": "http"}}, **ON_KUBERNETES},
    {**OTLP, "services": {"a,b": {"protocol": "http", "tracing": {"enabled": False}}}},
    {**OTLP, "services": {"a,b": {"protocol": "http", "tracing": {"service_name": "a"}}}},
    {**OTLP, "envoy_version": "1.34", "gateways": "skip"},
    {"tracer": {"opentelemetry": {"resource_attributes": {"service.name": "mesh"}}}},
    {**collector("localhost"), "single_machine": True},
    collector("127.0.0.1", per_host=True),
    {**collector("localhost", per_host=True), "target": "kubernetes"},
    {**collector("jaeger", port=4317), **OTLP},
    collector("zipkin", port=443, tls={"ca_file": "/ca.pem"}),
    collector("zipkin"),
    {**collector("zipkin", auth=AUTH, tls={"ca_file": "/ca.pem"}), "envoy_version": "1.36"},
    {**collector("127.0.0.1", auth=AUTH, per_host=True), "envoy_version": "1.36"},
    {"proxy_config": {"envoy_public_listener_json": TRACED}},
    {"proxy_config": {"envoy_extra_static_listeners_json": UNTRACED, "envoy_local_cluster_json": UNTRACED}},
    {**ON_KUBERNETES, **LARGE_HEADERS},
]


def test_warnings_match_the_golden_file(golden: Callable[[str, Any], None]) -> None:
    golden("warnings", ["\n".join(warnings_of(**args)) for args in WARNED])


def test_warning_of_an_unsupported_name_names_its_service() -> None:
    services = {
        "web": {"protocol": "http", "tracing": {"service_name": "a,b=c"}},
        "x": {"protocol": "http", "name": "="},
    }
    (text,) = warnings_of(**OTLP, services=services, tcp_services=["d,b"])
    assert text.startswith(
        'consul-tracing: CT525: services.x ("="), tcp_services ("d,b"), services.web ("a,b=c"): spans'
    )


@pytest.mark.parametrize("args", SILENT, ids=str)
def test_setting_has_no_warning(args: dict[str, Any]) -> None:
    assert warnings_of(**args) == []
