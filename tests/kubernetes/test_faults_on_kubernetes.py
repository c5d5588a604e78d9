"""What goes wrong between an `up` and Consul on Kubernetes: it is told, and one more `up` mends it all.

What held, how often, and what cannot be promised stands in docs/reliability.md.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import toolchain
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.processes import ProgramFailed
from tests.kubernetes.conftest import MakesProject
from tests.kubernetes.mesh_objects import TRACING, on
from tests.mesh.consul_entries import MESH, WEB, entries, live, outcome, put, refusal, services

pytestmark = pytest.mark.kubernetes


CRDS = ["proxydefaults.consul.hashicorp.com", "servicedefaults.consul.hashicorp.com"]


def test_an_api_server_restarted_in_the_middle_of_an_up_costs_one_rerun_at_most(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=on(cluster, services=services(60)))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(outcome, stack)
        cluster.wait_until(lambda: len(entries(consul)) >= 10, "the first entries")
        cluster.stop_api_server()
        there = len(entries(consul))
        cluster.start_api_server()
        cluster.wait_for_api_server()
        said = first.result()
    print(f"{there} entries were there; " + ("the up failed" if said else "the up went through"))  # noqa: T201 - for the document
    assert there < 61
    stack.cancel()
    stack.up()
    assert {name for _, name in entries(consul)} == {"global", *services(60)}
    assert set(live(consul)["Config"]) >= TRACING
    stack.preview(expect_no_changes=True)


@pytest.fixture
def stopped(controller: Controller, consul: Consul) -> Iterator[Callable[[], object]]:
    """Stops the controller; what it returns starts it again."""
    assert entries(consul) == set()
    controller.stop()
    yield controller.start
    if not controller.program.is_running:
        controller.start()


def test_a_stopped_controller_is_told_after_the_timeout_and_a_started_one_finishes(
    project: MakesProject, cluster: Cluster, stopped: Callable[[], object], consul: Consul
) -> None:
    stack = project(configuration=on(cluster, sync_timeout_seconds=3))
    told = refusal(stack)
    assert "ProxyDefaults default/global is written, and consul-k8s has not brought it into Consul within 3 s" in told
    assert "Its controller says: nothing yet" in told
    assert "kubectl describe proxydefaults global --namespace default" in told
    assert entries(consul) == set()
    stopped()
    stack.configure(on(cluster))
    stack.up()
    assert entries(consul) == {MESH, WEB}
    stack.preview(expect_no_changes=True)


def test_a_controller_that_stopped_since_does_not_vouch_for_a_change(
    project: MakesProject, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=on(cluster))
    stack.up()
    controller.stop()
    try:
        stack.configure(on(cluster, sampling={"random": 50}, sync_timeout_seconds=3))
        told = refusal(stack)
        assert "consul-k8s has not looked at it since it was changed" in told
        assert "not brought it into Consul within 3 s" in refusal(stack)
    finally:
        controller.start()
    stack.up()
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


def test_without_the_custom_resources_a_preview_says_what_to_install(
    project: MakesProject, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=on(cluster))
    for crd in CRDS:
        cluster.delete("CustomResourceDefinition", crd)
    try:
        with pytest.raises(ProgramFailed) as refused:
            stack.preview()
        for told in (refused.value.said, refusal(stack)):
            assert "the cluster does not know ProxyDefaults (consul.hashicorp.com/v1alpha1)" in told
            assert "It comes with consul-k8s" in told
    finally:
        controller.stop()
        cluster.install_crds()
        controller.start()
    stack.up()
    assert entries(consul) == {MESH, WEB}


INSTALLS_FIRST = """
from pathlib import Path

import pulumi
import yaml
from consul_tracing import MeshTracing
from pulumi_kubernetes.apiextensions.v1 import CustomResourceDefinition

installed = []
for kind in ("proxydefaults", "servicedefaults"):
    crd = yaml.safe_load(Path({crds!r}, f"consul.hashicorp.com_{{kind}}.yaml").read_text())
    metadata = {{"name": crd["metadata"]["name"]}}
    installed.append(CustomResourceDefinition(kind, metadata=metadata, spec=crd["spec"]))

