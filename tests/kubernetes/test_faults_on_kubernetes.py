"""Faults during an `up` on Kubernetes are reported, and the next `up` completes the mesh.

See docs/measurements/faults.md for the results and the limitations.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import toolchain
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.processes import ProgramFailedError
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import TRACING, object_of, stack_config
from tests.mesh.consul_entries import MESH, WEB, entries, live, outcome, put, rejection, services

pytestmark = pytest.mark.kubernetes


CRDS = ["proxydefaults.consul.hashicorp.com", "servicedefaults.consul.hashicorp.com"]


def test_up_completes_after_a_restart_of_the_api_server(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, services=services(60)))
    with ThreadPoolExecutor() as pool:
        first = pool.submit(outcome, stack)
        cluster.wait_until(lambda: len(entries(consul)) >= 10, "the first entries")
        cluster.stop_api_server()
        written_entries = len(entries(consul))
        cluster.start_api_server()
        cluster.wait_for_api_server()
        failure = first.result()
    print(f"{written_entries} entries were written; " + ("the up failed" if failure else "the up succeeded"))  # noqa: T201 - for the document
    assert written_entries < 61
    stack.cancel()
    stack.up()
    assert {name for _, name in entries(consul)} == {"global", *services(60)}
    assert set(live(consul)["Config"]) >= TRACING
    stack.preview(expect_no_changes=True)


@pytest.fixture
def start_controller(controller: Controller, consul: Consul) -> Iterator[Callable[[], object]]:
    """Stop the controller, and return a function that starts it."""
    assert entries(consul) == set()
    controller.stop()
    yield controller.start
    if not controller.program.is_running:
        controller.start()


def test_stopped_controller_is_reported_after_the_timeout(
    project: ProjectFactory, cluster: Cluster, start_controller: Callable[[], object], consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, sync_timeout_seconds=3))
    output = rejection(stack)
    assert "consul-k8s did not write it into Consul within 3 s" in output
    assert "Status: none" in output
    assert "kubectl describe proxydefaults global --namespace default" in output
    assert entries(consul) == set()
    start_controller()
    stack.configure(stack_config(cluster))
    stack.up()
    assert entries(consul) == {MESH, WEB}
    stack.preview(expect_no_changes=True)


def test_status_of_a_stopped_controller_is_outdated_after_a_change(
    project: ProjectFactory, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    controller.stop()
    try:
        stack.configure(stack_config(cluster, sampling={"random": 50}, sync_timeout_seconds=3))
        output = rejection(stack)
        assert "Status: no status since the last change" in output
        assert "did not write it into Consul within 3 s" in rejection(stack)
    finally:
        controller.start()
    stack.up()
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


def test_missing_custom_resource_definitions_are_reported_in_a_preview(
    project: ProjectFactory, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster))
    for crd in CRDS:
        cluster.delete("CustomResourceDefinition", crd)
    try:
        preview = stack.preview_without_diff()
        assert "CT508: Kubernetes cannot be read yet" in preview
        for output in (preview, rejection(stack)):
            assert "the cluster does not have the kind ProxyDefaults (consul.hashicorp.com/v1alpha1)" in output
            assert "To install consul-k8s first" in output
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
depends_on = pulumi.ResourceOptions(depends_on=installed)
"""
DIRECTLY = 'MeshTracing("mesh", args, depends_on)'
WITHIN_ANOTHER_COMPONENT = """
outer = pulumi.ComponentResource("acme:index:Outer", "outer", None, depends_on)
inner = pulumi.ComponentResource("acme:index:Inner", "inner", None, pulumi.ResourceOptions(parent=outer))
MeshTracing("mesh", args, pulumi.ResourceOptions(parent=inner))
"""


