"""What a collector may be, and what bad input gets: the path, what was given, and what is allowed."""

import re
from pathlib import Path
from typing import Any

import pytest

from consul_tracing import InvalidInput, collector_args, collector_settings
from consul_tracing.collector_settings import OWN_VARIABLES, ZipkinCollectorSettings
from consul_tracing.zipkin_manifests import environment
from tests.unit.zipkin_collectors import CASSANDRA, ELASTICSEARCH, settings

SECRET = "credentials"  # noqa: S105 - an object's name
PASSWORD = "hunter2"  # noqa: S105 - what must never be repeated


def refusal(args: Any) -> InvalidInput:
    with pytest.raises(InvalidInput) as refused:
        ZipkinCollectorSettings.of("zipkin", args)
    return refused.value


def elasticsearch(**fields: Any) -> dict[str, Any]:
    return {"storage": {"elasticsearch": {**ELASTICSEARCH, **fields}}}


def cassandra(**fields: Any) -> dict[str, Any]:
    return {"storage": {"cassandra": {**CASSANDRA, **fields}}}


HOSTS = "storage.elasticsearch.hosts.0"
REFUSED = [
    (3, "the arguments: 3 is not a map"),
    ({"replica": 1}, 'replica: there is no such key; did you mean "replicas"?'),
    ({"namespace": "Tracing"}, 'namespace: "Tracing" is not a namespace\'s name'),
    ({"namespace": "a.b"}, 'namespace: "a.b" is not a namespace\'s name'),
    ({"service_name": "1zipkin"}, 'service_name: "1zipkin" is not a Service\'s name'),
    ({"service_name": "z" * 64}, "at most 63 lower-case letters, digits and -, first a letter"),
    ({"image": "openzipkin/zipkin"}, 'image: "openzipkin/zipkin" is another program from one day to the next'),
    ({"image": "openzipkin/zipkin:latest"}, 'image: "openzipkin/zipkin:latest" is another program'),
    ({"image": "registry:5000/zipkin"}, 'image: "registry:5000/zipkin" is another program'),
    ({"image": "registry:5000/zipkin:latest"}, "is another program from one day to the next"),
    ({"image": "zipkin@sha256:12"}, "has no digest such as @sha256:"),
    ({"image": "zipkin:3 6"}, "has no tag that a registry would take"),
    ({"image": "Zipkin:3.6.1"}, 'image: "Zipkin:3.6.1" is not an image such as'),
    ({"image": "https://registry/zipkin:3.6.1"}, "is not an image such as"),
    ({"replicas": 0}, "replicas: 0 is less than 1"),
    ({"replicas": 2}, "replicas: 2 need a storage that they share: each pod would hold a part of every trace"),
    ({"autoscaling": {"max_replicas": 3}}, "autoscaling: needs a storage that the pods share"),
    ({"dependencies_job": {}}, "dependencies_job: cannot read Zipkin's memory"),
    ({"storage": {}}, "storage: nothing is given; write exactly one of memory, elasticsearch, cassandra"),
    ({"storage": {"memory": {}, "elasticsearch": ELASTICSEARCH}}, "storage: memory, elasticsearch are given together"),
    ({"storage": {"mysql": {}}}, "storage.mysql: there is no such key; allowed: cassandra, elasticsearch, memory"),
    ({"storage": {"memory": {"max_spans": 0}}}, "storage.memory.max_spans: 0 is less than 1"),
    ({"storage": {"elasticsearch": {}}}, "storage.elasticsearch.hosts: is required"),
    (elasticsearch(hosts=[]), "storage.elasticsearch.hosts: "),
    (elasticsearch(hosts="https://es:9200"), 'storage.elasticsearch.hosts: "https://es:9200" is not a list'),
    (elasticsearch(hosts=["es:9200"]), f'{HOSTS}: "es:9200" is not a URL such as'),
    (elasticsearch(hosts=["https://"]), f'{HOSTS}: "https://" is not a URL such as'),
    (elasticsearch(hosts=["https://es:99999"]), f'{HOSTS}: "https://es:99999" holds no port between'),
    (elasticsearch(hosts=["https://es/spans"]), "holds more than scheme, host and port"),
    (elasticsearch(hosts=["http://localhost:9200"]), f'{HOSTS}: "localhost" is Zipkin\'s own pod'),
    (elasticsearch(hosts=["http://es:9300"]), "is Elasticsearch's transport port"),
    (elasticsearch(hosts=["https://a", "http://b"]), "storage.elasticsearch.hosts: holds both http and https"),
    (elasticsearch(index="Zipkin"), 'storage.elasticsearch.index: "Zipkin" is not an index\'s name'),
    (elasticsearch(index_shards=0), "storage.elasticsearch.index_shards: 0 is less than 1"),
    (elasticsearch(index_replicas=-1), "storage.elasticsearch.index_replicas: -1 is less than 0"),
    (elasticsearch(timeout_ms=0), "storage.elasticsearch.timeout_ms: 0 is not a time to wait"),
    (elasticsearch(credentials_secret=SECRET.upper()), 'credentials_secret: "CREDENTIALS" is not an object\'s name'),
    (elasticsearch(password_key=SECRET), "storage.elasticsearch.password_key: is of no use: there is no credentials"),
    (elasticsearch(credentials_secret=SECRET, username_key="a b"), 'username_key: "a b" is not a key of a Secret'),
    (elasticsearch(hosts=["http://es"], verify_certificate=False), "verify_certificate: is of no use: hosts are not"),
    (elasticsearch(trust_store={"secret": "ca"}, verify_certificate=False), "trust_store: is of no use with verify"),
    (elasticsearch(version="8"), "storage.elasticsearch.version: there is no such key"),
    (
        {**elasticsearch(verify_certificate=False), "dependencies_job": {}},
        "dependencies_job: has no way not to verify a certificate",
    ),
    ({"storage": {"cassandra": {}}}, "storage.cassandra.contact_points: is required"),
    (cassandra(contact_points=["http://c"]), 'contact_points.0: "http://c" is not a node such as'),
    (cassandra(contact_points=["c:x"]), 'contact_points.0: "//c:x" holds no port between'),
    (cassandra(contact_points=["127.0.0.1"]), 'contact_points.0: "127.0.0.1" is Zipkin\'s own pod'),
    (cassandra(keyspace="a-b"), 'storage.cassandra.keyspace: "a-b" is not a keyspace\'s name'),
    (cassandra(use_ssl=True), "storage.cassandra.trust_store: is required with use_ssl"),
    (cassandra(verify_hostname=False), "storage.cassandra.verify_hostname: is of no use: use_ssl is false"),
    (
        {**cassandra(), "image": "registry:5000/mirror/zipkin-slim:3.6.1"},
        'image: "registry:5000/mirror/zipkin-slim:3.6.1" is a slim image, which has no Cassandra',
    ),
    ({"resources": {"memory_limit": "255Mi"}}, 'resources.memory_limit: "255Mi" is too little for Zipkin'),
    ({"resources": {"memory_limit": "512MB"}}, 'resources.memory_limit: "512MB" is not an amount of memory such as'),
    ({"resources": {"memory_limit": 512}}, "resources.memory_limit: 512 is not text"),
    ({"resources": {"cpu_request": "0"}}, 'resources.cpu_request: "0" is not processor time such as'),
    ({"resources": {"cpu_request": "1k"}}, 'resources.cpu_request: "1k" is not processor time such as'),
    ({"resources": {"cpu_limit": "100m"}}, 'resources.cpu_limit: "100m" is less than cpu_request, "250m"'),
    ({"ingress": {}}, "ingress.host: is required"),
    ({"ingress": {"host": "z.example.com"}}, "ingress.tls_secret: is required; or say tls: false"),
    (
        {"ingress": {"host": "z.example.com", "tls": False, "tls_secret": "t"}},
        "ingress.tls_secret: is of no use: tls is false",
    ),
    ({"ingress": {"host": "https://z", "tls": False}}, 'ingress.host: "https://z" is not a name in DNS'),
    ({"ingress": {"host": "10.0.0.1", "tls": False}}, 'ingress.host: "10.0.0.1" is not a name in DNS'),
    ({"ingress": {"host": "z", "tls": False, "path": "zipkin"}}, 'ingress.path: "zipkin" is not a path'),
    ({**elasticsearch(), "autoscaling": {}}, "autoscaling.max_replicas: is required"),
    (
        {**elasticsearch(), "autoscaling": {"max_replicas": 1}},
        "autoscaling.max_replicas: 1 is less than min_replicas, 2",
    ),
    (
        {**elasticsearch(), "autoscaling": {"max_replicas": 3, "cpu_percent": 101}},
        "autoscaling.cpu_percent: 101 is not between 1 and 100",
    ),
    (
        {**elasticsearch(), "replicas": 2, "autoscaling": {"max_replicas": 3}},
        "replicas: is decided by autoscaling",
    ),
    ({"disruption_budget": {}}, "disruption_budget: nothing is given; write exactly one of"),
    (
        {"disruption_budget": {"min_available": 1}},
        "disruption_budget.min_available: 1 of 1 lets no node be drained, ever",
    ),
    (
        {**elasticsearch(), "replicas": 3, "disruption_budget": {"min_available": 3}},
        "disruption_budget.min_available: 3 of 3 lets no node be drained, ever; write at most 2",
    ),
    (
        {**elasticsearch(), "autoscaling": {"max_replicas": 9}, "disruption_budget": {"min_available": 2}},
        "disruption_budget.min_available: 2 of 2 lets no node be drained",
    ),
    ({"disruption_budget": {"max_unavailable": 0}}, "disruption_budget.max_unavailable: 0 lets no node be drained"),
    ({"network_policy": {"clients": []}}, "network_policy.clients: "),
    ({"network_policy": {"clients": [{}]}}, "network_policy.clients.0: nothing is given; write namespace"),
    (
        {"network_policy": {"clients": [{"cidr": "10.0.0.0/8", "namespace": "a"}]}},
        "network_policy.clients.0.cidr: stands alone",
    ),
    ({"network_policy": {"clients": [{"cidr": "10.0.0.1/8"}]}}, '"10.0.0.1/8" is not a range of addresses'),
    ({"network_policy": {"storage": [{"namespace": "es"}]}}, "network_policy.storage: is of no use"),
    ({"service_monitor": {"interval": "often"}}, 'service_monitor.interval: "often" is not a time such as'),
    (
        {"service_monitor": {"labels": {"app.kubernetes.io/name": "x"}}},
        "service_monitor.labels.app.kubernetes.io/name: is written by the component",
    ),
    ({**elasticsearch(), "dependencies_job": {"schedule": "hourly"}}, '"hourly" is not a schedule of five fields'),
    ({**elasticsearch(), "dependencies_job": {"schedule": "TZ=UTC 5 * * * *"}}, "holds a time zone"),
    ({**elasticsearch(), "dependencies_job": {"image": "x:latest"}}, "dependencies_job.image: "),
    ({**elasticsearch(), "dependencies_job": {"resources": {"memory_limit": "1Mi"}}}, "is too little"),
    (
        {**elasticsearch(), "dependencies_job": {}, "service_name": "z" * 40},
        "service_name: has 40 characters; at most 39 with the job",
    ),
    ({"scheduling": {"affinity": {"a": [{"b": None}]}}}, "scheduling.affinity: a.0.b is null; leave it out"),
    ({"scheduling": {"node_selector": {"a": 1}}}, "scheduling.node_selector.a: 1 is not text"),
    ({"scheduling": {"topology_spread": ["a", "a"]}}, 'scheduling.topology_spread.1: "a" is given before'),
    ({"image_pull_secrets": ["A"]}, 'image_pull_secrets.0: "A" is not an object\'s name'),
    ({"labels": {"app.kubernetes.io/instance": "x"}}, "labels.app.kubernetes.io/instance: is written by the component"),
    ({"labels": {"-a": "x"}}, 'labels.-a: "-a" is not a key such as team'),
    ({"labels": {"a": "x y"}}, 'labels.a: "x y" is not a label\'s value'),
    ({"labels": {"a": True}}, "labels.a: true is not text"),
    ({"annotations": {"consul.hashicorp.com/connect-inject": "true"}}, "annotations.consul.hashicorp.com/connect-inj"),
    ({"annotations": {"a": 1}}, "annotations.a: 1 is not text"),
    ({"environment": {"A-B": "x"}}, 'environment.A-B: "A-B" is not the name of an environment variable'),
    ({"environment": {"QUERY_LOOKBACK": 1}}, "environment.QUERY_LOOKBACK: 1 is not text"),
]