args = {{"target": "kubernetes", "namespace": "default", "collector": {{"host": "zipkin"}}}}
mesh = MeshTracing("mesh", args, pulumi.ResourceOptions(depends_on=installed))
"""


def test_consul_k8s_may_come_with_the_same_program(
    project: MakesProject,
    inline: Callable[[str], Path],
    cluster: Cluster,
    controller: Controller,
    consul: Consul,
) -> None:
    crds = toolchain.program("consul-k8s-control-plane").parent
    stack = project(inline(INSTALLS_FIRST.format(crds=str(crds))))
    for crd in CRDS:
        cluster.delete("CustomResourceDefinition", crd)
    controller.stop()
    try:
        stack.preview()
        with ThreadPoolExecutor() as pool:
            up = pool.submit(stack.up)
            for crd in CRDS:
                cluster.wait_for_condition("CustomResourceDefinition", crd, "Established")
            controller.start()
            up.result()
        assert entries(consul) == {MESH}
        stack.preview(expect_no_changes=True)
        stack.destroy()
    finally:
        controller.stop()
        cluster.install_crds()
        controller.start()
    assert entries(consul) == set()


@pytest.mark.usefixtures("consul")
def test_a_namespace_that_is_missing_is_told_in_a_preview(project: MakesProject, cluster: Cluster) -> None:
    with pytest.raises(ProgramFailed) as refused:
        project(configuration=on(cluster, namespace="nowhere")).preview()
    assert "the cluster has no namespace nowhere for the mesh's objects" in refused.value.said


def test_an_entry_of_consuls_api_is_not_taken_over(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    put(consul, MESH, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    stack = project(configuration=on(cluster))
    told = refusal(stack)
    assert "ProxyDefaults default/global is written, and consul-k8s refuses to sync it" in told
    assert "ExternallyManagedConfigError: config entry already exists in Consul" in told
    assert "To write it there:                   target: consul" in told
    assert live(consul)["Config"] == {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
    consul.delete_config_entry(*MESH)
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert set(live(consul)["Config"]) == TRACING


def test_entries_of_a_stack_on_consul_move_to_kubernetes_without_a_gap(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    led = {"consul:address": consul.address}
    project(configuration={**on(cluster, target="consul"), **led}, stack="before").up()
    before = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    stack = project(configuration=on(cluster, migrate_entries=True, sampling={"random": 50}), stack="after")
    told = refusal(stack)
    assert "refuses to take over what Consul has: MigrationFailedError" in told
    assert "Declare what Consul has, to the letter" in told
    stack.configure(on(cluster, migrate_entries=True))
    stack.up()
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    # An entry that was gone for any moment would have been created anew.
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == before
    stack.preview(expect_no_changes=True)


@pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
def test_an_entry_of_consul_k8s_is_refused_on_consuls_api(
    project: MakesProject, cluster: Cluster, consul: Consul, existing: str
) -> None:
    project(configuration=on(cluster), stack="on-kubernetes").up()
    before = live(consul)
    led = {"consul:address": consul.address}
    stack = project(configuration={**on(cluster, target="consul", existing=existing), **led}, stack="on-consul")
    told = refusal(stack)
    assert "are managed by consul-k8s, which reverts other writes" in told
    assert "1. set target: kubernetes" in told
    assert live(consul) == before


def test_a_cluster_out_of_reach_lets_a_preview_go_on_and_stops_an_up(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=on(cluster), refresh=False)
    stack.up()
    before = live(consul)
    stack.configure(on(cluster, sampling={"random": 50}))
    cluster.stop_api_server()
    try:
        told = refusal(stack)
        assert "Kubernetes cannot be read, so nothing is written" in told
    finally:
        cluster.start_api_server()
        cluster.wait_for_api_server()
    assert live(consul) == before
    stack.up()
    stack.preview(expect_no_changes=True)


def test_destroy_waits_for_a_stopped_controller_no_longer_than_it_may(
    project: MakesProject, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=on(cluster, sync_timeout_seconds=15))
    stack.up()
    controller.stop()
    try:
        with pytest.raises(ProgramFailed):
            stack.destroy()
    finally:
        controller.start()
    cluster.wait_until(lambda: entries(consul) == set(), "a Consul without our entries")
    # Kubernetes' own garbage collector takes part in the deletion, and learns of new kinds every half minute.
    gone = [
        lambda: cluster.get("ProxyDefaults", "global") is None,
        lambda: cluster.get("ServiceDefaults", "web") is None,
    ]
    cluster.wait_until(lambda: all(is_gone() for is_gone in gone), "a cluster without our objects")
    stack.refresh()
    stack.destroy()
