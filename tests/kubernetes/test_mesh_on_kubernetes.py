"""Custom resources on a real cluster, which the consul-k8s controller writes to a real Consul."""

import json

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import (
    CLUSTERS,
    STATSD,
    TRACING,
    cluster_names,
    object_of,
    spec_of,
    stack_config,
    unmanaged_proxy_defaults,
)
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, entries, live, rejection

pytestmark = pytest.mark.kubernetes


def test_entries_are_written_to_consul_and_deleted(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert set(live(consul)["Config"]) >= TRACING
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    assert live(consul, WEB)["Protocol"] == "http"
    assert stack.outputs()["proxy_defaults"] == "default/global"
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, sampling={"random": 50}, services={"web": {"protocol": "grpc"}}))
    stack.up()
    # `up` waits until the change is in Consul.
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]
    assert live(consul, WEB)["Protocol"] == "grpc"
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(consul) == set()
    assert cluster.get("ProxyDefaults", "global") is None


def test_cluster_whose_certificate_is_not_verified_causes_no_warnings(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    kubeconfig = json.loads(cluster.kubeconfig.read_text())
    (found,) = kubeconfig["clusters"]
    found["cluster"] = {"server": cluster.address, "insecure-skip-tls-verify": True}
    insecure = {"kubernetes:kubeconfig": json.dumps(kubeconfig)}
    output = project(configuration={**stack_config(cluster), **insecure}).up()
    assert entries(consul) == {MESH, WEB}
    assert "InsecureRequestWarning" not in output


def test_destroy_restores_an_adopted_object(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    foreign = {"config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, "meshGateway": {"mode": "local"}}
    cluster.create(unmanaged_proxy_defaults(**foreign))
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    stack.up()
    assert TRACING | {"envoy_prometheus_bind_addr"} == set(live(consul)["Config"])
    assert live(consul)["MeshGateway"] == {"Mode": "local"}
    stack.preview(expect_no_changes=True)
    # `existing` is no longer required: an annotation records that the object was adopted.
    stack.configure(stack_config(cluster, sampling={"random": 7}))
    stack.up()
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert spec_of(cluster) == foreign
    synced = cluster.wait_until(lambda: TRACING.isdisjoint(live(consul)["Config"]), "Consul without tracing")
    assert synced
    assert WEB not in entries(consul)


def test_foreign_clusters_are_preserved(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    foreign = {"config": {CLUSTERS: STATSD}}
    cluster.create(unmanaged_proxy_defaults(**foreign))
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    output = stack.up()
    assert "pulumi destroy leaves it in Kubernetes" in output
    assert cluster_names(live(consul)["Config"][CLUSTERS]) == {"statsd", "tracing_collector"}
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, existing="adopt", enabled=False))
    stack.up()
    assert live(consul)["Config"] == {CLUSTERS: STATSD}
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, existing="adopt"))
    stack.up()
    stack.configure(stack_config(cluster, existing="adopt", enabled=False))
    stack.up()
    stack.destroy()
    assert spec_of(cluster) == foreign
    assert live(consul)["Config"] == {CLUSTERS: STATSD}


def add(cluster: Cluster, tool: str) -> None:
    """Add a key to the object with another field manager."""
    if tool == "kubectl edit":
        cluster.edit("ProxyDefaults", "global", {"spec": {"config": PROMETHEUS}})
    else:
        cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS), manager="argocd")


@pytest.mark.parametrize("tool", ["kubectl edit", "server-side apply"])
def test_destroy_retains_an_object_with_foreign_fields(
    project: ProjectFactory, cluster: Cluster, consul: Consul, tool: str
) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    add(cluster, tool)
    cluster.edit("ProxyDefaults", "global", {"metadata": {"labels": {"team": "a"}}})
    stack.configure(stack_config(cluster, sampling={"random": 20}))
    assert "ProxyDefaults default/global: fields of other owners are preserved" in stack.up()
    assert live(consul)["Config"].items() >= PROMETHEUS.items()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, enabled=False))
    stack.up()
    stack.destroy()
    assert spec_of(cluster)["config"] == PROMETHEUS
    assert object_of(cluster)["metadata"]["labels"] == {"team": "a"}


def test_unmanaged_object_that_replaced_an_own_object_is_not_deleted(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    cluster.delete("ProxyDefaults", "global")
    cluster.create(unmanaged_proxy_defaults(config=PROMETHEUS))
    before = object_of(cluster)["metadata"]["uid"]
    stack.configure(stack_config(cluster, existing="adopt"))
    stack.up()
    assert object_of(cluster)["metadata"]["uid"] == before
    assert set(live(consul)["Config"]) == TRACING | PROMETHEUS.keys()
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert spec_of(cluster) == {"config": PROMETHEUS}


def test_deleted_adopted_object_is_created(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    cluster.create(unmanaged_proxy_defaults(config=PROMETHEUS))
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    stack.up()
    cluster.delete("ProxyDefaults", "global")
    stack.up()
    assert set(live(consul)["Config"]) == TRACING
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(consul) == set()


def test_changed_managed_key_is_restored(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    own_config = live(consul)["Config"]
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": {"envoy_listener_tracing_json": "{}"}}})
    stack.refresh()
    stack.up()
    assert live(consul)["Config"] == own_config
    stack.preview(expect_no_changes=True)


def test_second_mesh_object_in_another_namespace_is_rejected(
    project: ProjectFactory, namespace: str, cluster: Cluster, consul: Consul
) -> None:
    project(configuration=stack_config(cluster), stack="blue").up()
    output = rejection(project(configuration=stack_config(cluster, namespace=namespace), stack="green"))
    assert "ProxyDefaults default/global exists, and a mesh has only one" in output
    assert cluster.get("ProxyDefaults", "global", namespace) is None
    assert entries(consul) == {MESH, WEB}
