"""`consul-tracing stale --kubernetes` with real objects. The pods run no program; one has a real proxy elsewhere."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from consul_tracing.cli.stale.pods import HASH_ANNOTATION
from consul_tracing.entries.bodies import bootstrap_hash
from consul_tracing.entries.custom_resources import body
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.kubernetes import Cluster
from testbed.mesh import Instance, Service
from testbed.processes import ProgramFailedError, Programs
from tests.kubernetes.mesh_objects import object_of, unmanaged_proxy_defaults

pytestmark = pytest.mark.kubernetes

INJECTED = {"consul.hashicorp.com/connect-inject-status": "injected"}
CLUSTER = '{"name":"statsd","type":"STATIC","load_assignment":{"cluster_name":"statsd"}}'


def stale(programs: Programs, cluster: Cluster, consul: Consul, *arguments: str) -> tuple[int, str]:
    """Run the command and return its exit code and its output."""
    command = [sys.executable, "-m", "consul_tracing.cli", "stale", "--kubernetes", "--format=json", *arguments]
    environment = {**consul.environment, "KUBECONFIG": str(cluster.kubeconfig)}
    try:
        return 0, programs.run("consul-tracing stale", command, environment=environment)
    except ProgramFailedError as error:
        return error.exit_code, error.output


def run_pod(cluster: Cluster, namespace: str, name: str, annotations: dict[str, str]) -> None:
    """Create a pod, and wait until kwok reports that it is running."""
    spec = {"containers": [{"name": "consul-dataplane", "image": "dataplane"}], "nodeName": "node"}
    metadata = {"name": name, "namespace": namespace, "annotations": annotations}
    cluster.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def is_running() -> bool:
        pod = cluster.get("Pod", name, namespace)
        return pod is not None and pod["status"].get("phase") == "Running"

    cluster.wait_until(is_running, f"pod {name} to run")


@pytest.fixture
def consul_with_web(consul: Consul) -> Iterator[Consul]:
    consul.register(Instance.allocate(Service("web")).registration)
    yield consul
    consul.put("/v1/agent/service/deregister/web")


def test_annotated_pods_are_compared_with_proxy_defaults(
    programs: Programs, cluster: Cluster, consul: Consul, namespace: str
) -> None:
    cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": CLUSTER}))
    current = bootstrap_hash(body(object_of(cluster)))
    run_pod(cluster, namespace, "current", {**INJECTED, HASH_ANNOTATION: current})
    run_pod(cluster, namespace, "outside", {HASH_ANNOTATION: "old"})
    assert stale(programs, cluster, consul, "--namespace", namespace)[0] == 0
    run_pod(cluster, namespace, "old", {**INJECTED, HASH_ANNOTATION: "old"})
    code, text = stale(programs, cluster, consul, "--namespace", namespace)
    found: dict[str, Any] = {one["proxy"]: one["differences"] for one in json.loads(text)["proxies"]}
    assert code == 1
    assert found == {f"{namespace}/current": [], f"{namespace}/old": [f"bootstrap hash: old, now {current}"]}


def test_other_pods_are_compared_through_a_port_forward(
    programs: Programs, cluster: Cluster, consul_with_web: Consul, namespace: str
) -> None:
    consul = consul_with_web
    run_pod(cluster, namespace, "web", INJECTED)
    code, text = stale(programs, cluster, consul, "--namespace", namespace)
    assert (code, f"{namespace}/web" in text) == (2, True)
    envoy = Envoy(programs, consul, "pod", ["-sidecar-for=web"], admin_port=cluster.envoy_admin_port)
    try:
        programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
        code, text = stale(programs, cluster, consul, "--namespace", namespace)
        assert (code, json.loads(text)["proxies"][0]["service"]) == (0, "web")
        cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": CLUSTER}))
        cluster.wait_until(
            lambda: "static cluster statsd: added" in stale(programs, cluster, consul, "--namespace", namespace)[1],
            "a stale proxy",
        )
    finally:
        envoy.stop()


def test_namespace_without_proxies_is_an_error(
    programs: Programs, cluster: Cluster, consul: Consul, namespace: str
) -> None:
    code, text = stale(programs, cluster, consul, "--namespace", namespace)
    assert (code, f"no pod with a proxy of consul-k8s runs in namespace {namespace}" in text) == (2, True)
