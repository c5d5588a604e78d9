"""The mesh's entries as custom resources of a real cluster, brought into a real Consul by consul-k8s' controller."""

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import MakesProject
from tests.kubernetes.mesh_objects import CLUSTERS, STATSD, TRACING, by_hand, cluster_names, object_of, on, spec_of
from tests.mesh.consul_entries import MESH, WEB, entries, live, refusal

pytestmark = pytest.mark.kubernetes


def test_entries_reach_consul_and_leave_it(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert set(live(consul)["Config"]) >= TRACING
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    assert live(consul, WEB)["Protocol"] == "http"
    assert stack.outputs()["proxy_defaults"] == "default/global"
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.configure(on(cluster, sampling={"random": 50}, services={"web": {"protocol": "grpc"}}))
    stack.up()
    # The program ends only once Consul has it.
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]
    assert live(consul, WEB)["Protocol"] == "grpc"
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(consul) == set()
    assert cluster.get("ProxyDefaults", "global") is None


def test_an_object_of_others_is_refused_with_what_it_holds(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    cluster.create(by_hand(config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, meshGateway={"mode": "local"}))
    stack = project(configuration=on(cluster))
    told = refusal(stack)
    assert "ProxyDefaults default/global is an unmanaged entry" in told
    assert "adopt preserves, overwrite removes: MeshGateway.Mode, envoy_prometheus_bind_addr" in told
    assert TRACING.isdisjoint(spec_of(cluster)["config"])
    assert WEB not in entries(consul)


def test_an_object_of_others_is_adopted_key_by_key_and_given_back(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    theirs = {"config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, "meshGateway": {"mode": "local"}}
    cluster.create(by_hand(**theirs))
    stack = project(configuration=on(cluster, existing="adopt"))
    stack.up()
    assert TRACING | {"envoy_prometheus_bind_addr"} == set(live(consul)["Config"])
    assert live(consul)["MeshGateway"] == {"Mode": "local"}
    stack.preview(expect_no_changes=True)
    # Later the policy may be dropped: the object says that it was adopted.
    stack.configure(on(cluster, sampling={"random": 7}))
    stack.up()
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert spec_of(cluster) == theirs
    consul_has = cluster.wait_until(lambda: TRACING.isdisjoint(live(consul)["Config"]), "Consul without tracing")
    assert consul_has
    assert WEB not in entries(consul)


def test_clusters_of_others_in_our_key_outlive_us(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    theirs = {"config": {CLUSTERS: STATSD}}
    cluster.create(by_hand(**theirs))
    stack = project(configuration=on(cluster, existing="adopt"))
    said = stack.up()
    assert "pulumi destroy leaves it in Kubernetes" in said
    assert cluster_names(live(consul)["Config"][CLUSTERS]) == {"statsd", "tracing_collector"}
    stack.preview(expect_no_changes=True)
    stack.configure(on(cluster, existing="adopt", enabled=False))
    stack.up()
    assert live(consul)["Config"] == {CLUSTERS: STATSD}
    stack.preview(expect_no_changes=True)
    stack.configure(on(cluster, existing="adopt"))
    stack.up()
    stack.configure(on(cluster, existing="adopt", enabled=False))
    stack.up()
    stack.destroy()
    assert spec_of(cluster) == theirs
    assert live(consul)["Config"] == {CLUSTERS: STATSD}


ADDED = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}


def add(cluster: Cluster, tool: str) -> None:
    """What somebody does who adds a key to our object, with the tool of their choice."""
    if tool == "kubectl edit":
        cluster.edit("ProxyDefaults", "global", {"spec": {"config": ADDED}})
    else:
        cluster.apply(by_hand(config=ADDED), manager="argocd")


@pytest.mark.parametrize("tool", ["kubectl edit", "server-side apply"])
def test_what_is_added_to_our_object_stays_and_keeps_it(
    project: MakesProject, cluster: Cluster, consul: Consul, tool: str
) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    add(cluster, tool)
    cluster.edit("ProxyDefaults", "global", {"metadata": {"labels": {"team": "a"}}})
    stack.configure(on(cluster, sampling={"random": 20}))
    assert "ProxyDefaults default/global: fields of other owners are preserved" in stack.up()
    assert live(consul)["Config"].items() >= ADDED.items()
    stack.preview(expect_no_changes=True)
    stack.configure(on(cluster, enabled=False))
    stack.up()
    stack.destroy()
    assert spec_of(cluster)["config"] == ADDED
    assert object_of(cluster)["metadata"]["labels"] == {"team": "a"}


def test_an_object_of_ours_that_others_replaced_by_theirs_is_not_deleted(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    cluster.delete("ProxyDefaults", "global")
    cluster.create(by_hand(config=ADDED))
    before = object_of(cluster)["metadata"]["uid"]
    stack.configure(on(cluster, existing="adopt"))
    stack.up()
    assert object_of(cluster)["metadata"]["uid"] == before
    assert set(live(consul)["Config"]) == TRACING | ADDED.keys()
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert spec_of(cluster) == {"config": ADDED}


def test_an_adopted_object_that_others_took_away_is_written_anew(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    cluster.create(by_hand(config=ADDED))
    stack = project(configuration=on(cluster, existing="adopt"))
    stack.up()
    cluster.delete("ProxyDefaults", "global")
    stack.up()
    assert set(live(consul)["Config"]) == TRACING
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert entries(consul) == set()


def test_a_key_of_ours_changed_by_hand_is_mended(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    ours = live(consul)["Config"]
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": {"envoy_listener_tracing_json": "{}"}}})
    stack.refresh()
    stack.up()
    assert live(consul)["Config"] == ours
    stack.preview(expect_no_changes=True)


def test_two_stacks_do_not_write_one_object(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    project(configuration=on(cluster), stack="blue").up()
    told = refusal(project(configuration=on(cluster), stack="green"))
    assert "are managed by another stack (organization/consul-tracing/blue)" in told
    assert entries(consul) == {MESH, WEB}


def test_a_second_namespace_with_the_meshs_object_is_refused(
    project: MakesProject, namespace: str, cluster: Cluster, consul: Consul
) -> None:
    project(configuration=on(cluster), stack="blue").up()
    told = refusal(project(configuration=on(cluster, namespace=namespace), stack="green"))
    assert "ProxyDefaults default/global exists, and a mesh has one" in told
    assert cluster.get("ProxyDefaults", "global", namespace) is None
    assert entries(consul) == {MESH, WEB}
