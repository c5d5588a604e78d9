"""The collector on a real Kubernetes API: admitted at Pod Security's level `restricted`, valid in every combination."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from kubernetes.client import ApiException

from consul_tracing.collector_settings import ZipkinCollectorSettings
from consul_tracing.zipkin_manifests import manifests
from testbed import CHECKOUT
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import MakesProject
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
"""Options, each of which may be there or not; those that storage in memory refuses are left out with it."""

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
    for storage in STORAGES:
        allowed = [name for name in GROUPS if "memory" not in storage or name not in DURABLE]
        for chosen in itertools.chain.from_iterable(
            itertools.combinations(allowed, count) for count in range(len(allowed) + 1)
        ):
            yield {"namespace": "observability", "storage": storage, **{name: GROUPS[name] for name in chosen}}


def config_of(stack: str, cluster: Cluster) -> dict[str, Any]:
    """A stack's own configuration, led to the cluster; without protection, so that it can be taken down again."""
    config = yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"]
    mesh = {**config["consul-tracing:mesh"], "namespace": "default"}
    return {**config, **cluster.configuration, "consul-tracing:mesh": mesh, "consul-tracing:protect": False}


def phases(cluster: Cluster) -> list[str]:
    return [pod["status"]["phase"] for pod in cluster.objects("Pod", "observability")]


@pytest.mark.usefixtures("observability", "service_monitors")
def test_every_combination_of_options_is_accepted(cluster: Cluster) -> None:
    distinct: dict[str, Any] = {}
    for args in combinations():
        for manifest in manifests(ZipkinCollectorSettings.of("zipkin", args)).values():  # type: ignore[arg-type]
            distinct[json.dumps(manifest, sort_keys=True)] = manifest
    print(f"{len(list(combinations()))} combinations, {len(distinct)} different objects")  # noqa: T201 - for the document
    for manifest in distinct.values():
        cluster.apply(manifest, dry_run=True)


@pytest.mark.usefixtures("observability")
def test_what_is_checked_can_fail(cluster: Cluster) -> None:
    deployment = manifests(ZipkinCollectorSettings.of("zipkin", {"namespace": "observability"}))["deployment"]
    deployment["spec"]["template"]["spec"]["containers"][0]["memory"] = "1Gi"
    with pytest.raises(ApiException, match="memory: field not declared in schema"):
        cluster.apply(deployment, dry_run=True)


@pytest.mark.usefixtures("observability")
def test_a_restricted_namespace_refuses_a_privileged_pod(cluster: Cluster) -> None:
    """The check that a stack's pods run can fail."""
    container = {"name": "pod", "image": "any", "securityContext": {"privileged": True}}
    metadata = {"name": "pod", "namespace": "observability"}
    with pytest.raises(ApiException, match="violates PodSecurity"):
        cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}})


@pytest.mark.parametrize(("stack", "pods"), [("staging", 1), ("prod", 2)])
@pytest.mark.usefixtures("observability")
def test_a_stack_runs_twice_and_leaves_nothing(
    project: MakesProject, cluster: Cluster, consul: Consul, stack: str, pods: int
) -> None:
    mine = project(configuration=config_of(stack, cluster), stack=stack)
    mine.up()
    # Pods that `restricted` refuses would never be there, and `up` waits for the first.
    cluster.wait_until(lambda: phases(cluster) == ["Running"] * pods, f"{pods} running pods")
    assert MESH in entries(consul)
    assert mine.outputs()["collector_url"] == "http://zipkin.observability.svc.cluster.local:9411/api/v2/spans"
    assert any("memory" in warning for warning in mine.outputs()["warnings"]) is (stack == "staging")
    mine.preview(expect_no_changes=True)
    mine.refresh()
    mine.preview(expect_no_changes=True)
    mine.destroy()
    assert entries(consul) == set()
    left = [(kind, found["metadata"]["name"]) for kind in KINDS for found in cluster.objects(kind, "observability")]
    assert left == [("ServiceAccount", "default")]


@pytest.mark.parametrize(("stack", "resources"), [("staging", 10), ("prod", 15)])
def test_a_stack_on_kubernetes_previews_without_a_network(project: MakesProject, stack: str, resources: int) -> None:
    mine = project(stack=stack)
    mine.configure(yaml.safe_load((CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml").read_text())["config"])
    assert f"{resources} to create" in mine.preview()
