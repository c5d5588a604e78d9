"""Messages about invalid input: the path, the value and the allowed values."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInputError, MeshTracingArgs, Problem
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.unit.meshes import mesh, settings

SECRET = "-----BEGIN PRIVATE KEY-----hush"  # noqa: S105 - must not appear in a message


def rejection(args: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as rejected:
        MeshSettings.of("mesh", args)
    return rejected.value


def collector(**fields: Any) -> Any:
    return mesh(collector={"host": "zipkin", **fields})


def authorized(header: str = "authorization") -> dict[str, Any]:
    return {"host": "otlp", "auth": {"header": header, "file": "/etc/token"}}


def on_kubernetes(**args: Any) -> Any:
    return mesh(target="kubernetes", **args)


def traced(tracing: Any, **args: Any) -> Any:
    return mesh(services={"web": {"protocol": "http", "tracing": tracing}}, **args)


OTLP = {"opentelemetry": {}}

Golden = Callable[[str, Any], None]

REJECTED: list[Any] = [
    {},
    mesh(colector={}),
    collector(prt=1),
    mesh(enabled="yes"),
    mesh(target="nomad"),
    mesh(existing="keep"),
    mesh(renamed_from="prod"),
    mesh(zipkin_collector={}),
    {"zipkin_collector": {}},
    on_kubernetes(partition="a"),
    on_kubernetes(proxy_defaults={"Meta": {}}),
    on_kubernetes(services={"web": {"protocol": "http", "partition": "a"}}),
    on_kubernetes(services={"web": {"protocol": "http", "service_defaults": {"Meta": {"team": "a"}}}}),
    on_kubernetes(namespace="Consul"),
    on_kubernetes(sync_timeout_seconds=0),
    {"target": "kubernetes", "zipkin_collector": {}, "tracer": {"datadog": {"service_name": "mesh"}}},
    mesh(gateways="both"),
    collector(host=""),
    collector(host=7),
    collector(host="http://zipkin:9411"),
    collector(host="zipkin:9411"),
    collector(host="zipkin/api"),
    collector(host="zip kin"),
    collector(host="[::1]:9411"),
    collector(host="-zipkin"),
    collector(host="1.2.3"),
    collector(host="0.0.0.0"),  # noqa: S104 - rejected
    collector(per_host=True),
    collector(port=0),
    collector(port=65536),
    collector(port="9411"),
    collector(port=94.11),
    collector(port=True),
    collector(connect_timeout_ms=0),
    collector(tls={}),
    collector(tls={"ca_file": "ca.pem"}),
    collector(tls={"ca_file": "/ca", "key_file": "/k"}),
    collector(tls={"ca_file": SECRET}),
    mesh(tracer={}),
    mesh(tracer={"zipkin": {}, "opentelemetry": {}}),
    mesh(tracer={"zipkin": {"encoding": "thrift"}}),
    mesh(tracer={"zipkin": {"path": "spans"}}),
    mesh(tracer={"opentelemetry": {}}, envoy_version=None),
    mesh(tracer={"opentelemetry": {"transport": "udp"}}, envoy_version=None),
    mesh(tracer={"opentelemetry": {}}, sampling={"client": 50}),
    mesh(tracer={"opentelemetry": {}}, sampling={"overall": 0}, envoy_version="1.35"),
    mesh(tracer={"zipkin": {"propagation": "b3+w3c"}}),
    mesh(tracer={"opentelemetry": {"path": "/v1"}}),
    mesh(tracer={"datadog": {}}),
    mesh(tracer={"jaeger": {}}),
    mesh(sampling={"random": 101}),
    mesh(sampling={"random": -1}),
    mesh(sampling={"random": float("nan")}),
    mesh(sampling={"random": "10%"}),
    mesh(sampling={"random": {"numerator": 1, "denominator": "HUNDRED"}}),
    mesh(sampling={"random": 0.001}),
    mesh(sampling={"random": True}),
    mesh(tags={"a": {}}),
    mesh(tags={"a": {"literal": "x", "default": "y"}}),
    mesh(tags={"a": {"request_header": "x y"}}),
    mesh(tags={"a": {"environment": "X-Y"}}),
    mesh(services=["web", "api"]),
    mesh(services="web"),
    mesh(services=["web", {"api": "http"}]),
    mesh(tags=["a"]),
    mesh(tracer={"otel": {}}),
    mesh(tracer={"otlp": {}}),
    mesh(services={"web": {}}),
    mesh(services={"web": {"protocol": "HTTP3"}}),
    mesh(services={"*": {"protocol": "tcp"}}),
    mesh(services={"": {"protocol": "tcp"}}),
    mesh(services={"a/b": {"protocol": "tcp"}}),
    mesh(services={"a b": {"protocol": "tcp"}}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Protocol": "x"}}}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Meshgateway": {}}}}),
    mesh(services={"a": {"protocol": "tcp", "name": "b"}, "b": {"protocol": "tcp"}}),
    mesh(services={"a": {"protocol": "http"}}, tcp_services=["a"]),
    mesh(tcp_services=["a", "a"]),
    mesh(default_protocol="http"),
    mesh(default_protocol="udp"),
    mesh(static_clusters=[{}]),
    mesh(static_clusters=[{"name": "a"}, {"name": "a"}]),
    mesh(static_clusters=[{"name": "tracing_collector"}]),
    mesh(static_clusters=[{"name": "local_agent"}]),
    mesh(static_clusters=[{"name": "original-destination"}]),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"UpstreamConfig": "x"}}}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"UpstreamConfig": {"Overrides": ["x"]}}}}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"UpstreamConfig": {"Overrides": {}}}}}),
    mesh(proxy_defaults={"MeshGateway": "local"}),
    mesh(services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "default"}}),
    mesh(services={"b": {"protocol": "tcp", "name": "a", "partition": "default"}}, tcp_services=["a"]),
    on_kubernetes(services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "consul"}}),
    mesh(owner=""),
    mesh(owner="x" * 513),
    mesh(proxy_config={"envoy_tracing_json": {"http": {}}}),
    mesh(proxy_config={"envoy_tracing_json": ["x"]}),
    mesh(proxy_config={"envoy_tracing_json": '"{}"'}),
    mesh(proxy_config={"envoy_tracing_json": "{}"}),
    mesh(proxy_config={"Envoy_Listener_Tracing_JSON": "{}"}),
    mesh(proxy_config={"envoy_extra_static_clusters_json": "{}"}),
    mesh(proxy_config={"envoy_stats_sinks_json": {}}),
    mesh(proxy_config={"envoy_stats_sinks_json": "{"}),
    mesh(proxy_config={"envoy_stats_sinks_json": '"{}"'}),
    mesh(proxy_config={"envoy_stats_sinks_json": "[]"}),
    collector(host="http://user:hush@zipkin"),
    collector(tls={"ca_file": "/ca", "server_name": "zipkin:443"}),
    mesh(proxy_defaults={"Protocol": "http"}),
    mesh(proxy_defaults={"Meta": "x"}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Config": {}}}}),
    mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Namespace": "x"}}}),
    mesh(proxy_config={"protocol": "http"}),
    mesh(proxy_config={"a": {"b": [object()]}}),
    mesh(proxy_config={"a": float("inf")}),
    mesh(proxy_config={1: 2}),
    mesh(proxy_defaults={"Config": {}}),
    mesh(proxy_defaults={"Kind": "x"}),
    mesh(proxy_defaults={"Acesslogs": {}}),
    mesh(proxy_defaults={"Meta": {"managed-by": "me"}}),
    mesh(proxy_defaults={"Meta": {"a": 1}}),
    mesh(envoy_version="1.33"),
    collector(port=10**5000),
    mesh(envoy_version="new"),
    mesh(envoy_version=1.4),
    mesh(services={"web": "http"}),
    mesh(tracer="zipkin"),
    mesh(sampling=5),
    mesh(tags={"team": "core"}),
    mesh(tags={"a": {"caller": "team"}}),
    mesh(tags={"a": {"caller": "service", "environment": "A"}}),
    mesh(access_logs={"trace_id": "yes"}),
    mesh(access_logs=True),
    mesh(proxy_defaults={"AccessLogs": {"JSONFormat": "{", "TextFormat": "x"}}),
    mesh(proxy_defaults={"AccessLogs": {"TextFormat": "%SPAN_ID%"}}, envoy_version="1.37"),
    mesh(tracer={"opentelemetry": {"service_name": "{service}"}}, envoy_version="1.36"),
    mesh(services={"web": {"protocol": "http", "tracing": {"service_name": "a{service"}}}),
    mesh(access_logs={"trace_id": True}, proxy_defaults={"AccessLogs": {"Enabled": True, "TextFormat": "x"}}),
    mesh(collector="zipkin"),
    collector(tls=True),
    {"host": "zipkin"},
    mesh(protocol="http"),
    mesh(headers={}),
    mesh(service={}),
    mesh(mispelt=None),
    mesh(tracer={"opentelemetry": {"headers": {"X-A": "a", "x-a": "b"}}}),
    mesh(spans={"max_path_tag_length": 2**32}),
    mesh(zipkin={}),
    mesh(spans={"max_path_tag_length": 0}),
    collector(export_timeout_ms=100),
    traced({"enabled": False, "sampling": 5, "service_name": "a"}),
    traced({"sampling": 101}),
    traced({"sampling": 0.001}),
    traced({"service_name": "{datacenter}-{service}"}, tracer=OTLP),
    traced({"service_name": "{namespace}-{service}"}, tracer=OTLP, target="kubernetes"),
    traced({"service_name": "{partition}-{service}"}, tracer=OTLP, target="kubernetes"),
    traced({"service_name": "shop"}),
    traced(tracing=False),
    traced({"random": 5}),
    *(
        mesh(tracer={"opentelemetry": {"headers": {name: "x"}}})
        for name in ("Authorization", "x-api-key", "dd-api-key", "x-honeycomb-team", "x-access-token", "cookie")
    ),
    *(
        mesh(tracer={"opentelemetry": {"headers": {name: "x"}}})
        for name in (":path", "grpc-timeout", "Content-Type", "host")
    ),
    mesh(tracer={"opentelemetry": {"headers": {"x-tenant": "100%"}}}),
    mesh(tracer={"opentelemetry": {"headers": {"x-tenant": "Bearer hush"}}}),
    mesh(tracer={"opentelemetry": {}}, collector={"host": "otlp", "export_timeout_ms": 100}),
    mesh(tracer={"opentelemetry": {"transport": "http", "retry_seconds": 60}}),
    mesh(tracer={"opentelemetry": {"retry_seconds": 3601, "max_cache_size": 4}}),
    mesh(tracer={"opentelemetry": {"max_cache_size": 5}}, envoy_version="1.35"),
    mesh(tracer={"zipkin": {"headers": {"x-scope-orgid": "shop"}}}),
    mesh(tracer={"zipkin": {"headers": {"x-api-key": "hush"}}}, envoy_version="1.36"),
    mesh(tracer={"zipkin": {"headers": {"x-tenant": "shop"}}}, envoy_version="1.36", collector=authorized("x-tenant")),
    mesh(tracer={"opentelemetry": {"headers": {"x-a": "b"}}}, collector=authorized("X-A")),
    mesh(tracer={"datadog": {"service_name": "mesh"}}, envoy_version="1.36", collector=authorized()),
    mesh(collector=authorized()),
    mesh(envoy_version="1.36", collector=authorized("content-type")),
    mesh(envoy_version="1.36", collector={"host": "zipkin", "auth": {"file": "Bearer hush"}}),
    mesh(envoy_version="1.36", collector={"host": "zipkin", "auth": {}}),
    mesh(envoy_version="1.36", collector={"host": "zipkin", "auth": "/etc/token"}),
    on_kubernetes(metadata={"annotations": {"consul-tracing/keys": "x"}}),
]


def test_messages_about_invalid_input_match_the_golden_file(golden: Golden) -> None:
    golden("rejected-meshes", [str(rejection(args)).split("\n", 1)[1].strip() for args in REJECTED])


def test_names_that_envoy_and_other_owners_use_are_accepted() -> None:
    accepted = settings(owner="team-a", renamed_from="team-b", tags={"host": {"request_header": ":Authority"}})
    assert accepted.tags["host"].request_header == ":authority"


def test_none_means_that_an_input_is_not_given() -> None:
    absent: Any = dict.fromkeys(MeshTracingArgs.__annotations__)
    nested = {"port": None, "connect_timeout_ms": None, "export_timeout_ms": None, "tls": None}
    for tracer in (None, {"zipkin": {"path": None, "encoding": None}, "opentelemetry": None, "datadog": None}):
        given = {**absent, "collector": {"host": "zipkin", **nested}, "tracer": tracer}
        assert MeshSettings.of("mesh", given) == settings()
    services = {"web": {"protocol": "http", "name": None, "service_defaults": None}}
    assert settings(services=services) == settings(services={"web": {"protocol": "http"}})
    assert "collector.host: is required" in str(rejection({"collector": {"host": None}}))


def test_all_problems_are_reported_sorted_by_path() -> None:
    wrong = collector(host="http://zipkin:9411") | {"services": {"web": {"protocol": "HTTP3"}}}
    assert str(rejection(wrong)) == (
        'consul-tracing: CT101: 2 inputs of "mesh" are invalid\n'
        '  collector.host: must be a host name or IP address, got a URL ("http://zipkin:9411"). '
        'Set host: "zipkin" and port: 9411\n'
        '  services.web.protocol: must be one of tcp, http, http2, grpc; got "HTTP3"\n'
        "  https://consul-tracing.github.io/consul-tracing/latest/reference/messages/#ct101"
    )


def test_one_problem_does_not_hide_another() -> None:
    wrong = mesh(
        services={"web": {"protocol": "HTTP3", "service_defaults": {"Foo": 1}}},
        tracer={},
        proxy_config={"protocol": "http"},
        static_clusters=[{}],
    )
    assert [problem.path for problem in rejection(wrong).problems] == [
        "proxy_config.protocol",
        "services.web.protocol",
        "services.web.service_defaults.Foo",
        "static_clusters.0.name",
        "tracer",
    ]


def test_key_material_is_not_shown() -> None:
    for args in (collector(host=SECRET), collector(tls={"ca_file": SECRET}), mesh(tags={"a": {"environment": SECRET}})):
        assert "hush" not in str(rejection(args))


@pytest.mark.parametrize(
    "args",
    [
        mesh(tags={"a": SECRET}),
        mesh(collector=SECRET),
        mesh(collector="http://user:hush@zipkin:9411"),
        mesh(collector="x" * 300),
        mesh(sampling=10**5000),
        mesh(tracer="jaeger"),
        mesh(services={"web": "HTTP"}),
    ],
)
def test_no_map_is_suggested_for_a_value_that_is_secret_long_or_invalid(args: Any) -> None:
    text = str(rejection(args))
    assert "hush" not in text
    assert "x" * 61 not in text
    assert "Set" not in text


@pytest.mark.parametrize("name", ["x-author", "x-forwarded-authority", "x-tokenizer", "x-scope-orgid", "x-keyspace"])
def test_header_without_a_credential_is_accepted(name: str) -> None:
    tracer = {"opentelemetry": {"headers": {name: "x"}}}
    assert settings(tracer=tracer).tracer.opentelemetry.headers == {name: "x"}  # type: ignore[union-attr]


def test_long_value_is_truncated() -> None:
    assert "x" * 61 not in str(rejection(mesh(target="x" * 100)))


def test_invalid_input_error_is_a_pulumi_run_error_and_a_value_error() -> None:
    rejected = rejection({})
    assert isinstance(rejected, pulumi.RunError)
    assert isinstance(rejected, ValueError)
    reason = "is required. Set collector, or zipkin_collector to deploy Zipkin on Kubernetes"
    assert rejected.problems == (Problem("collector", reason),)


@pytest.mark.parametrize(
    ("headers", "reasons"),
    [({"authorization": "Bearer abc"}, ["must not be a credential"]), ({"a b": "%"}, ["must be the", "must be print"])],
)
def test_header_with_an_invalid_name_and_value_is_one_input(headers: dict[str, str], reasons: list[str]) -> None:
    error = rejection(mesh(tracer={"opentelemetry": {"headers": headers}}, envoy_version="1.36"))
    assert '1 input of "mesh" is invalid' in str(error)
    assert [problem.reason[: len(one)] for problem, one in zip(error.problems, reasons, strict=True)] == reasons
