"""`ZipkinCollector` on a real Kubernetes API: schema validation, Pod Security level `restricted` and lifecycle."""

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
from consul_tracing.zipkin.manifests import manifests
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from testbed.processes import ProgramFailedError
from tests.kubernetes.conftest import ProjectFactory
from tests.mesh.consul_entries import MESH, entries

pytestmark = pytest.mark.kubernetes

STORAGES: list[dict[str, Any]] = [
    {"memory": {}},
    {"memory": {"max_spans": 1000}},
    {"elasticsearch": {"hosts": ["http://elasticsearch:9200"]}},
    {
        "elasticsearch": {
            "hosts": ["https://a.example.com:9200", "https://b.example.com:9200"],
            "credentials_secret": "zipkin-elasticsearch",
            "index": "spans",
        }
    },
    {"cassandra": {"contact_points": ["cassandra"], "local_dc": "dc1", "credentials_secret": "zipkin-cassandra"}},
]
GROUPS: dict[str, Any] = {
    "ingress": {"host": "zipkin.example.com", "class_name": "nginx", "tls_secret": "zipkin-tls"},
    "autoscaling": {"max_replicas": 4},
    "disruption_budget": {"max_unavailable": 1},
    "network_policy": {"clients": [{"namespace": "shop"}, {"pod_labels": {"app": "web"}}]},
    "service_monitor": {"labels": {"release": "prometheus"}},
    "dependencies_job": {},
    "scheduling": {
        "node_selector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "topology_spread": ["topology.kubernetes.io/zone"],
    },
    "resources": {"cpu_request": "1", "cpu_limit": "2", "memory_limit": "1Gi"},
    "environment": {"QUERY_LOOKBACK": "604800000"},
}
"""Optional groups of settings. Combinations with memory storage omit the groups in `DURABLE`."""

REQUIREMENTS: list[dict[str, Any]] = [
    {},
    {
        "service": {"type": "NodePort", "annotations": {"example.com/zone": "internal"}},
        "cluster_domain": "prod.example.com",
        "service_account_annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/zipkin"},
        "environment_secrets": {"RABBIT_PASSWORD": {"secret": "rabbitmq", "key": "password"}},
        "run_as_user": None,
    },
]
"""Inputs that depend on the platform: none, and all."""

KINDS = [
    "Deployment",
    "Service",
    "ServiceAccount",
    "CronJob",
    "NetworkPolicy",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
]

DURABLE = {"autoscaling", "dependencies_job"}


def combinations() -> Iterator[dict[str, Any]]:
    for storage, requirements in itertools.product(STORAGES, REQUIREMENTS):
        allowed = [name for name in GROUPS if "memory" not in storage or name not in DURABLE]
        for chosen in itertools.chain.from_iterable(
            itertools.combinations(allowed, count) for count in range(len(allowed) + 1)
        ):
            groups = {name: GROUPS[name] for name in chosen}
            yield {"namespace": "observability", "storage": storage, **requirements, **groups}


