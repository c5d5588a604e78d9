"""Valid arguments of `ZipkinCollector`: examples, and strategies for property-based tests."""

from typing import Any

from hypothesis import strategies as st

from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
from tests.unit.meshes import some


def settings(**args: Any) -> ZipkinCollectorSettings:
    """Return validated settings from `args`."""
    return ZipkinCollectorSettings.of("zipkin", args)  # type: ignore[arg-type]


ELASTICSEARCH: dict[str, Any] = {"hosts": ["https://es.example.com:9200"]}
CASSANDRA: dict[str, Any] = {"contact_points": ["cassandra.example.com"]}

EVERYTHING: dict[str, Any] = {
    "namespace": "tracing",
    "service_name": "traces",
    "service": {
        "type": "LoadBalancer",
        "annotations": {"networking.gke.io/load-balancer-type": "Internal"},
    },
    "cluster_domain": "prod.example.com",
    "image": "registry.example.com:5000/zipkin-slim:3.6.1",
    "storage": {
        "elasticsearch": {
            "hosts": ["https://es-0.example.com:9200", "https://es-1.example.com:9200"],
            "index": "spans",
            "pipeline": "envoy",
            "credentials_secret": "elasticsearch",
            "username_key": "user",
            "trust_store": {"secret": "authorities"},
        }
    },
    "resources": {"cpu_request": "500m", "cpu_limit": "2", "memory_limit": "2Gi"},
    "ingress": {
        "host": "zipkin.example.com",
        "class_name": "nginx",
        "tls_secret": "zipkin-certificate",
        "annotations": {"nginx.ingress.kubernetes.io/auth-url": "https://login.example.com/auth"},
    },
    "autoscaling": {"min_replicas": 2, "max_replicas": 6},
    "disruption_budget": {"min_available": 1},
    "network_policy": {
        "clients": [{"namespace": "shop"}, {"namespace": "ingress", "pod_labels": {"app": "nginx"}}],
        "storage": [{"cidr": "10.20.0.0/16"}],
    },
    "service_monitor": {"labels": {"release": "prometheus"}},
    "dependencies_job": {"resources": {"memory_limit": "2Gi"}},
    "scheduling": {
        "node_selector": {"pool": "observability"},
        "tolerations": [{"key": "dedicated", "operator": "Equal", "value": "observability", "effect": "NoSchedule"}],
        "affinity": {
            "podAntiAffinity": {
                "preferredDuringSchedulingIgnoredDuringExecution": [
                    {
                        "weight": 10,
                        "podAffinityTerm": {
                            "topologyKey": "kubernetes.io/hostname",
                            "labelSelector": {"matchLabels": {"app": "elasticsearch"}},
                        },
                    }
                ]
            }
        },
        "priority_class": "high",
        "topology_spread": ["topology.kubernetes.io/zone", "kubernetes.io/hostname"],
    },
    "image_pull_secrets": ["registry"],
    "labels": {"team": "platform"},
    "annotations": {"example.com/owner": "platform@example.com"},
    "service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/zipkin"},
    "environment": {"QUERY_LOOKBACK": "604800000"},
    "environment_secrets": {"RABBIT_PASSWORD": {"secret": "rabbitmq", "key": "password"}},
    "run_as_user": 2000,
}
"""Arguments that use every group of settings."""

# Fixed samples: other tests cover the syntax of names, and generating names by character takes seconds.
NAME = st.sampled_from(["a", "es", "zipkin-2", "spans", "platform", "n0"])
ON, OFF = st.sampled_from([True]), st.sampled_from([False])
LABELS = st.dictionaries(NAME, NAME, max_size=2)
HOST = st.lists(NAME, min_size=1, max_size=3).map(".".join)
PORT = st.integers(1, 65535).filter(lambda port: port != 9300)
TRUST_STORE = some({"secret": NAME}, key=NAME, password_key=NAME)
CREDENTIALS = some() | some({"credentials_secret": NAME}, username_key=NAME, password_key=NAME)
MEMORY = st.builds("{}{}".format, st.integers(256, 9999), st.just("Mi")) | st.sampled_from(["1Gi", "1.5Gi", "300M"])
RESOURCES = some(cpu_request=st.sampled_from(["50m", "1", "0.5"]), cpu_limit=st.just("2"), memory_limit=MEMORY)


