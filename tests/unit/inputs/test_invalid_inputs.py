"""Messages about invalid input: the path, the value and the allowed values."""

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInputError, MeshTracing, MeshTracingArgs, Problem
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.unit.meshes import mesh, settings
from tests.unit.mocked_engine import Engine

SECRET = "-----BEGIN PRIVATE KEY-----hush"  # noqa: S105 - must not appear in a message


def rejection(args: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as rejected:
        MeshSettings.of("mesh", args)
    return rejected.value


def collector(**fields: Any) -> Any:
    return mesh(collector={"host": "zipkin", **fields})


def on_kubernetes(**args: Any) -> Any:
    return mesh(target="kubernetes", **args)


REJECTED = [
    ({}, "collector: is required"),
    (mesh(colector={}), 'colector: is not an input of MeshTracing; did you mean "collector"?'),
    (
        collector(prt=1),
        'collector.prt: is not an input of collector; did you mean "port"? Allowed: connect_timeout_ms,',
    ),
    (mesh(enabled="yes"), 'enabled: must be true or false, got "yes"'),
    (mesh(target="nomad"), 'target: must be one of consul, kubernetes; got "nomad"'),
    (mesh(existing="keep"), 'existing: must be one of refuse, adopt, overwrite; got "keep"'),
    (
        mesh(renamed_from="prod"),
        "renamed_from: must be the full name of a stack (organization/project/stack) unless owner is set,",
    ),
    (mesh(zipkin_collector={}), "collector: conflicts with zipkin_collector. Remove one of them"),
    (
        {"zipkin_collector": {}},
        "zipkin_collector: is not supported with target: consul, because its host name is valid in the",
    ),
    ({}, "collector: is required. Set collector, or zipkin_collector to deploy Zipkin on Kubernetes"),
    (
        on_kubernetes(partition="a"),
        "partition: is managed by consul-k8s with target: kubernetes (global.adminPartitions)",
    ),
    (
        on_kubernetes(proxy_defaults={"Meta": {}}),
        "proxy_defaults.Meta: is managed by consul-k8s with target: kubernetes",
    ),
    (
        on_kubernetes(services={"web": {"protocol": "http", "partition": "a"}}),
        "services.web.partition: is managed by consul-k8s with target: kubernetes (global.adminPartitions)",
    ),
    (
        on_kubernetes(services={"web": {"protocol": "http", "service_defaults": {"Meta": {"team": "a"}}}}),
        "services.web.service_defaults.Meta: is managed by consul-k8s with target: kubernetes",
    ),
    (
        on_kubernetes(services={"Web_1": {"protocol": "http"}}),
        'services.Web_1: must be the name of a Kubernetes object (lower-case letters, digits, "-" and "."),',
    ),
    (
        on_kubernetes(namespace="Consul"),
        "namespace: must be the name of a Kubernetes namespace (at most 63 lower-case letters, digits and",
    ),
    (on_kubernetes(sync_timeout_seconds=0), "sync_timeout_seconds: must be greater than 0, got 0"),
    (
        {"target": "kubernetes", "zipkin_collector": {}, "tracer": {"datadog": {"service_name": "mesh"}}},
        "tracer: conflicts with zipkin_collector, which accepts the tracer zipkin only",
    ),
    (mesh(gateways="both"), 'gateways: must be one of join, skip; got "both"'),
    (collector(host=""), 'collector.host: must be a host name or IP address, got an invalid host ("")'),
    (collector(host=7), 'collector.host: must be text, got 7. Quote it: "7"'),
    (
        collector(host="http://zipkin:9411"),
        'IP address, got a URL ("http://zipkin:9411"). Set host: "zipkin" and port: 9411',
    ),
    (
        collector(host="zipkin:9411"),
        'IP address, got a host with a port ("zipkin:9411"). Set host: "zipkin" and port: 9411',
    ),
    (
        collector(host="zipkin/api"),
        'IP address, got a host with a path ("zipkin/api"). Set host: "zipkin"',
    ),
    (collector(host="zip kin"), 'collector.host: must be a host name or IP address, got an invalid host ("zip kin")'),
    (
        collector(host="[::1]:9411"),
        'IP address, got a host with a port ("[::1]:9411"). Set host: "::1" and port: 9411',
    ),
    (collector(host="-zipkin"), 'collector.host: must be a host name or IP address, got an invalid host ("-zipkin")'),
    (collector(host="1.2.3"), 'collector.host: must be a host name or IP address, got an invalid host ("1.2.3")'),
    (
        collector(host="0.0.0.0"),  # noqa: S104 - rejected
        'collector.host: must be a host name or IP address, got the unspecified address ("0.0.0.0")',
    ),
    (collector(port=0), "collector.port: must be at least 1, got 0"),
    (collector(port=65536), "collector.port: must be at most 65535, got 65536"),
    (collector(port="9411"), 'collector.port: must be a whole number, got "9411"'),
    (collector(port=94.11), "collector.port: must be a whole number, got 94.11"),
    (collector(port=True), "collector.port: must be a whole number, got true"),
    (collector(connect_timeout_ms=0), "collector.connect_timeout_ms: must be at least 1, got 0"),
    (collector(tls={}), "collector.tls.ca_file: is required"),
    (
        collector(tls={"ca_file": "ca.pem"}),
        'collector.tls.ca_file: must be the absolute path of a file on the hosts of the proxies, got "ca.pem"',
    ),
    (collector(tls={"ca_file": "/ca", "key_file": "/k"}), "collector.tls.certificate_file: is required"),
    (
        collector(tls={"ca_file": SECRET}),
        "path of a file on the hosts of the proxies, got key material (not shown)",
    ),
    (mesh(tracer={}), "tracer: must be exactly one of zipkin, opentelemetry, datadog; got none"),
    (
        mesh(tracer={"zipkin": {}, "opentelemetry": {}}),
        "tracer: must be exactly one of zipkin, opentelemetry, datadog; got zipkin, opentelemetry",
    ),
    (
        mesh(tracer={"zipkin": {"encoding": "thrift"}}),
        'tracer.zipkin.encoding: must be one of json, protobuf; got "thrift"',
    ),
    (
        mesh(tracer={"zipkin": {"path": "spans"}}),
        'tracer.zipkin.path: must be a URL path such as /api/v2/spans, got "spans"',
    ),
    (
        mesh(tracer={"opentelemetry": {}}, envoy_version=None),
        "envoy_version: is required with tracer.opentelemetry, because it decides where the sampling rate is. Set the",
    ),
    (
        mesh(tracer={"opentelemetry": {"transport": "udp"}}, envoy_version=None),
        "envoy_version: is required with tracer.opentelemetry",
    ),
    (
        mesh(tracer={"opentelemetry": {}}, sampling={"client": 50}),
        "sampling.client: is not supported with tracer.opentelemetry and Envoy 1.36 (envoy_version), got 50.0",
    ),
    (
        mesh(tracer={"opentelemetry": {}}, sampling={"overall": 0}, envoy_version="1.35"),
        "sampling.overall: is not supported with tracer.opentelemetry and Envoy 1.35 (envoy_version), got 0.0",
    ),
    (
        mesh(tracer={"zipkin": {"propagation": "b3+w3c"}}),
        'tracer.zipkin.propagation: must be "b3" with Envoy 1.34 (envoy_version), got "b3+w3c". It requires',
    ),
    (
        mesh(tracer={"opentelemetry": {"path": "/v1"}}),
        "tracer.opentelemetry.path: is not supported with transport: grpc",
    ),
    (mesh(tracer={"datadog": {}}), "tracer.datadog.service_name: is required"),
    (mesh(tracer={"jaeger": {}}), "tracer.jaeger: is not an input of tracer. Allowed: datadog, opentelemetry, zipkin"),
    (mesh(sampling={"random": 101}), "sampling.random: must be at most 100, got 101"),
    (mesh(sampling={"random": -1}), "sampling.random: must be at least 0, got -1"),
    (mesh(sampling={"random": float("nan")}), "sampling.random: must be a finite number, got NaN"),
    (mesh(sampling={"random": "10%"}), 'sampling.random: must be a number, got "10%"'),
    (
        mesh(sampling={"random": {"numerator": 1, "denominator": "HUNDRED"}}),
        "sampling.random: must be a number, got a map",
    ),
    (mesh(sampling={"random": 0.001}), "sampling.random: must be 0 or at least 0.01, got 0.001. Envoy rounds it to 0"),
    (mesh(sampling={"random": True}), "sampling.random: must be a number, got true"),
    (mesh(tags={"a": {}}), "tags.a: must be exactly one of literal, request_header, environment; got none"),
    (mesh(tags={"a": {"literal": "x", "default": "y"}}), "tags.a.default: is not supported with literal"),
    (
        mesh(tags={"a": {"request_header": "x y"}}),
        'tags.a.request_header: must be the name of an HTTP header, got "x y"',
    ),
    (
        mesh(tags={"a": {"environment": "X-Y"}}),
        'tags.a.environment: must be the name of an environment variable, got "X-Y"',
    ),
    (mesh(services={"web": {}}), "services.web.protocol: is required"),
    (
        mesh(services={"web": {"protocol": "HTTP3"}}),
        'services.web.protocol: must be one of tcp, http, http2, grpc; got "HTTP3"',
    ),
    (
        mesh(services={"*": {"protocol": "tcp"}}),
        'services.*: must be the name of a service, got "*". Set default_protocol for the whole mesh',
    ),
    (mesh(services={"": {"protocol": "tcp"}}), 'services.: must be non-empty text, got ""'),
    (mesh(services={"a/b": {"protocol": "tcp"}}), "a/b"),
    (
        mesh(services={"a b": {"protocol": "tcp"}}),
        'services.a b: must be the name of a service, without spaces, slashes and control characters; got "a',
    ),
    (
        mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Protocol": "x"}}}),
        "services.a.service_defaults.Protocol: is managed by services.<key>.protocol",
    ),
    (mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Meshgateway": {}}}}), 'did you mean "MeshGateway"?'),
    (
        mesh(services={"a": {"protocol": "tcp", "name": "b"}, "b": {"protocol": "tcp"}}),
        'services.b: conflicts with services.a, which declares the same service ("b")',
    ),
    (
        mesh(services={"a": {"protocol": "http"}}, tcp_services=["a"]),
        'tcp_services.0: conflicts with services.a, which declares the same service ("a")',
    ),
    (
        mesh(tcp_services=["a", "a"]),
        'tcp_services.1: conflicts with tcp_services.0, which declares the same service ("a")',
    ),
    (
        mesh(default_protocol="http"),
        'default_protocol: must be "tcp" without tcp_services, got "http". Proxies would parse every',
    ),
    (mesh(default_protocol="udp"), 'default_protocol: must be one of tcp, http, http2, grpc; got "udp"'),
    (mesh(static_clusters=[{}]), "static_clusters.0.name: is required"),
    (
        mesh(static_clusters=[{"name": "a"}, {"name": "a"}]),
        'static_clusters.1.name: conflicts with static_clusters.0, which has the same name ("a")',
    ),
    (
        mesh(static_clusters=[{"name": "tracing_collector"}]),
        "static_clusters.0.name: conflicts with the collector's cluster, which has the same name",
    ),
    (
        mesh(static_clusters=[{"name": "local_agent"}]),
        'static_clusters.0.name: conflicts with a cluster of Consul, which has the same name ("local_agent")',
    ),
    (
        mesh(static_clusters=[{"name": "original-destination"}]),
        "static_clusters.0.name: conflicts with a cluster of Consul, which has the same name",
    ),
    (
        mesh(services={"a": {"protocol": "tcp", "service_defaults": {"UpstreamConfig": "x"}}}),
        'services.a.service_defaults.UpstreamConfig: must be a map, got "x"',
    ),
    (
        mesh(services={"a": {"protocol": "tcp", "service_defaults": {"UpstreamConfig": {"Overrides": ["x"]}}}}),
        "services.a.service_defaults.UpstreamConfig.Overrides: must be a list of maps, got a list",
    ),
    (mesh(proxy_defaults={"MeshGateway": "local"}), 'proxy_defaults.MeshGateway: must be a map, got "local"'),
    (
        mesh(services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "default"}}),
        'services.b: conflicts with services.a, which declares the same service ("a")',
    ),
    (
        mesh(services={"b": {"protocol": "tcp", "name": "a", "partition": "default"}}, tcp_services=["a"]),
        'tcp_services.0: conflicts with services.b, which declares the same service ("a")',
    ),
    (
        on_kubernetes(
            services={"a": {"protocol": "tcp"}, "b": {"protocol": "tcp", "name": "a", "namespace": "consul"}}
        ),
        'services.b: conflicts with services.a, which declares the same service ("a")',
    ),
    (mesh(owner=""), 'owner: must be non-empty text, got ""'),
    (mesh(owner="x" * 513), "owner: must be at most 512 bytes"),
    (
        mesh(proxy_config={"envoy_tracing_json": {"http": {}}}),
        "proxy_config.envoy_tracing_json: is managed by tracer",
    ),
    (mesh(proxy_config={"envoy_tracing_json": ["x"]}), "proxy_config.envoy_tracing_json: is managed by tracer"),
    (mesh(proxy_config={"envoy_tracing_json": '"{}"'}), "proxy_config.envoy_tracing_json: is managed by tracer"),
    (
        mesh(proxy_config={"envoy_tracing_json": "{}"}),
        "proxy_config.envoy_tracing_json: is managed by tracer",
    ),
    (
        mesh(proxy_config={"Envoy_Listener_Tracing_JSON": "{}"}),
        "proxy_config.Envoy_Listener_Tracing_JSON: is managed by sampling, spans and tags",
    ),
    (
        mesh(proxy_config={"envoy_extra_static_clusters_json": "{}"}),
        "proxy_config.envoy_extra_static_clusters_json: is managed by collector and static_clusters",
    ),
    (
        mesh(proxy_config={"envoy_stats_sinks_json": {}}),
        "sinks_json: must be text with one JSON object, or several separated by commas; got a map",
    ),
    (
        mesh(proxy_config={"envoy_stats_sinks_json": "{"}),
        "sinks_json: must be text with one JSON object, or several separated by commas; got invalid JSON",
    ),
    (
        mesh(proxy_config={"envoy_stats_sinks_json": '"{}"'}),
        "sinks_json: must be text with one JSON object, or several separated by commas; got JSON that is escaped twice",
    ),
    (mesh(proxy_config={"envoy_stats_sinks_json": "[]"}), "or several separated by commas; got other JSON"),
    (collector(host="http://user:hush@zipkin"), 'IP address, got a URL. Set host: "zipkin"'),
    (
        collector(tls={"ca_file": "/ca", "server_name": "zipkin:443"}),
        'server_name: must be a host name or IP address, got a host with a port ("zipkin:443"). Set server_name: "zip',
    ),
    (mesh(proxy_defaults={"Protocol": "http"}), "proxy_defaults.Protocol: is managed by default_protocol"),
    (mesh(proxy_defaults={"Meta": "x"}), 'proxy_defaults.Meta: must be a map, got "x"'),
    (
        mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Config": {}}}}),
        "services.a.service_defaults.Config: is not a field of service-defaults",
    ),
    (
        mesh(services={"a": {"protocol": "tcp", "service_defaults": {"Namespace": "x"}}}),
        "services.a.service_defaults.Namespace: is managed by services.<key>.namespace",
    ),
    (mesh(proxy_config={"protocol": "http"}), "proxy_config.protocol: is managed by default_protocol"),
    (
        mesh(proxy_config={"a": {"b": [object()]}}),
        "proxy_config.a.b.0: must be text, a number, true, false, null, a list or a map; got an object",
    ),
    (mesh(proxy_config={"a": float("inf")}), "proxy_config.a: must be a finite number, got Infinity"),
    (mesh(proxy_config={1: 2}), "proxy_config: must be a map with text keys, got the key 1"),
    (mesh(proxy_defaults={"Config": {}}), "proxy_defaults.Config: is managed by proxy_config"),
    (mesh(proxy_defaults={"Kind": "x"}), "proxy_defaults.Kind: is managed by consul-tracing"),
    (
        mesh(proxy_defaults={"Acesslogs": {}}),
        'proxy_defaults.Acesslogs: is not a field of proxy-defaults; did you mean "AccessLogs"? Allowed:',
    ),
    (
        mesh(proxy_defaults={"Meta": {"managed-by": "me"}}),
        "proxy_defaults.Meta.managed-by: is managed by consul-tracing (ownership metadata). Use another key",
    ),
    (mesh(proxy_defaults={"Meta": {"a": 1}}), "proxy_defaults.Meta.a: must be text, got 1"),
    (mesh(envoy_version="1.33"), 'envoy_version: must be 1.34 or newer, got "1.33"'),
    (collector(port=10**5000), "collector.port: must be at most 65535, got a number with more than 20 digits"),
    (mesh(envoy_version="new"), 'envoy_version: must be a version such as "1.34" or "1.36.4", got "new"'),
    (mesh(envoy_version=1.4), 'envoy_version: must be text in quotes, such as "1.40": without quotes, YAML reads'),
    (mesh(services={"web": "http"}), 'services.web: must be a map, got "http". Set web: {protocol: http}'),
    (mesh(tracer="zipkin"), 'tracer: must be a map, got "zipkin". Set tracer: {zipkin: {}}'),
    (mesh(sampling=5), "sampling: must be a map, got 5. Set sampling: {random: 5}"),
    (mesh(tags={"team": "core"}), 'tags.team: must be a map, got "core". Set team: {literal: core}'),
    (mesh(collector="zipkin"), 'collector: must be a map, got "zipkin". Set collector: {host: zipkin}'),
    (collector(tls=True), "collector.tls: must be a map, got true. Set tls: {ca_file: /etc/ssl/certs/ca.pem}"),
    (
        {"host": "zipkin"},
        (
            "  collector: is required. Set collector, or zipkin_collector to deploy Zipkin on Kubernetes\n"
            "  host: is not an input of MeshTracing; it belongs in collector or zipkin_collector.ingress. Allowed:"
        ),
    ),
    (mesh(protocol="http"), "protocol: is not an input of MeshTracing; it belongs in services.<key>. Allowed:"),
    (mesh(headers={}), "headers: is not an input of MeshTracing; it belongs in tracer.opentelemetry. Allowed:"),
    (mesh(service={}), 'service: is not an input of MeshTracing; did you mean "services"?'),
    (mesh(mispelt=None), "mispelt: is not an input of MeshTracing"),
    (
        mesh(tracer={"opentelemetry": {"headers": {"X-A": "a", "x-a": "b"}}}),
        "headers: must be names that differ in more than their case",
    ),
    (mesh(spans={"max_path_tag_length": 2**32}), "must be at most 4294967295, got 4294967296"),
    (
        mesh(zipkin={}),
        "zipkin: is not an input of MeshTracing; it belongs in tracer. Allowed: accept_broken_traces, collector,",
    ),
    (mesh(spans={"max_path_tag_length": 0}), "spans.max_path_tag_length: must be at least 1, got 0"),
    (
        collector(export_timeout_ms=100),
        "collector.export_timeout_ms: is not supported without tracer.opentelemetry",
    ),
    *(
        (
            mesh(tracer={"opentelemetry": {"headers": {name: "x"}}}),
            f"tracer.opentelemetry.headers.{name}: must not be a credential, because every client of Consul can read",
        )
        for name in ("Authorization", "x-api-key", "dd-api-key", "x-honeycomb-team", "x-access-token", "cookie")
    ),
    *(
        (
            mesh(tracer={"opentelemetry": {"headers": {name: "x"}}}),
            f"tracer.opentelemetry.headers.{name}: must not be a header that Envoy sets, got",
        )
        for name in (":path", "grpc-timeout", "Content-Type", "host")
    ),
    (
        mesh(tracer={"opentelemetry": {"headers": {"x-tenant": "100%"}}}),
        'headers.x-tenant: must be printable ASCII text without %, got "100%"',
    ),
    (
        mesh(tracer={"opentelemetry": {"headers": {"x-tenant": "Bearer hush"}}}),
        "headers.x-tenant: must not be a credential",
    ),
    (
        on_kubernetes(metadata={"annotations": {"consul-tracing/keys": "x"}}),
        "metadata.annotations.consul-tracing/keys: is managed by consul-tracing, Pulumi, consul-k8s or",
    ),
    (on_kubernetes(metadata={"labels": {"team": "a b"}}), "metadata.labels.team: must be the value of a label"),
]