def config_of(stack: str, cluster: Cluster, requirements: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration of a stack on the cluster, without protection so that it can be destroyed."""
    config = yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    mesh = {**config["consul-tracing:mesh"], "namespace": "default"}
    mesh["zipkin_collector"] = {**mesh["zipkin_collector"], **requirements}
    return {**config, **cluster.configuration, "consul-tracing:mesh": mesh, "consul-tracing:protect": False}


def phases(cluster: Cluster) -> list[str]:
    return [pod["status"]["phase"] for pod in cluster.objects("Pod", "observability")]


@pytest.mark.usefixtures("observability", "service_monitors")
def test_every_combination_of_options_is_valid(cluster: Cluster) -> None:
    distinct: dict[str, Any] = {}
    for args in combinations():
        for manifest in manifests(ZipkinCollectorSettings.of("zipkin", args)).values():
            distinct[json.dumps(manifest, sort_keys=True)] = manifest
    print(f"{len(list(combinations()))} combinations, {len(distinct)} different objects")  # noqa: T201 - for the document
    for manifest in distinct.values():
        cluster.apply(manifest, dry_run=True)


@pytest.mark.usefixtures("observability")
def test_dry_run_rejects_an_invalid_manifest(cluster: Cluster) -> None:
    deployment = manifests(ZipkinCollectorSettings.of("zipkin", {"namespace": "observability"}))["deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["memory"] = "1Gi"
    with pytest.raises(ApiException, match="memory: field not declared in schema"):
        cluster.apply(deployment, dry_run=True)


ELASTICSEARCH: dict[str, Any] = {"hosts": ["https://elasticsearch:9200"]}
NOT_VALIDATED: list[dict[str, Any]] = [
    {"service_name": "1zipkin"},
    {"service_name": "z" * 64},
    {"service": {"annotations": {"a b": "x"}}},
    {"storage": {"elasticsearch": {**ELASTICSEARCH, "credentials_secret": "Credentials"}}},
    {"storage": {"elasticsearch": {**ELASTICSEARCH, "credentials_secret": "s", "username_key": "a b"}}},
    {"storage": {"elasticsearch": {**ELASTICSEARCH, "trust_store": {"secret": "Trust"}}}},
    {"environment_secrets": {"A": {"secret": "S s", "key": "k"}}},
    {"resources": {"cpu_request": "one"}},
    {"resources": {"cpu_limit": "100m"}},
    {"ingress": {"host": "https://z", "tls": False}},
    {"ingress": {"host": "10.0.0.1", "tls": False}},
    {"ingress": {"host": "z", "tls": False, "class_name": "A b"}},
    {"ingress": {"host": "z", "tls_secret": "A b"}},
    {"storage": {"elasticsearch": ELASTICSEARCH}, "autoscaling": {"max_replicas": 1}},
    {"network_policy": {"clients": [{"cidr": "10.0.0.1/33"}]}},
    {"network_policy": {"clients": [{"pod_labels": {"a b": "x"}}]}},
    {"storage": {"elasticsearch": ELASTICSEARCH}, "dependencies_job": {"schedule": "hourly"}},
    {"storage": {"elasticsearch": ELASTICSEARCH}, "dependencies_job": {"schedule": "TZ=UTC 5 * * * *"}},
    {"storage": {"elasticsearch": ELASTICSEARCH}, "dependencies_job": {}, "service_name": "z" * 40},
    {"scheduling": {"topology_spread": ["a", "a"]}},
    {"scheduling": {"node_selector": {"a b": "x"}}},
    {"scheduling": {"priority_class": "A b"}},
    {"labels": {"-a": "x"}},
    {"labels": {"a": "x y"}},
    {"annotations": {"a b": "x"}},
]
"""Inputs that only the API server rejects, in a preview."""


@pytest.mark.usefixtures("observability", "service_monitors")
@pytest.mark.parametrize("args", NOT_VALIDATED, ids=str)
def test_api_server_rejects_in_a_preview_what_the_inputs_accept(cluster: Cluster, args: dict[str, Any]) -> None:
    settings = ZipkinCollectorSettings.of("zipkin", {"namespace": "observability", **args})
    with pytest.raises(ApiException, match="nvalid|quantities must match|duplicate entries"):
        apply_all(cluster, settings)


def apply_all(cluster: Cluster, settings: ZipkinCollectorSettings) -> None:
    for manifest in manifests(settings).values():
        cluster.apply(manifest, dry_run=True)


@pytest.mark.usefixtures("observability")
def test_preview_reports_a_label_that_the_api_server_rejects(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    zipkin_stack = project(configuration=config_of("staging", cluster, {"labels": {"team": "a b"}}), stack="staging")
    with pytest.raises(ProgramFailedError) as rejected:
        zipkin_stack.preview()
    assert 'metadata.labels: Invalid value: "a b"' in rejected.value.output
    assert entries(consul) == set()


@pytest.mark.usefixtures("observability")
def test_restricted_namespace_rejects_a_privileged_pod(cluster: Cluster) -> None:
    """The namespace enforces Pod Security, so running pods prove compliance."""
    container = {"name": "pod", "image": "any", "securityContext": {"privileged": True}}
    metadata = {"name": "pod", "namespace": "observability"}
    with pytest.raises(ApiException, match="violates PodSecurity"):
        cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})


@pytest.mark.parametrize(
    ("stack", "requirements"),
    [("staging", {}), ("prod", {}), ("staging", REQUIREMENTS[1])],
    ids=["staging", "prod", "staging-with-requirements"],
)
@pytest.mark.usefixtures("observability")
def test_stack_is_stable_and_destroy_deletes_all_objects(
    project: ProjectFactory, cluster: Cluster, consul: Consul, stack: str, requirements: dict[str, Any]
) -> None:
    zipkin_stack = project(configuration=config_of(stack, cluster, requirements), stack=stack)
    zipkin_stack.up()
    # The namespace rejects pods that violate `restricted`. `up` waits only for the first pod.
    pods = {"staging": 1, "prod": 2}[stack]
    cluster.wait_until(lambda: phases(cluster) == ["Running"] * pods, f"{pods} running pods")
    assert MESH in entries(consul)
    domain = requirements.get("cluster_domain", "cluster.local")
    assert zipkin_stack.outputs()["collector_url"] == f"http://zipkin.observability.svc.{domain}:9411/api/v2/spans"
    assert any("memory" in warning for warning in zipkin_stack.outputs()["warnings"]) is (stack == "staging")
    assert any("CT526" in warning for warning in zipkin_stack.outputs()["warnings"]) is bool(requirements)
    zipkin_stack.preview(expect_no_changes=True)
    zipkin_stack.refresh()
    zipkin_stack.preview(expect_no_changes=True)
    zipkin_stack.destroy()
    assert entries(consul) == set()
    remaining = [
        (kind, found["metadata"]["name"]) for kind in KINDS for found in cluster.objects(kind, "observability")
    ]
    assert remaining == [("ServiceAccount", "default")]


@pytest.mark.parametrize(("stack", "resources"), [("staging", 10), ("prod", 15)])
def test_kubernetes_stack_previews_without_a_network(project: ProjectFactory, stack: str, resources: int) -> None:
    zipkin_stack = project(stack=stack)
    zipkin_stack.configure(yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"])
    assert f"{resources} to create" in zipkin_stack.preview()


ONE_PROGRAM = """
import pulumi
import pulumi_kubernetes as kubernetes
from consul_tracing import MeshTracing, ZipkinCollector

namespace = kubernetes.core.v1.Namespace("tracing")
secret = kubernetes.core.v1.Secret(
    "elastic", metadata={"namespace": namespace.metadata.name}, string_data={"username": "u", "password": "p"}
)
zipkin = ZipkinCollector(
    "zipkin",
    namespace=namespace.metadata.name,
    storage={"elasticsearch": {"hosts": ["http://es:9200"], "credentials_secret": secret.metadata.name}},
)
mesh = MeshTracing(
    "mesh",
    target="kubernetes",
    namespace=namespace.metadata.name,
    collector=zipkin,
    services={"web": {"protocol": "http"}},
)
pulumi.export("namespace", namespace.metadata.name)
pulumi.export("url", zipkin.url)
"""


def test_namespace_secret_zipkin_and_mesh_are_one_program(
    project: ProjectFactory, inline: Callable[[str], Path], cluster: Cluster, consul: Consul
) -> None:
    stack = project(inline(ONE_PROGRAM))
    plan = stack.preview()
    assert "unresolved" not in plan
    stack.up()
    namespace = stack.output("namespace")
    assert namespace.startswith("tracing-")
    assert stack.output("url") == f"http://zipkin.{namespace}.svc.cluster.local:9411"
    assert cluster.get("ServiceDefaults", "web", namespace) is not None
    clusters = (consul.config_entry(*MESH) or {})["Config"]["envoy_extra_static_clusters_json"]
    assert f"zipkin.{namespace}.svc.cluster.local" in clusters
    deployment = next(one for one in stack.resources() if one["urn"].endswith("::zipkin-deployment"))
    assert {urn.rpartition("::")[2] for urn in deployment["dependencies"]} == {"tracing", "elastic"}
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert consul.config_entry(*MESH) is None
