"""`consul-tracing render --as yaml`, applied to a real cluster."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.mesh_objects import ARGUMENTS
from tests.mesh.consul_entries import MESH, WEB, entries, live
from tests.mesh.test_render import render
from tests.mesh.traced_mesh import rendered

pytestmark = pytest.mark.kubernetes


def test_rendered_manifests_become_the_entries_of_the_component(
    cluster: Cluster, consul: Consul, tmp_path: Path
) -> None:
    metadata = {"labels": {"team": "platform"}, "annotations": {"example.com/runbook": "tracing"}}
    args: dict[str, Any] = {**ARGUMENTS, "metadata": metadata, "proxy_defaults": {"MeshGateway": {"Mode": "local"}}}
    for manifest in yaml.safe_load_all(render(args, tmp_path, "--as=yaml")):
        cluster.create(manifest)
    cluster.wait_until(lambda: entries(consul) == {MESH, WEB}, "both entries")
    web, mesh = rendered(args)
    assert live(consul)["Config"] == mesh["Config"]
    assert live(consul)["MeshGateway"] == mesh["MeshGateway"]
    assert live(consul, WEB)["Protocol"] == web["Protocol"]
    found = cluster.get("ProxyDefaults", "global")
    assert found is not None
    assert found["metadata"]["labels"] == metadata["labels"]