@pytest.fixture(params=[DIRECTLY, WITHIN_ANOTHER_COMPONENT], ids=["directly", "within"])
def installing(request: pytest.FixtureRequest, inline: Callable[[str], Path]) -> Path:
    """A program that installs the custom resource definitions of consul-k8s before the mesh."""
    crds = toolchain.program("consul-k8s-control-plane").parent
    return inline(INSTALLS_FIRST.format(crds=str(crds)) + request.param)


def test_program_can_install_consul_k8s(
    project: ProjectFactory,
    installing: Path,
    cluster: Cluster,
    controller: Controller,
    consul: Consul,
) -> None:
    stack = project(installing)
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
def test_missing_namespace_is_reported_in_a_preview(project: ProjectFactory, cluster: Cluster) -> None:
    stack = project(configuration=stack_config(cluster, namespace="nowhere"))
    for output in (stack.preview_without_diff(), rejection(stack)):
        assert "the cluster has no namespace nowhere" in output


def test_unmanaged_entry_in_consul_is_rejected(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    put(consul, MESH, Config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
    stack = project(configuration=stack_config(cluster))
    output = rejection(stack)
    assert "ProxyDefaults default/global is written to Kubernetes, and consul-k8s rejects it" in output
    assert "ExternallyManagedConfigError: config entry already exists in Consul" in output
    assert "1. set target: consul" in output
    assert live(consul)["Config"] == {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
    consul.delete_config_entry(*MESH)
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert set(live(consul)["Config"]) == TRACING


def test_migrated_entries_are_not_deleted(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    consul_config = {"consul:address": consul.address}
    project(configuration={**stack_config(cluster, target="consul"), **consul_config}, stack="before").up()
    before = {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}
    stack = project(configuration=stack_config(cluster, migrate_entries=True, sampling={"random": 50}), stack="after")
    output = rejection(stack)
    assert "cannot migrate the entry: MigrationFailedError" in output
    assert "2. declare the other content of the entry in Consul exactly" in output
    stack.configure(stack_config(cluster, migrate_entries=True))
    stack.up()
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    # A deleted and recreated entry would have another create index.
    assert {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)} == before
    stack.preview(expect_no_changes=True)


@pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
def test_entry_of_consul_k8s_is_rejected_with_target_consul(
    project: ProjectFactory, cluster: Cluster, consul: Consul, existing: str
) -> None:
    project(configuration=stack_config(cluster), stack="on-kubernetes").up()
    before = live(consul)
    consul_config = {"consul:address": consul.address}
    stack = project(
        configuration={**stack_config(cluster, target="consul", existing=existing), **consul_config}, stack="on-consul"
    )
    output = rejection(stack)
    assert "are managed by consul-k8s, which reverts other writes" in output
    assert "1. set target: kubernetes" in output
    assert live(consul) == before


def test_unreachable_cluster_fails_an_up_before_any_write(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    before = live(consul)
    stack.configure(stack_config(cluster, sampling={"random": 50}))
    cluster.stop_api_server()
    try:
        output = rejection(stack)
        assert "Kubernetes cannot be read, so nothing is written" in output
    finally:
        cluster.start_api_server()
        cluster.wait_for_api_server()
    assert live(consul) == before
    stack.up()
    stack.preview(expect_no_changes=True)


def test_destroy_with_a_stopped_controller_times_out(
    project: ProjectFactory, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, sync_timeout_seconds=15))
    stack.up()
    controller.stop()
    try:
        for _ in range(2):
            with pytest.raises(ProgramFailedError, match="timed out waiting for the condition"):
                stack.destroy()
            # The garbage collector of Kubernetes would remove another finalizer up to half a minute later.
            assert object_of(cluster)["metadata"]["finalizers"] == ["finalizers.consul.hashicorp.com"]
    finally:
        controller.start()
    cluster.wait_until(lambda: entries(consul) == set(), "a Consul without the entries")
    cluster.wait_until(
        lambda: not [*cluster.objects("ProxyDefaults"), *cluster.objects("ServiceDefaults")],
        "a cluster without the objects",
    )
    stack.destroy()
