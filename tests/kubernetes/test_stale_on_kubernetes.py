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
        # `kubectl rollout restart` leaves the annotation as it is.
        run_pod(cluster, namespace, "restarted", {**INJECTED, HASH_ANNOTATION: "old"})
        assert stale(programs, cluster, consul, "--namespace", namespace)[0] == 0
        cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": CLUSTER}))
        cluster.wait_until(
            lambda: "static cluster statsd: added" in stale(programs, cluster, consul, "--namespace", namespace)[1],
            "a stale proxy",
        )
    finally:
        envoy.stop()


def test_stale_pods_are_restarted_through_their_deployment(
    programs: Programs, cluster: Cluster, consul: Consul, namespace: str
) -> None:
    cluster.create(unmanaged_proxy_defaults(config={"envoy_extra_static_clusters_json": CLUSTER}))
    current = bootstrap_hash(body(object_of(cluster)))
    labels = {"app": "web"}
    template = {
        "metadata": {"labels": labels, "annotations": {**INJECTED, HASH_ANNOTATION: "old"}},
        "spec": {"containers": [{"name": "consul-dataplane", "image": "dataplane"}]},
    }
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    metadata = {"name": "web", "namespace": namespace}
    cluster.create({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})

    def two_proxies() -> list[dict[str, Any]]:
        code, text = stale(programs, cluster, consul, "--namespace", namespace)
        found = json.loads(text)["proxies"] if code == 1 else []
        return found if len(found) == 2 else []

    found = cluster.wait_until(two_proxies, "two stale pods")
    command = f"kubectl --namespace {namespace} rollout restart deployment/web"
    assert {one["restart"] for one in found} == {command}
    # As `pulumi up` does: the command leaves the annotation as it is.
    changed = {"spec": {"template": {"metadata": {"annotations": {HASH_ANNOTATION: current}}}}}
    cluster.edit("Deployment", "web", changed, namespace)
    assert stale(programs, cluster, consul, "--selector=app=web", "--wait=60")[0] == 0
    assert stale(programs, cluster, consul, f"--namespace={namespace}", "--selector=app=api")[0] == 2


def user(cluster: Cluster, namespace: str, *rules: dict[str, Any]) -> str:
    """Return the path of a kubeconfig for a service account with a role of these rules."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    metadata = {"name": "reader", "namespace": namespace}
    api = "rbac.authorization.k8s.io/v1"
    cluster.create({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": [*rules]})
    cluster.create(
        {"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [subject]}
    )
    return str(cluster.kubeconfig_of(namespace))


def test_missing_permissions_are_named(programs: Programs, cluster: Cluster, consul: Consul, namespace: str) -> None:
    run_pod(cluster, namespace, "web", INJECTED)

    def stale_as(*rules: dict[str, Any]) -> str:
        cluster.start_deleting("Role", "reader", namespace)
        cluster.start_deleting("RoleBinding", "reader", namespace)
        kubeconfig = user(cluster, namespace, *rules)
        environment = {**consul.environment, "KUBECONFIG": kubeconfig}
        command = [sys.executable, "-m", "consul_tracing.cli", "stale", "--kubernetes", "--namespace", namespace]
        with pytest.raises(ProgramFailedError) as failed:
            programs.run("consul-tracing stale", command, environment=environment)
        return failed.value.output

    assert 'the pods cannot be listed: 403: pods is forbidden: User "system:serviceaccount:' in stale_as()
    text = stale_as({"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]})
    assert f'{namespace}/web cannot be read: the port-forward to port 19000 failed: 403 Forbidden: pods "web"' in text


def test_namespace_without_proxies_is_an_error(
    programs: Programs, cluster: Cluster, consul: Consul, namespace: str
) -> None:
    code, text = stale(programs, cluster, consul, "--namespace", namespace)
    assert (code, f"no pod with a proxy of consul-k8s runs in namespace {namespace}" in text) == (2, True)
