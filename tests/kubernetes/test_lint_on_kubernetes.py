"""`consul-tracing lint --kubernetes` with the custom resources of a real cluster."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import toolchain
from testbed.kubernetes import Cluster
from testbed.processes import ProgramFailedError, Programs
from tests.kubernetes.mesh_objects import ARGUMENTS, unmanaged_proxy_defaults
from tests.mesh.test_render import render

pytestmark = pytest.mark.kubernetes

GATEWAY_API = "gateway.networking.k8s.io/v1beta1"


def lint(programs: Programs, kubeconfig: Path, *options: str) -> tuple[int, str]:
    """Run the command, and return its exit code and output."""
    command = [sys.executable, "-m", "consul_tracing.cli", "lint", "--kubernetes", "--format=json", *options]
    try:
        return 0, programs.run("consul-tracing lint", command, environment={"KUBECONFIG": str(kubeconfig)})
    except ProgramFailedError as error:
        return error.exit_code, error.output


def findings(programs: Programs, cluster: Cluster) -> list[tuple[str, str]]:
    """Return the code and the entry of each finding."""
    _, output = lint(programs, cluster.kubeconfig)
    return [(one["code"], one["entry"]) for one in json.loads(output)["findings"]]


@pytest.mark.usefixtures("consul")
def test_live_object_is_checked(programs: Programs, cluster: Cluster) -> None:
    assert lint(programs, cluster.kubeconfig)[0] == 0
    cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": '{"name": "self_admin"}'}))
    assert lint(programs, cluster.kubeconfig)[0] == 1
    assert findings(programs, cluster) == [("CT311", "proxy-defaults/global")]


def gateway(version: str, kind: str, **spec: Any) -> dict[str, Any]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "edge", "namespace": "default"}, "spec": spec}


@pytest.fixture
def gateway_api(cluster: Cluster) -> Iterator[None]:
    """The custom resource definition of Gateway."""
    cluster.install(Path(__file__).with_name("gateway_crd.yaml"))
    yield
    cluster.delete("CustomResourceDefinition", "gateways.gateway.networking.k8s.io")


@pytest.mark.usefixtures("consul")
def test_ingress_gateway_disables_tracing(programs: Programs, cluster: Cluster, tmp_path: Path) -> None:
    for manifest in yaml.safe_load_all(render(ARGUMENTS, tmp_path, "--as=yaml")):
        cluster.create(manifest)
    assert findings(programs, cluster) == []
    cluster.create(gateway("consul.hashicorp.com/v1alpha1", "IngressGateway", listeners=[]))
    assert findings(programs, cluster) == [("CT329", "proxy-defaults/global")]
    cluster.delete("IngressGateway", "edge")


@pytest.mark.usefixtures("consul", "gateway_api")
def test_gateway_of_consul_disables_tracing(programs: Programs, cluster: Cluster, tmp_path: Path) -> None:
    for manifest in yaml.safe_load_all(render(ARGUMENTS, tmp_path, "--as=yaml")):
        cluster.create(manifest)
    cluster.create(gateway(GATEWAY_API, "Gateway", gatewayClassName="nginx"))
    assert findings(programs, cluster) == []
    cluster.edit("Gateway", "edge", {"spec": {"gatewayClassName": "consul"}})
    assert findings(programs, cluster) == [("CT329", "proxy-defaults/global")]


@pytest.mark.usefixtures("consul")
@pytest.mark.parametrize("options", [[], ["--namespace=default"]])
def test_missing_permission_is_not_a_mesh_without_findings(
    programs: Programs, cluster: Cluster, tmp_path: Path, options: list[str]
) -> None:
    administrator = yaml.safe_load(cluster.kubeconfig.read_text())
    command = [toolchain.program("kubectl"), "--kubeconfig", cluster.kubeconfig, "create", "token", "default"]
    token = programs.run("kubectl", command).strip()
    user = {**administrator["users"][0], "user": {"token": token}}
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(yaml.safe_dump({**administrator, "users": [user]}))
    code, output = lint(programs, kubeconfig, *options)
    assert code == 2
    assert "Kubernetes cannot be read: " in output
    assert "proxydefaults" in output
    assert token not in output
