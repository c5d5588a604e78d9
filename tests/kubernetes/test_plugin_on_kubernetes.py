"""The plugin with `target: kubernetes`, through a provider that the program passes."""

import os
from pathlib import Path

import pytest

import toolchain
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.plugin_executable import write_plugin_executable

pytestmark = [pytest.mark.kubernetes, pytest.mark.usefixtures("consul_namespace")]

PROGRAM = """
import pulumi
import pulumi_kubernetes

provider = pulumi_kubernetes.Provider("cluster", kubeconfig=pulumi.Config().require("kubeconfig"))
inputs = {
    "target": "kubernetes",
    "collector": {"host": "zipkin.example.com", "port": 9412},
    "services": {"web": {"protocol": "http"}},
}
opts = pulumi.ResourceOptions(providers=[provider], version="0.1.0")
pulumi.ComponentResource("consul-tracing:index:MeshTracing", "mesh", inputs, opts, remote=True)
"""


def test_mesh_is_written_through_the_named_provider(
    programs: Programs, cluster: Cluster, consul: Consul, tmp_path: Path
) -> None:
    write_plugin_executable(tmp_path)
    (tmp_path / "Pulumi.yaml").write_text("name: mesh\nruntime: python\n")
    (tmp_path / "__main__.py").write_text(PROGRAM)
    path = os.pathsep.join([str(tmp_path), toolchain.search_path(kubernetes=True), os.environ.get("PATH", os.defpath)])
    environment = {"PATH": path, "KUBECONFIG": os.devnull}
    configuration = {"mesh:kubeconfig": cluster.configuration["kubernetes:kubeconfig"]}
    stack = Project(programs, tmp_path, configuration, environment=environment)
    stack.up()
    entry = consul.config_entry("proxy-defaults", "global")
    assert entry is not None
    assert "zipkin.example.com" in entry["Config"]["envoy_extra_static_clusters_json"]
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert cluster.get("ServiceDefaults", "web", "consul") is None