@pytest.mark.parametrize(("args", "told"), REFUSED, ids=[told[:60] for _, told in REFUSED])
def test_what_cannot_work_is_refused_by_its_path(args: Any, told: str) -> None:
    assert told in str(refusal(args))


@pytest.mark.parametrize("name", sorted(OWN_VARIABLES))
def test_a_variable_that_the_component_writes_is_refused(name: str) -> None:
    assert f"environment.{name}: is written by the component; use " in str(refusal({"environment": {name: "x"}}))


@pytest.mark.parametrize("name", ["ES_PASSWORD", "RABBIT_PASSWORD", "MYSQL_PASS", "AWS_SECRET_ACCESS_KEY", "TOKEN"])
def test_a_credential_among_the_variables_is_refused_without_being_repeated(name: str) -> None:
    told = str(refusal({"environment": {name: PASSWORD}}))
    assert f"environment.{name}: looks like a credential" in told
    assert "credentials_secret" in told
    assert PASSWORD not in told


@pytest.mark.parametrize(
    "args",
    [
        elasticsearch(hosts=[f"https://elastic:{PASSWORD}@es.example.com:9200"]),
        elasticsearch(hosts=[f"elastic:{PASSWORD}@es"]),
        cassandra(contact_points=[f"cassandra:{PASSWORD}@node:9042"]),
        {"environment": {"RABBIT_URI": f"amqp://guest:{PASSWORD}@rabbit"}},
    ],
)
def test_a_password_in_an_address_is_refused_without_being_repeated(args: Any) -> None:
    told = str(refusal(args))
    assert "holds a" in told
    assert PASSWORD not in told