def joined(*parts: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Generate maps that combine one map of each strategy."""
    return st.tuples(*parts).map(lambda maps: {key: value for one in maps for key, value in one.items()})


def hosts(scheme: str) -> st.SearchStrategy[list[str]]:
    """Generate Elasticsearch URLs with one scheme, with and without ports."""
    return st.lists(
        st.builds(f"{scheme}://{{}}:{{}}".format, HOST, PORT) | HOST.map(f"{scheme}://{{}}".format), min_size=1
    )


INDICES = some(index=NAME, index_shards=st.integers(1, 9), index_replicas=st.integers(0, 3), pipeline=NAME)
ELASTICSEARCHES = st.one_of(
    joined(some({"hosts": hosts("http")}), INDICES, CREDENTIALS),
    joined(some({"hosts": hosts("https")}, trust_store=TRUST_STORE), INDICES, CREDENTIALS),
)
CASSANDRAS = st.one_of(
    joined(some({"contact_points": st.lists(HOST, min_size=1)}, keyspace=st.just("spans"), local_dc=NAME), CREDENTIALS),
    joined(some({"contact_points": st.just(["c:9043"]), "use_ssl": ON, "trust_store": TRUST_STORE}), CREDENTIALS),
)
DURABLE = ELASTICSEARCHES.map(lambda one: {"elasticsearch": one}) | CASSANDRAS.map(lambda one: {"cassandra": one})
PEERS = st.lists(
    some({"namespace": NAME}, pod_labels=LABELS) | some({"cidr": st.just("10.0.0.0/8")}), min_size=1, max_size=3
)
ANY_STORAGE = some(
    namespace=NAME,
    service_name=NAME,
    service=some(type=st.sampled_from(["ClusterIP", "NodePort", "LoadBalancer"]), annotations=LABELS),
    cluster_domain=HOST,
    image=st.sampled_from(["openzipkin/zipkin:3.6.1", f"registry:5000/a/b@sha256:{'0' * 64}"]),
    resources=RESOURCES,
    ingress=some({"host": HOST, "tls_secret": NAME}, class_name=NAME, annotations=LABELS, path=st.just("/"))
    | some({"host": HOST, "tls": OFF}),
    service_monitor=some(interval=st.just("1m"), labels=LABELS),
    scheduling=some(
        node_selector=LABELS,
        tolerations=st.lists(st.just({"operator": "Exists"}), max_size=2),
        affinity=st.just({"podAntiAffinity": {}}),
        priority_class=NAME,
        topology_spread=st.lists(NAME, max_size=2, unique=True),
    ),
    image_pull_secrets=st.lists(NAME, max_size=2),
    labels=LABELS,
    annotations=LABELS,
    service_account_annotations=LABELS,
    environment=some(QUERY_LOOKBACK=NAME, X_Y=NAME),
    environment_secrets=some(RABBIT_PASSWORD=some({"secret": NAME, "key": NAME})),
    run_as_user=st.sampled_from([None, 1, 2**31 - 1]),
)
REPLICAS = some({"replicas": st.integers(1, 5)}, disruption_budget=st.just({"max_unavailable": 1})) | some(
    {"autoscaling": some({"max_replicas": st.integers(3, 9)}, min_replicas=st.integers(2, 3))},
    disruption_budget=st.just({"min_available": 1}),
)
COLLECTORS = st.one_of(
    joined(
        ANY_STORAGE,
        some(storage=some({"memory": some(max_spans=st.integers(1, 10**6))})),
        some(network_policy=some(clients=PEERS), disruption_budget=st.just({"max_unavailable": 1})),
    ),
    joined(
        ANY_STORAGE,
        some({"storage": DURABLE}, dependencies_job=some(resources=RESOURCES)),
        some(network_policy=some(clients=PEERS, storage=PEERS)),
        REPLICAS,
    ),
)
"""Valid arguments of `ZipkinCollector`, in any combination."""
