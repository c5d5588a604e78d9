"""`consul-tracing verify --kubernetes`: pods of kwok, whose port-forwards lead to real proxies."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from testbed.envoy import Envoy
from testbed.http import url
from testbed.kubernetes import MESH_PODS, STALLED_POD, Cluster, Controller
from testbed.mesh import Mesh
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from tests.command_line import consul_tracing
from tests.kubernetes.conftest import ProjectFactory, controlled_mesh, create_namespace
from tests.kubernetes.mesh_objects import stack_config
from tests.kubernetes.test_stale_on_kubernetes import INJECTED, run_pod

pytestmark = pytest.mark.kubernetes

NAMESPACE = "traced"
SECTIONS = ("versions", "entries_in_consul", "entries_in_kubernetes", "proxies", "traces")


@pytest.fixture(scope="module")
def mesh(programs: Programs, cluster: Cluster, controller: Controller) -> Iterator[Mesh]:
    """A mesh with a pod for each proxy."""
    with controlled_mesh(programs, cluster, controller) as started:
        create_namespace(cluster, NAMESPACE)
        for pod in MESH_PODS:
            service = {"consul.hashicorp.com/connect-service": pod.partition("-")[0]}
            run_pod(cluster, NAMESPACE, pod, {**INJECTED, **service})
        yield started
        cluster.start_deleting("Namespace", NAMESPACE)


def start_sidecars(cluster: Cluster, mesh: Mesh) -> None:
    """Start the sidecars with the admin interfaces to which the port-forwards lead, or restart them."""
    if mesh.sidecars:
        mesh.restart_sidecars()
        return
    for pod, port in cluster.pod_admin_ports.items():
        service = pod.partition("-")[0]
        arguments = [f"-sidecar-for={service}"]
        mesh.sidecars[service] = Envoy(mesh.programs, mesh.consul, service, arguments, admin_port=port)
        mesh.sidecars[service].wait_until_ready(mesh.instances[service].listeners)


def verify(cluster: Cluster, mesh: Mesh, *options: str, timeout: int = 20) -> tuple[int, dict[str, Any]]:
    return run(cluster, mesh, "verify", *options, timeout=timeout)


def run(cluster: Cluster, mesh: Mesh, name: str, *options: str, timeout: int = 20) -> tuple[int, dict[str, Any]]:
    command = [name, url(mesh.upstream_port()), f"--zipkin={mesh.zipkin.url}", "--expect=client,web,api"]
    mode = [f"--timeout={timeout}", "--format=json", "--kubernetes", f"--namespace={NAMESPACE}"]
    environment = {**mesh.consul.environment, "KUBECONFIG": str(cluster.kubeconfig)}
    ended = consul_tracing(*command, *mode, *options, environment=environment)
    return ended.exit_code, json.loads(ended.stdout)


@pytest.mark.parametrize("percent", [1, 10, 100])
def test_traced_mesh_has_no_finding(project: ProjectFactory, cluster: Cluster, mesh: Mesh, percent: float) -> None:
    args = {
        "collector": {"host": LOOPBACK, "port": mesh.zipkin.port},
        "sampling": {"random": percent},
        "services": {name: {"protocol": "http"} for name in ("web", "api")},
    }
    stack = project(configuration=stack_config(cluster, **args))
    stack.up()
    start_sidecars(cluster, mesh)
    code, report = verify(cluster, mesh)
    assert (code, report["causes"], report["missing"]) == (0, [], [])
    code, page = run(cluster, mesh, "doctor", "--ignore=CT317")
    assert {name: section["status"] for name, section in page["sections"].items()} == dict.fromkeys(SECTIONS, "ok")
    assert code == 0
    stack.destroy()


def test_cause_names_the_pod_of_the_proxy(project: ProjectFactory, cluster: Cluster, mesh: Mesh) -> None:
    args = {
        "collector": {"host": LOOPBACK, "port": mesh.zipkin.port},
        "sampling": {"random": 0},
        "services": {name: {"protocol": "http"} for name in ("web", "api")},
    }
    stack = project(configuration=stack_config(cluster, **args))
    stack.up()
    start_sidecars(cluster, mesh)
    run_pod(cluster, NAMESPACE, STALLED_POD, {**INJECTED, "consul.hashicorp.com/connect-service": "web"})
    code, report = verify(cluster, mesh, "--propagation=none", timeout=2)
    (cause,) = report["causes"]
    assert (code, cause["code"], cause["proxy"]) == (1, "CT405", f"client ({NAMESPACE}/client-1)")
    assert f"the admin interface {NAMESPACE}/{STALLED_POD} cannot be read: timeout after 10 s" in report["notes"]
    stack.destroy()