def test_several_are_told_together() -> None:
    assert str(refusal({"namespace": "A", "image": "zipkin"})) == (
        'consul-tracing: 2 inputs of "zipkin" cannot be used\n'
        '  image: "zipkin" is another program from one day to the next; write a version, such as :3.6.1, or a digest\n'
        '  namespace: "A" is not a namespace\'s name: at most 63 lower-case letters, digits and -, '
        "first a letter or a digit"
    )


def test_a_collector_without_arguments_has_its_defaults() -> None:
    zipkin = settings()
    assert (zipkin.host, zipkin.port) == ("zipkin.default.svc.cluster.local", 9411)
    assert zipkin.url == "http://zipkin.default.svc.cluster.local:9411"
    assert zipkin.chosen_image == "openzipkin/zipkin-slim:3.6.1"
    assert settings(namespace="tracing", service_name="traces").host == "traces.tracing.svc.cluster.local"


def test_cassandra_has_the_full_image() -> None:
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
def test_an_image_that_stays_the_same_is_accepted(image: str) -> None:
    assert settings(image=image).chosen_image == image


def test_a_port_left_out_is_the_one_that_zipkin_takes() -> None:
    storage = settings(**elasticsearch(hosts=["https://a", "https://b:9200/", "https://[2001:db8::1]"])).storage
    assert storage.elasticsearch
    assert storage.elasticsearch.hosts == ["https://a:443", "https://b:9200", "https://[2001:db8::1]:443"]
    assert storage.elasticsearch.ports == [443, 9200]
    nodes = settings(**cassandra(contact_points=["a", "10.0.0.7:9043", "[2001:db8::1]:9044"])).storage.cassandra
    assert nodes
    assert nodes.contact_points == ["a:9042", "10.0.0.7:9043", "[2001:db8::1]:9044"]


