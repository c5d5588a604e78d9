"""The mesh's entries as custom resources of a real cluster, brought into a real Consul by consul-k8s' controller."""

import json

import pytest
from cluster import Cluster
from conftest import MakesProject
from consul_entries import MESH, WEB, entries, live, refusal
from mesh_objects import CLUSTERS, STATSD, TRACING, by_hand, cluster_names, on, spec_of

from demo.consul import Consul

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
    assert cluster.get("proxydefaults", "global") is None


def test_an_object_of_others_is_refused_with_what_it_holds(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    cluster.apply(by_hand(config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, meshGateway={"mode": "local"}))
    stack = project(configuration=on(cluster))
    told = refusal(stack)
    assert "ProxyDefaults default/global was not written by this stack" in told
    assert "It holds MeshGateway, envoy_prometheus_bind_addr, which would be lost." in told
    assert TRACING.isdisjoint(spec_of(cluster)["config"])
    assert WEB not in entries(consul)


def test_an_object_of_others_is_adopted_key_by_key_and_given_back(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    theirs = {"config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}, "meshGateway": {"mode": "local"}}
    cluster.apply(by_hand(**theirs))
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
    cluster.apply(by_hand(**theirs))
    stack = project(configuration=on(cluster, existing="adopt"))
    said = stack.up()
    assert "pulumi destroy will leave it there" in said
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


def test_what_is_added_to_our_object_stays_and_keeps_it(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    added = by_hand(config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    cluster.kubectl("apply", "--server-side", "--field-manager=team-a", "--filename=-", manifest=added)
    stack.configure(on(cluster, sampling={"random": 20}))
    said = stack.up()
    assert "keeps what others wrote: envoy_prometheus_bind_addr" in said
    assert live(consul)["Config"]["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    stack.preview(expect_no_changes=True)
    stack.configure(on(cluster, enabled=False))
    stack.up()
    stack.destroy()
    assert spec_of(cluster)["config"] == {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}


def test_a_key_of_ours_changed_by_hand_is_mended(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    ours = live(consul)["Config"]
    change = json.dumps({"spec": {"config": {"envoy_listener_tracing_json": "{}"}}})
    cluster.kubectl("patch", "proxydefaults", "global", "--type=merge", f"--patch={change}")
    stack.refresh()
    stack.up()
    assert live(consul)["Config"] == ours
    stack.preview(expect_no_changes=True)


def test_two_stacks_do_not_write_one_object(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    project(configuration=on(cluster), stack="blue").up()
    told = refusal(project(configuration=on(cluster), stack="green"))
    assert "ProxyDefaults default/global was written by another stack: organization/consul-tracing/blue" in told
    assert entries(consul) == {MESH, WEB}


def test_a_second_namespace_with_the_meshs_object_is_refused(
    project: MakesProject, namespace: str, cluster: Cluster, consul: Consul
) -> None:
    project(configuration=on(cluster), stack="blue").up()
    told = refusal(project(configuration=on(cluster, namespace=namespace), stack="green"))
    assert "ProxyDefaults default/global exists, and a mesh has one" in told
    assert cluster.get("proxydefaults", "global", namespace) is None
    assert entries(consul) == {MESH, WEB}
