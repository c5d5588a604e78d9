"""No declared entry is deleted, whichever resource of the state holds its custom resource."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from testbed.pulumi import Project
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import TRACING, object_of, stack_config, unmanaged_proxy_defaults
from tests.kubernetes.watched_entries import watched
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, entries, live
from tests.mesh.edited_stack import REPLACEMENTS

pytestmark = pytest.mark.kubernetes

Write = Callable[[str], Path]

RAW = """
from pulumi_kubernetes.apiextensions import CustomResource

def raw(name, kind, entry, namespace="default", **spec):
    metadata = {"name": entry, "namespace": namespace}
    CustomResource(name, api_version="consul.hashicorp.com/v1alpha1", kind=kind, metadata=metadata, spec=spec)

raw("a-mesh", "ProxyDefaults", "global", config={"envoy_prometheus_bind_addr": "0.0.0.0:9102"})
raw("a-web", "ServiceDefaults", "web", protocol="http", meshGateway={"mode": "local"})
"""
COMPONENT = """
import pulumi
from consul_tracing import MeshTracing

mesh = MeshTracing("mesh", {"target": "kubernetes", "namespace": "default", "collector": {"host": "zipkin"},
                            "existing": "adopt", "services": {"web": {"protocol": "http"}}})
pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
"""


def synced(cluster: Cluster, consul: Consul) -> dict[tuple[str, str], int]:
    """Wait until the controller has written both entries, and return their create indexes."""
    cluster.wait_until(lambda: entries(consul) == {MESH, WEB}, "both entries in Consul")
    return {entry: live(consul, entry)["CreateIndex"] for entry in (MESH, WEB)}


def test_raw_objects_are_replaced_by_the_component(
    project: ProjectFactory, inline: Write, cluster: Cluster, consul: Consul
) -> None:
    stack = project(inline(RAW))
    stack.up()
    before = synced(cluster, consul), object_of(cluster)["metadata"]["uid"]
    inline(COMPONENT)
    with watched(consul) as observed:
        stack.up()
        stack.preview(expect_no_changes=True)
    assert observed == {frozenset({MESH, WEB})}
    assert (synced(cluster, consul), object_of(cluster)["metadata"]["uid"]) == before
    assert PROMETHEUS.items() <= live(consul)["Config"].items()
    assert set(live(consul)["Config"]) == TRACING | PROMETHEUS.keys()
    assert live(consul, WEB)["MeshGateway"] == {"Mode": "local"}


@pytest.mark.parametrize("service", [{}, {"name": "web"}], ids=["moved", "moved and renamed"])
def test_service_moves_to_another_namespace(
    project: ProjectFactory, cluster: Cluster, consul: Consul, namespace: str, service: dict[str, Any]
) -> None:
    stack = project(configuration=stack_config(cluster))
    stack.up()
    moved = {**service, "protocol": "http", "namespace": namespace}
    stack.configure(stack_config(cluster, services={"frontend" if service else "web": moved}))
    stack.up()
    stack.preview(expect_no_changes=True)
    cluster.wait_until(lambda: entries(consul) == {MESH, WEB}, "both entries in Consul")
    assert cluster.get("ServiceDefaults", "web") is None
    assert cluster.get("ServiceDefaults", "web", namespace) is not None
    cluster.delete("ServiceDefaults", "web", namespace)


def test_raw_object_of_another_namespace_is_replaced_by_the_component(
    project: ProjectFactory, inline: Write, cluster: Cluster, consul: Consul, namespace: str
) -> None:
    stack = project(inline(RAW.replace('"web", protocol', f'"web", namespace="{namespace}", protocol')))
    stack.up()
    synced(cluster, consul)
    inline(COMPONENT)
    stack.up()
    stack.preview(expect_no_changes=True)
    cluster.wait_until(lambda: entries(consul) == {MESH, WEB}, "both entries in Consul")
    assert cluster.get("ServiceDefaults", "web", namespace) is None
    assert object_of(cluster, "ServiceDefaults", "web")["spec"]["protocol"] == "http"


@REPLACEMENTS
@pytest.mark.parametrize("adopted", ["adopted", "own"])
def test_replaced_object_is_written_after_its_deletion(
    project: ProjectFactory, cluster: Cluster, consul: Consul, replaced: Callable[[Project, str], None], adopted: str
) -> None:
    if adopted == "adopted":
        cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS))
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    stack.up()
    expected = {entry: {**live(consul, entry), "CreateIndex": 0, "ModifyIndex": 0} for entry in (MESH, WEB)}
    for name in ("mesh-proxy-defaults", "mesh-service-web"):
        replaced(stack, next(one["urn"] for one in stack.resources() if one["urn"].endswith(f"::{name}")))
        synced(cluster, consul)
        after = {entry: {**live(consul, entry), "CreateIndex": 0, "ModifyIndex": 0} for entry in (MESH, WEB)}
        assert after == expected
        stack.preview(expect_no_changes=True)


@pytest.mark.parametrize("adopted", ["adopted", "own"])
def test_update_of_other_targets_does_not_change_the_bootstrap_hash(
    project: ProjectFactory, inline: Write, cluster: Cluster, consul: Consul, adopted: str
) -> None:
    if adopted == "adopted":
        cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS))
    stack = project(inline(COMPONENT))
    stack.up()
    before = stack.output("bootstrap_hash")
    inline(COMPONENT.replace('"zipkin"', '"other"'))
    names = ("mesh-service-web", "mesh", "inline-dev")
    targets = [one["urn"] for one in stack.resources() if one["urn"].rpartition("::")[2] in names]
    assert "CT507" not in stack.up(*(f"--target={urn}" for urn in targets))
    assert stack.output("bootstrap_hash") == before
    assert "CT507" in stack.preview_without_diff()
    stack.up()
    assert stack.output("bootstrap_hash") != before
    assert '"address":"other"' in live(consul)["Config"]["envoy_extra_static_clusters_json"]


def test_raw_patches_are_replaced_by_the_component(
    project: ProjectFactory, inline: Write, cluster: Cluster, consul: Consul
) -> None:
    web = {"kind": "ServiceDefaults", "metadata": {"name": "web", "namespace": "default"}}
    cluster.apply(unmanaged_proxy_defaults(config={"foreign": "1"}))
    cluster.apply({**unmanaged_proxy_defaults(externalSNI="web.example.com"), **web})
    stack = project(inline(RAW.replace("CustomResource", "CustomResourcePatch")))
    stack.up()
    before = synced(cluster, consul)
    inline(COMPONENT)
    stack.up()
    stack.preview(expect_no_changes=True)
    assert synced(cluster, consul) == before
    assert set(live(consul)["Config"]) == TRACING | PROMETHEUS.keys() | {"foreign"}
    assert (live(consul, WEB)["MeshGateway"], live(consul, WEB)["ExternalSNI"]) == (
        {"Mode": "local"},
        "web.example.com",
    )