def test_spans_in_memory_are_warned_of() -> None:
    (warning,) = settings().warnings()
    assert "storage.memory: every restart of Zipkin's pod" in warning
    assert "loses all spans" in warning
    assert settings(**elasticsearch()).warnings() == []


def test_more_spans_than_the_heap_holds_are_warned_of() -> None:
    assert any("max_spans: 500000" in one for one in settings(storage={"memory": {"max_spans": 500000}}).warnings())


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (elasticsearch(hosts=["http://es:9200"], credentials_secret=SECRET), "go over plain http"),
        (elasticsearch(verify_certificate=False), "to whoever answers"),
        ({**elasticsearch(), "ingress": {"host": "z", "tls": False, "path": "/"}}, 'ingress.path: "/" lets in more'),
    ],
)
def test_what_shows_more_than_it_should_is_warned_of(args: Any, told: str) -> None:
    (warning,) = settings(**args).warnings()
    assert told in warning


def test_the_spans_kept_by_default_grow_with_the_memory() -> None:
    kept = [settings(resources={"memory_limit": limit}).max_spans for limit in ("256Mi", "512Mi", "1Gi", "4Gi")]
    assert kept == sorted(set(kept))
    assert kept[0] >= 1000


def test_the_documents_table_of_sizes_is_what_is_deployed() -> None:
    document = (Path(__file__).parents[2] / "docs" / "collector.md").read_text()
    rows = re.findall(r"^\| (\d+[MG]i)\b[^|]*\| ([\d,]+) MiB \| ([\d,]+) \|$", document, re.MULTILINE)
    assert len(rows) == 5
    for limit, heap, spans in rows:
        zipkin = settings(resources={"memory_limit": limit})
        assert (f"{zipkin.resources.heap:,}", f"{zipkin.max_spans:,}") == (heap, spans)


def test_every_variable_that_is_written_is_known_as_ours() -> None:
    storages = [
        {},
        elasticsearch(credentials_secret=SECRET, pipeline="p", trust_store={"secret": "ca"}),
        elasticsearch(verify_certificate=False),
        cassandra(credentials_secret=SECRET, use_ssl=True, trust_store={"secret": "ca"}),
    ]
    written = {variable["name"] for args in storages for variable in environment(settings(**args))}
    credentials = {"ES_PASSWORD", "CASSANDRA_PASSWORD", "TRUST_STORE_PASSWORD"}
    assert written - credentials <= OWN_VARIABLES.keys()


def test_every_argument_is_a_setting_and_every_setting_an_argument() -> None:
    for name, group in vars(collector_args).items():
        if name.endswith("Args"):
            model = "ZipkinCollectorSettings" if name == "ZipkinCollectorArgs" else name.removesuffix("Args")
            assert group.__annotations__.keys() == getattr(collector_settings, model).model_fields.keys(), name