@pytest.mark.parametrize(("args", "message"), REJECTED, ids=[message[:50] for _, message in REJECTED])
def test_invalid_input_is_rejected_with_its_path(args: Any, message: str) -> None:
    assert message in str(rejection(args))


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


def test_inputs_as_keyword_arguments_are_rejected() -> None:
    component: Any = MeshTracing
    with pytest.raises(InvalidInputError) as error:
        component("mesh", collector={"host": "zipkin"})
    assert (
        'is not a parameter of MeshTracing(name, args, opts). Write inputs in args: MeshTracing("mesh", {"coll'
        in str(error.value)
    )


def test_all_problems_are_reported_sorted_by_path() -> None:
    wrong = collector(host="http://zipkin:9411") | {"services": {"web": {"protocol": "HTTP3"}}}
    assert str(rejection(wrong)) == (
        'consul-tracing: CT101: 2 inputs of "mesh" are invalid\n'
        '  collector.host: must be a host name or IP address, got a URL ("http://zipkin:9411"). '
        'Set host: "zipkin" and port: 9411\n'
        '  services.web.protocol: must be one of tcp, http, http2, grpc; got "HTTP3"'
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


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            lambda hush: mesh(services={"web": hush}),
            "services.web: must be a plain value, got an Output. Set it in the stack configuration, or",
        ),
        (
            lambda hush: mesh(sampling={"random": hush}),
            "sampling.random: must be a plain value, got an Output. Set it in the stack configuration, or",
        ),
        (
            lambda hush: mesh(proxy_config={"a": hush}),
            "proxy_config.a: must be a plain value, got an Output",
        ),
        (
            lambda hush: mesh(tags={"a": {"literal": hush}}),
            "tags.a.literal: must be a plain value, got an Output. Set it in the stack configuration, or",
        ),
    ],
)
def test_output_is_rejected_where_only_plain_values_are_allowed(
    engine: Engine, args: Callable[[Any], Any], message: str
) -> None:
    rejected: list[str] = []
    engine.run(lambda: rejected.append(str(rejection(args(pulumi.Output.secret("hush"))))))
    assert message in rejected[0]
    assert "hush" not in rejected[0]


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
