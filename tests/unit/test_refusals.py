"""What bad input gets: the path, what was given, and what is allowed."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInput, Problem
from consul_tracing.settings import MeshSettings
from tests.unit.meshes import mesh, settings
from tests.unit.mocked_engine import Engine

SECRET = "-----BEGIN PRIVATE KEY-----hush"  # noqa: S105 - what must never be repeated


def refusal(args: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        MeshSettings.of("mesh", args)
    return refused.value


def collector(**fields: Any) -> Any:
    return mesh(collector={"host": "zipkin", **fields})


def on_kubernetes(**args: Any) -> Any:
    return mesh(target="kubernetes", **args)


REFUSED = [
    ({}, "collector: is required"),
    (mesh(colector={}), 'colector: there is no such key; did you mean "collector"?'),
    (collector(prt=1), 'collector.prt: there is no such key; did you mean "port"? allowed: connect_timeout_ms, host,'),
    (mesh(enabled="yes"), 'enabled: "yes" is not true or false'),
    (mesh(target="nomad"), 'target: "nomad" is none of consul, kubernetes'),
    (mesh(existing="keep"), 'existing: "keep" is none of refuse, adopt, overwrite'),
    (mesh(renamed_from="prod"), 'renamed_from: "prod" is not a stack\'s full name: organization/project/stack'),
    (mesh(zipkin_collector={}), "collector: is given beside zipkin_collector; write exactly one of them"),
    ({"zipkin_collector": {}}, "zipkin_collector: is for target: kubernetes, since its name is known in the cluster"),
    ({}, "collector: is required, or zipkin_collector"),
    (on_kubernetes(partition="a"), "partition: is chosen by the cluster's consul-k8s"),
    (on_kubernetes(proxy_defaults={"Meta": {}}), "proxy_defaults.Meta: is written by consul-k8s alone"),
    (
        on_kubernetes(services={"web": {"protocol": "http", "partition": "a"}}),
        "services.web.partition: is chosen by the cluster's consul-k8s",
    ),
    (
        on_kubernetes(services={"web": {"protocol": "http", "extra": {"Meta": {"team": "a"}}}}),
        "services.web.extra.Meta: is written by consul-k8s alone",
    ),
    (
        on_kubernetes(services={"Web_1": {"protocol": "http"}}),
        'services.Web_1: "Web_1" cannot be the name of a Kubernetes object',
    ),
    (on_kubernetes(namespace="Consul"), 'namespace: "Consul" is no name of a Kubernetes namespace'),
    (on_kubernetes(sync_timeout_seconds=0), "sync_timeout_seconds: 0 is not a time to wait: more than 0 (seconds)"),
    (
        {"target": "kubernetes", "zipkin_collector": {}, "tracer": {"datadog": {"service_name": "mesh"}}},
        "tracer: must be zipkin beside zipkin_collector",
    ),
    (mesh(gateways="both"), 'gateways: "both" is none of join, skip'),
    (collector(host=""), "collector.host: is empty"),
    (collector(host=7), "collector.host: 7 is not text"),
    (collector(host="http://zipkin:9411"), 'holds a scheme and a port; write host: "zipkin" and port: 9411'),
    (collector(host="zipkin:9411"), 'holds a port; write host: "zipkin" and port: 9411'),
    (collector(host="zipkin/api"), 'holds a path; write host: "zipkin"'),
    (collector(host="zip kin"), '"zip kin" holds blanks'),
    (collector(host="[::1]:9411"), 'holds a port; write host: "::1" and port: 9411'),
    (collector(host="-zipkin"), '"-zipkin" is neither a DNS name nor an IP address'),
    (collector(host="1.2.3"), "is neither a DNS name nor an IP address"),
    (collector(host="0.0.0.0"), "is where servers listen"),  # noqa: S104 - refused
    (collector(port=0), "collector.port: 0 is not between 1 and 65535"),
    (collector(port=65536), "collector.port: 65536 is not between 1 and 65535"),
    (collector(port="9411"), 'collector.port: "9411" is not a number'),
    (collector(port=94.11), "collector.port: 94.11 is not a whole number"),
    (collector(port=True), "collector.port: true is not a number"),
    (collector(connect_timeout_ms=0), "collector.connect_timeout_ms: 0 is not a time to wait"),
    (collector(tls={}), "collector.tls.ca_file: is required"),
    (collector(tls={"ca_file": "ca.pem"}), 'collector.tls.ca_file: "ca.pem" is not an absolute path'),
    (collector(tls={"ca_file": "/ca", "key_file": "/k"}), "collector.tls.certificate_file: is required"),
    (collector(tls={"ca_file": SECRET}), "collector.tls.ca_file: holds key material"),
    (mesh(tracer={}), "tracer: nothing is given; write exactly one of zipkin, opentelemetry, datadog"),
    (mesh(tracer={"zipkin": {}, "opentelemetry": {}}), "tracer: zipkin, opentelemetry are given together"),
    (mesh(tracer={"zipkin": {"encoding": "thrift"}}), '"thrift" is none of json, protobuf'),
    (mesh(tracer={"zipkin": {"path": "spans"}}), 'tracer.zipkin.path: "spans" is not a path such as'),
    (
        mesh(tracer={"zipkin": {"propagation": "b3+w3c"}}),
        '"b3+w3c" needs Envoy 1.36, and the oldest in the mesh is 1.34',
    ),
    (mesh(tracer={"opentelemetry": {"path": "/v1"}}), "tracer.opentelemetry.path: is for transport: http"),
    (mesh(tracer={"datadog": {}}), "tracer.datadog.service_name: is required"),
    (mesh(tracer={"jaeger": {}}), "tracer.jaeger: there is no such key"),
    (mesh(sampling={"random": 101}), "sampling.random: 101 is not between 0 and 100 percent"),
    (mesh(sampling={"random": -1}), "sampling.random: -1 is not between"),
    (mesh(sampling={"random": float("nan")}), "sampling.random: nan is not a number that can be written down"),
    (mesh(sampling={"random": "10%"}), 'sampling.random: "10%" is text; write the number alone: 10'),
    (mesh(sampling={"random": {"numerator": 1, "denominator": "HUNDRED"}}), "sampling.random: is a fraction"),
    (mesh(sampling={"random": 0.001}), "sampling.random: 0.001 would be 0: Envoy counts in hundredths of a percent"),
    (mesh(sampling={"random": True}), "sampling.random: true is not a number"),
    (mesh(tags={"a": {}}), "tags.a: nothing is given; write exactly one of literal, request_header, environment"),
    (mesh(tags={"a": {"literal": "x", "default": "y"}}), "tags.a.default: is for request_header and environment"),
    (mesh(tags={"a": {"request_header": "x y"}}), 'tags.a.request_header: "x y" is not the name of an HTTP header'),
    (mesh(tags={"a": {"environment": "X-Y"}}), "tags.a.environment: "),
    (mesh(services={"web": {}}), "services.web.protocol: is required"),
    (mesh(services={"web": {"protocol": "HTTP3"}}), '"HTTP3" is none of tcp, http, http2, grpc'),
    (mesh(services={"*": {"protocol": "tcp"}}), 'services.*: "*" is not a service'),
    (mesh(services={"": {"protocol": "tcp"}}), "services.: is empty"),
    (mesh(services={"a/b": {"protocol": "tcp"}}), "a/b"),
    (mesh(services={"a b": {"protocol": "tcp"}}), '"a b" holds a blank'),
    (
        mesh(services={"a": {"protocol": "tcp", "extra": {"Protocol": "x"}}}),
        "services.a.extra.Protocol: is written from",
    ),
    (mesh(services={"a": {"protocol": "tcp", "extra": {"Meshgateway": {}}}}), 'did you mean "MeshGateway"?'),
    (
        mesh(services={"a": {"protocol": "tcp", "name": "b"}, "b": {"protocol": "tcp"}}),
        'services.b: writes the entry of service "b", as services.a does',
    ),
    (mesh(services={"a": {"protocol": "http"}}, tcp_services=["a"]), 'tcp_services.0: "a" is declared before'),
    (mesh(tcp_services=["a", "a"]), 'tcp_services.1: "a" is declared before'),
    (mesh(default_protocol="http"), 'default_protocol: "http" would parse every undeclared service as HTTP'),
    (mesh(default_protocol="udp"), 'default_protocol: "udp" is none of'),
    (mesh(static_clusters=[{}]), "static_clusters.0.name: is required"),
    (
        mesh(static_clusters=[{"name": "a"}, {"name": "a"}]),
        'static_clusters.1.name: "a" is the name of static_clusters.0',
    ),
    (mesh(static_clusters=[{"name": "tracing_collector"}]), "is the name of the collector's cluster"),
    (mesh(static_clusters=[{"name": "local_agent"}]), '"local_agent" is the name of a cluster of Consul\'s own'),
    (mesh(static_clusters=[{"name": "original-destination"}]), "is the name of a cluster of Consul's own"),
    (
        mesh(services={"a": {"protocol": "tcp", "extra": {"UpstreamConfig": "x"}}}),
        'services.a.extra.UpstreamConfig: must be a map, got "x"',
    ),
    (
        mesh(services={"a": {"protocol": "tcp", "extra": {"UpstreamConfig": {"Overrides": ["x"]}}}}),
        "services.a.extra.UpstreamConfig.Overrides: must be a list of maps, got a list",
    ),
    (mesh(proxy_defaults={"MeshGateway": "local"}), 'proxy_defaults.MeshGateway: must be a map, got "local"'),
    (
        mesh(services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "default"}}),
        'services.b: writes the entry of service "a", as services.a does',
    ),
    (
        mesh(services={"b": {"protocol": "tcp", "name": "a", "partition": "default"}}, tcp_services=["a"]),
        'tcp_services.0: "a" is declared before',
    ),
    (
        on_kubernetes(
            services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "consul"}}
        ),
        'services.b: writes the entry of service "a", as services.a does',
    ),
    (mesh(owner=""), "owner: is empty"),
    (mesh(owner="x" * 513), "owner: must be at most 512 bytes"),
    (
        mesh(proxy_config={"envoy_tracing_json": {"http": {}}}),
        "proxy_config.envoy_tracing_json: is a map, which Consul",
    ),
    (mesh(proxy_config={"envoy_tracing_json": ["x"]}), "proxy_config.envoy_tracing_json: is a list, which Consul"),
    (mesh(proxy_config={"envoy_tracing_json": '"{}"'}), "proxy_config.envoy_tracing_json: is escaped twice, and"),
    (
        mesh(proxy_config={"envoy_tracing_json": "{}"}),
        "proxy_config.envoy_tracing_json: is written by this component: use",
    ),
    (mesh(proxy_config={"Envoy_Listener_Tracing_JSON": "{}"}), "use sampling and tags"),
    (mesh(proxy_config={"envoy_extra_static_clusters_json": "{}"}), "use collector and static_clusters"),
    (mesh(proxy_config={"envoy_stats_sinks_json": {}}), "proxy_config.envoy_stats_sinks_json: is a map"),
    (
        mesh(proxy_config={"envoy_stats_sinks_json": "{"}),
        "proxy_config.envoy_stats_sinks_json: is not JSON, and must be",
    ),
    (mesh(proxy_config={"protocol": "http"}), "proxy_config.protocol: is written from default_protocol"),
    (mesh(proxy_config={"a": {"b": [object()]}}), "proxy_config: a.b.0 is a object; only text"),
    (mesh(proxy_config={"a": float("inf")}), "proxy_config: a is inf, which JSON cannot hold"),
    (mesh(proxy_config={1: 2}), "proxy_config: the key 1 is not text"),
    (mesh(proxy_defaults={"Config": {}}), "proxy_defaults.Config: is written from proxy_config"),
    (mesh(proxy_defaults={"Kind": "x"}), "proxy_defaults.Kind: is fixed"),
    (
        mesh(proxy_defaults={"Acesslogs": {}}),
        'proxy_defaults.Acesslogs: there is no such key; did you mean "AccessLogs"?',
    ),
    (mesh(proxy_defaults={"Meta": {"managed-by": "me"}}), "proxy_defaults.Meta.managed-by: marks who wrote the entry"),
    (mesh(proxy_defaults={"Meta": {"a": 1}}), "proxy_defaults.Meta: is not a map of text to text"),
    (mesh(envoy_version="1.33"), 'envoy_version: "1.33" is older than "1.34"'),
    (mesh(envoy_version="new"), 'envoy_version: "new" is not a version'),
    (mesh(envoy_version=1.36), "envoy_version: 1.36 is not text"),
]


@pytest.mark.parametrize(("args", "told"), REFUSED, ids=[told[:50] for _, told in REFUSED])
def test_what_cannot_work_is_refused_by_its_path(args: Any, told: str) -> None:
    assert told in str(refusal(args))


def test_names_that_envoy_and_other_owners_use_are_accepted() -> None:
    accepted = settings(owner="team-a", renamed_from="team-b", tags={"host": {"request_header": ":Authority"}})
    assert accepted.tags["host"].request_header == ":authority"


def test_several_are_told_together_in_the_order_of_their_paths() -> None:
    wrong = collector(host="http://zipkin:9411") | {"services": {"web": {"protocol": "HTTP3"}}}
    assert str(refusal(wrong)) == (
        'consul-tracing: 2 inputs of "mesh" cannot be used\n'
        '  collector.host: "http://zipkin:9411" holds a scheme and a port; write host: "zipkin" and port: 9411\n'
        '  services.web.protocol: "HTTP3" is none of tcp, http, http2, grpc'
    )


def test_a_wrong_value_hides_no_wrong_value_beside_it() -> None:
    wrong = mesh(
        services={"web": {"protocol": "HTTP3", "extra": {"Foo": 1}}},
        tracer={},
        proxy_config={"protocol": "http"},
        static_clusters=[{}],
    )
    assert [problem.path for problem in refusal(wrong).problems] == [
        "proxy_config.protocol",
        "services.web.extra.Foo",
        "services.web.protocol",
        "static_clusters.0.name",
        "tracer",
    ]


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (lambda hush: mesh(services={"web": hush}), "services.web: an Output is not a map"),
        (lambda hush: mesh(sampling={"random": hush}), "sampling.random: an Output is not a number"),
        (lambda hush: mesh(proxy_config={"a": hush}), "proxy_config: a is an Output; only text"),
        (lambda hush: mesh(tags={"a": {"literal": hush}}), "tags.a.literal: an Output is not text"),
    ],
)
def test_an_output_outside_the_host_is_refused(engine: Engine, args: Callable[[Any], Any], told: str) -> None:
    refused: list[str] = []
    engine.run(lambda: refused.append(str(refusal(args(pulumi.Output.secret("hush"))))))
    assert told in refused[0]
    assert "hush" not in refused[0]


def test_key_material_is_never_repeated() -> None:
    for args in (collector(host=SECRET), collector(tls={"ca_file": SECRET}), mesh(tags={"a": {"environment": SECRET}})):
        assert "hush" not in str(refusal(args))


def test_a_long_value_is_cut() -> None:
    assert "x" * 61 not in str(refusal(mesh(target="x" * 100)))


def test_a_refusal_is_both_what_pulumi_shows_cleanly_and_a_value_error() -> None:
    refused = refusal({})
    assert isinstance(refused, pulumi.RunError)
    assert isinstance(refused, ValueError)
    reason = "is required, or zipkin_collector, which deploys one on Kubernetes"
    assert refused.problems == (Problem("collector", reason),)
