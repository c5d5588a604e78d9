"""Settings of `ZipkinCollector`, their defaults and warnings, and messages about invalid input."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consul_tracing import InvalidInputError
from consul_tracing.inputs.zipkin_collector_settings import MANAGED_VARIABLES, ZipkinCollectorSettings
from consul_tracing.zipkin.pod import environment
from tests.unit.zipkin_collectors import CASSANDRA, ELASTICSEARCH, settings

SECRET = "credentials"  # noqa: S105 - an object's name
PASSWORD = "hunter2"  # noqa: S105 - must not appear in a message


def rejection(args: Any) -> InvalidInputError:
    with pytest.raises(InvalidInputError) as error:
        ZipkinCollectorSettings.of("zipkin", args)
    return error.value


def elasticsearch(**fields: Any) -> dict[str, Any]:
    return {"storage": {"elasticsearch": {**ELASTICSEARCH, **fields}}}


def cassandra(**fields: Any) -> dict[str, Any]:
    return {"storage": {"cassandra": {**CASSANDRA, **fields}}}


Golden = Callable[[str, Any], None]

REJECTED: list[Any] = [
    3,
    {"replica": 1},
    {"namespace": "Tracing"},
    {"namespace": "a.b"},
    {"service": {"type": "ExternalName"}},
    {"service": {"port": 80}},
    *(
        {"cluster_domain": name}
        for name in ("Cluster.local", "cluster.local.", "*.local", "10.0.0.1", "cluster.1", "", "a b")
    ),
    {"service_account_annotations": {"a": 1}},
    {"run_as_user": 0},
    {"run_as_user": 2**31},
    {"run_as_user": "1000"},
    {"image": "openzipkin/zipkin"},
    {"image": "openzipkin/zipkin:latest"},
    {"image": "registry:5000/zipkin"},
    {"image": "registry:5000/zipkin:latest"},
    {"image": "zipkin@sha256:12"},
    {"image": "zipkin:3 6"},
    {"image": "Zipkin:3.6.1"},
    {"image": "https://registry/zipkin:3.6.1"},
    {"replicas": 0},
    {"replicas": 2},
    {"autoscaling": {"max_replicas": 3}},
    {"dependencies_job": {}},
    {"storage": {}},
    {"storage": {"memory": {}, "elasticsearch": ELASTICSEARCH}},
    {"storage": {"mysql": {}}},
    {"storage": {"memory": {"max_spans": 0}}},
    {"storage": {"elasticsearch": {}}},
    elasticsearch(hosts=[]),
    elasticsearch(hosts="https://es:9200"),
    elasticsearch(hosts=["es:9200"]),
    elasticsearch(hosts=["https://"]),
    elasticsearch(hosts=["https://es:99999"]),
    elasticsearch(hosts=["https://es/spans"]),
    elasticsearch(hosts=["http://localhost:9200"]),
    elasticsearch(hosts=["http://es:9300"]),
    elasticsearch(hosts=["https://a", "http://b"]),
    elasticsearch(index="Zipkin"),
    elasticsearch(index_shards=0),
    elasticsearch(index_replicas=-1),
    elasticsearch(timeout_ms=0),
    elasticsearch(password_key=SECRET),
    elasticsearch(hosts=["http://es"], verify_certificate=False),
    elasticsearch(trust_store={"secret": "ca"}, verify_certificate=False),
    elasticsearch(trust_store={"secret": "ca", "key": "a b"}),
    elasticsearch(version="8"),
    {**elasticsearch(verify_certificate=False), "dependencies_job": {}},
    {"storage": {"cassandra": {}}},
    cassandra(contact_points=["http://c"]),
    cassandra(contact_points=["c:x"]),
    cassandra(contact_points=["127.0.0.1"]),
    cassandra(keyspace="a-b"),
    cassandra(use_ssl=True),
    cassandra(verify_hostname=False),
    {**cassandra(), "image": "registry:5000/mirror/zipkin-slim:3.6.1"},
    {"resources": {"memory_limit": "255Mi"}},
    {"resources": {"memory_limit": "512MB"}},
    {"resources": {"memory_limit": 512}},
    {"ingress": {}},
    {"ingress": {"host": "z.example.com"}},
    {"ingress": {"host": "z.example.com", "tls": False, "tls_secret": "t"}},
    {"ingress": {"host": "z", "tls": False, "path": "zipkin"}},
    {**elasticsearch(), "autoscaling": {}},
    {**elasticsearch(), "autoscaling": {"max_replicas": 3, "cpu_percent": 101}},
    {**elasticsearch(), "replicas": 2, "autoscaling": {"max_replicas": 3}},
    {"disruption_budget": {}},
    {"disruption_budget": {"min_available": 1}},
    {**elasticsearch(), "replicas": 3, "disruption_budget": {"min_available": 3}},
    {**elasticsearch(), "autoscaling": {"max_replicas": 9}, "disruption_budget": {"min_available": 2}},
    {"disruption_budget": {"max_unavailable": 0}},
    {"network_policy": {"clients": []}},
    {"network_policy": {"clients": [{}]}},
    {"network_policy": {"clients": [{"cidr": "10.0.0.0/8", "namespace": "a"}]}},
    {"network_policy": {"storage": [{"namespace": "es"}]}},
    {"service_monitor": {"interval": "often"}},
    {"service_monitor": {"labels": {"app.kubernetes.io/name": "x"}}},
    {**elasticsearch(), "dependencies_job": {"image": "x:latest"}},
    {**elasticsearch(), "dependencies_job": {"resources": {"memory_limit": "1Mi"}}},
    {"scheduling": {"affinity": {"a": [{"b": None}]}}},
    {"scheduling": {"node_selector": {"a": 1}}},
    {"image_pull_secrets": ["A"]},
    {"labels": {"app.kubernetes.io/instance": "x"}},
    {"labels": {"a": True}},
    {"annotations": {"consul.hashicorp.com/connect-inject": "true"}},
    {"annotations": {"a": 1}},
    {"environment": {"A-B": "x"}},
    {"environment": {"QUERY_LOOKBACK": 1}},
    {"environment_secrets": {"A-B": {"secret": "s", "key": "k"}}},
    {"environment_secrets": {"A": {"secret": "s"}}},
    {"environment_secrets": {"A": {"key": "k"}}},
    {"environment_secrets": {"A": PASSWORD}},
    {"environment": {"A": "x"}, "environment_secrets": {"A": {"secret": "s", "key": "k"}}},
]


def test_messages_about_invalid_input_match_the_golden_file(golden: Golden) -> None:
    golden("rejected-collectors", [str(rejection(args)).split("\n", 1)[1].strip() for args in REJECTED])


@pytest.mark.parametrize("name", sorted(MANAGED_VARIABLES))
def test_managed_environment_variable_is_rejected(name: str) -> None:
    reason = f"{name}: is managed by {MANAGED_VARIABLES[name]}"
    assert f"environment_secrets.{reason}" in str(
        rejection({"environment_secrets": {name: {"secret": SECRET, "key": "k"}}})
    )
    if "PASSWORD" not in name:
        assert f"environment.{reason}" in str(rejection({"environment": {name: "x"}}))


@pytest.mark.parametrize("name", ["ES_PASSWORD", "RABBIT_PASSWORD", "MYSQL_PASS", "AWS_SECRET_ACCESS_KEY", "TOKEN"])
def test_credential_in_the_environment_is_rejected_without_being_shown(name: str) -> None:
    message = str(rejection({"environment": {name: PASSWORD}}))
    assert f"environment.{name}: must not be a credential" in message
    assert "set environment_secrets, or credentials_secret of the storage" in message
    assert PASSWORD not in message


def test_credential_in_environment_secrets_is_accepted() -> None:
    reference = {"AWS_SECRET_ACCESS_KEY": {"secret": SECRET, "key": "k"}}
    assert settings(environment_secrets=reference).environment_secrets.keys() == reference.keys()


@pytest.mark.parametrize(
    "args",
    [
        elasticsearch(hosts=[f"https://elastic:{PASSWORD}@es.example.com:9200"]),
        elasticsearch(hosts=[f"elastic:{PASSWORD}@es"]),
        cassandra(contact_points=[f"cassandra:{PASSWORD}@node:9042"]),
        {"environment": {"RABBIT_URI": f"amqp://guest:{PASSWORD}@rabbit"}},
    ],
)
def test_password_in_an_address_is_rejected_without_being_shown(args: Any) -> None:
    message = str(rejection(args))
    assert "must not contain a" in message
    assert PASSWORD not in message


def test_all_problems_are_reported_together() -> None:
    assert str(rejection({"namespace": "A", "image": "zipkin"})) == (
        'consul-tracing: CT101: 2 inputs of "zipkin" are invalid\n'
        '  image: must be an image with a version, such as :3.6.1, or a digest; got "zipkin"\n'
        "  namespace: must be the name of a Kubernetes namespace "
        '(at most 63 lower-case letters, digits and "-"); got "A"\n'
        "  https://consul-tracing.github.io/consul-tracing/latest/reference/messages/#ct101"
    )


def test_collector_without_arguments_has_defaults() -> None:
    zipkin = settings()
    assert (zipkin.host, zipkin.port) == ("zipkin.default.svc.cluster.local", 9411)
    assert zipkin.url == "http://zipkin.default.svc.cluster.local:9411"
    assert zipkin.chosen_image == "openzipkin/zipkin-slim:3.6.1"
    assert settings(namespace="tracing", service_name="traces").host == "traces.tracing.svc.cluster.local"
    assert zipkin.run_as_user == 1000


def test_cluster_domain_is_part_of_the_address() -> None:
    zipkin = settings(cluster_domain="prod.example.com")
    assert zipkin.host == "zipkin.default.svc.prod.example.com"
    assert zipkin.url == "http://zipkin.default.svc.prod.example.com:9411"


def test_null_user_differs_from_the_default() -> None:
    assert settings(run_as_user=None).run_as_user is None
    assert ZipkinCollectorSettings.keeps_none == {"run_as_user"}


def test_cassandra_uses_the_full_image() -> None:
    assert settings(**cassandra()).chosen_image == "openzipkin/zipkin:3.6.1"
    assert settings(**elasticsearch()).chosen_image == "openzipkin/zipkin-slim:3.6.1"


@pytest.mark.parametrize(
    "image",
    [
        "zipkin:3",
        "registry:5000/zipkin:3.6.1",
        "ghcr.io/openzipkin/zipkin-slim:3.6.1",
        f"openzipkin/zipkin@sha256:{'0' * 64}",
        f"registry.example.com:5000/a/b__c/zipkin:v3@sha256:{'a' * 64}",
    ],
)
def test_image_with_a_version_or_digest_is_accepted(image: str) -> None:
    assert settings(image=image).chosen_image == image


def test_storage_port_defaults_to_the_port_of_zipkin() -> None:
    storage = settings(**elasticsearch(hosts=["https://a", "https://b:9200/", "https://[2001:db8::1]"])).storage
    assert storage.elasticsearch
    assert storage.elasticsearch.hosts == ["https://a:443", "https://b:9200", "https://[2001:db8::1]:443"]
    assert storage.elasticsearch.ports == [443, 9200]
    nodes = settings(**cassandra(contact_points=["a", "10.0.0.7:9043", "[2001:db8::1]:9044"])).storage.cassandra
    assert nodes
    assert nodes.contact_points == ["a:9042", "10.0.0.7:9043", "[2001:db8::1]:9044"]


@pytest.mark.parametrize(("given", "written"), [("192.0.2.7", "192.0.2.7/32"), ("10.0.0.0/8", "10.0.0.0/8")])
def test_address_of_a_peer_is_a_range(given: str, written: str) -> None:
    policy = settings(network_policy={"clients": [{"cidr": given}]}).network_policy
    assert policy
    assert policy.clients
    assert policy.clients[0].cidr == written


WARNED: list[Any] = [
    {},
    {"storage": {"memory": {"max_spans": 500_000}}},
    elasticsearch(hosts=["http://es:9200"], credentials_secret=SECRET),
    elasticsearch(verify_certificate=False),
    {**elasticsearch(), "ingress": {"host": "z", "tls": False, "path": "/"}},
    {**elasticsearch(), "service": {"type": "NodePort"}},
    {**elasticsearch(), "service": {"type": "LoadBalancer"}},
]
SILENT: list[Any] = [
    elasticsearch(),
    {
        **elasticsearch(),
        "service": {"type": "NodePort"},
        "network_policy": {"clients": [{"cidr": "10.20.0.0/16"}]},
    },
]


def test_warnings_match_the_golden_file(golden: Golden) -> None:
    golden("collector-warnings", ["\n".join(settings(**args).warnings()) for args in WARNED])


def test_secure_durable_storage_has_no_warning() -> None:
    assert [settings(**args).warnings() for args in SILENT] == [[], []]


def test_default_max_spans_grows_with_the_memory_limit() -> None:
    kept = [settings(resources={"memory_limit": limit}).max_spans for limit in ("256Mi", "512Mi", "1Gi", "4Gi")]
    assert kept == sorted(set(kept))
    assert kept[0] >= 1000


def test_documented_sizes_match_the_defaults() -> None:
    document = (Path(__file__).parents[3] / "docs" / "guides" / "zipkin-kubernetes.md").read_text()
    rows = re.findall(r"^\| (\d+[MG]i)\b[^|]*\| ([\d,]+) MiB \| ([\d,]+) \|$", document, re.MULTILINE)
    assert len(rows) == 5
    for limit, heap, spans in rows:
        zipkin = settings(resources={"memory_limit": limit})
        assert (f"{zipkin.resources.heap:,}", f"{zipkin.max_spans:,}") == (heap, spans)


def test_every_written_variable_is_a_managed_variable() -> None:
    storages = [
        {},
        elasticsearch(credentials_secret=SECRET, pipeline="p", trust_store={"secret": "ca"}),
        elasticsearch(verify_certificate=False),
        cassandra(credentials_secret=SECRET, use_ssl=True, trust_store={"secret": "ca"}),
    ]
    written = {variable["name"] for args in storages for variable in environment(settings(**args))}
    assert written <= MANAGED_VARIABLES.keys()
