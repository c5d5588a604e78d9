"""`ServiceProtocols` and further metadata of custom resources, on a real cluster."""

from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import object_of, stack_config, unmanaged_proxy_defaults
from tests.mesh.consul_entries import MESH, WEB, entries, live

pytestmark = pytest.mark.kubernetes

SHOP = """
from consul_tracing import ServiceProtocols

services = {"shop": {"protocol": "grpc"}}
ServiceProtocols("shop", {"target": "kubernetes", "namespace": "default", "services": services})
"""


def test_team_writes_its_services_beside_the_mesh(
    project: ProjectFactory, cluster: Cluster, consul: Consul, inline: Callable[[str], Path]
) -> None:
    mesh = project(configuration=stack_config(cluster))
    mesh.up()
    shop = project(inline(SHOP), stack="prod")
    shop.up()
    service = ("service-defaults", "shop")
    assert entries(consul) == {MESH, WEB, service}
    assert live(consul, service)["Protocol"] == "grpc"
    shop.preview(expect_no_changes=True)
    mesh.preview(expect_no_changes=True)
    mesh.destroy()
    assert entries(consul) == {service}
    shop.destroy()
    assert entries(consul) == set()


@pytest.mark.parametrize("existing", ["refuse", "adopt"])
def test_declared_labels_and_annotations_follow_the_inputs(
    project: ProjectFactory, cluster: Cluster, consul: Consul, existing: str
) -> None:
    if existing == "adopt":
        metadata = {"name": "global", "namespace": "default", "labels": {"owner": "other"}}
        cluster.create({**unmanaged_proxy_defaults(meshGateway={"mode": "local"}), "metadata": metadata})
    further = {"labels": {"team": "platform"}, "annotations": {"example.com/runbook": "tracing"}}
    stack = project(configuration=stack_config(cluster, existing=existing, metadata=further))
    stack.up()
    written = object_of(cluster)["metadata"]
    assert written["labels"]["team"] == "platform"
    assert written["annotations"]["example.com/runbook"] == "tracing"
    assert entries(consul) == {MESH, WEB}
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, existing=existing))
    stack.up()
    later = object_of(cluster)["metadata"]
    assert "team" not in later.get("labels", {})
    assert "example.com/runbook" not in later["annotations"]
    if existing == "adopt":
        assert later["labels"] == {"owner": "other"}
    stack.preview(expect_no_changes=True)
    stack.destroy()
