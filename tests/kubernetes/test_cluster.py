"""That the cluster of these tests is a real one: what they find out holds elsewhere."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from testbed.consul import Consul
from testbed.http import NotAnswered
from testbed.kubernetes import GUEST, Cluster, Controller
from testbed.processes import ProgramFailed
from tests.kubernetes.conftest import MakesProject

pytestmark = pytest.mark.kubernetes

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nowhere.example/web}]}
"""

WEB = """
apiVersion: consul.hashicorp.com/v1alpha1
kind: ServiceDefaults
metadata: {name: web}
spec: {protocol: http}
"""

PROGRAM = """
import pulumi_kubernetes as kubernetes

metadata = {"namespace": "%s"}
labels = {"app": "web"}
kubernetes.core.v1.ConfigMap("settings", metadata=metadata, data={"colour": "green"})
kubernetes.apps.v1.Deployment(
    "web",
    metadata=metadata,
    spec={
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "web", "image": "nowhere.example/web"}]},
        },
    },
)
"""


def synced(cluster: Cluster, status: str) -> dict[str, str]:
    """The condition `Synced` of the ServiceDefaults `web`, once it has this status."""

    def condition() -> dict[str, str] | None:
        found = cluster.get("servicedefaults", "web") or {}
        for condition in found.get("status", {}).get("conditions", []):
            if condition["type"] == "Synced" and condition["status"] == status:
                return dict(condition)
        raise NotAnswered(json.dumps(found.get("status")))

    answer = cluster.wait_until(condition, f"Synced={status}")
    assert answer is not None
    return answer


def test_pods_of_a_deployment_run(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("apply", "--filename=-", f"--namespace={namespace}", manifest=DEPLOYMENT)
    cluster.kubectl("wait", "--for=condition=Available", "deployment/web", f"--namespace={namespace}", "--timeout=30s")
    pods = json.loads(cluster.kubectl("get", "pods", f"--namespace={namespace}", "--output=json"))["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Running", "Running"]


def test_a_restricted_namespace_refuses_a_privileged_pod(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    with pytest.raises(ProgramFailed, match='violates PodSecurity "restricted:latest": privileged'):
        cluster.kubectl("run", "pod", f"--namespace={namespace}", "--image=any", "--privileged")


def test_a_user_without_a_role_may_not_read(cluster: Cluster, namespace: str) -> None:
    cluster.kubeconfig_of(GUEST)
    with pytest.raises(ProgramFailed, match='User "guest" cannot list resource "configmaps"'):
        cluster.kubectl("get", "configmaps", f"--namespace={namespace}", user=GUEST)


def test_service_defaults_reach_consul_and_leave_it(cluster: Cluster, consul: Consul) -> None:
    cluster.apply(WEB)
    synced(cluster, "True")
    entry = consul.config_entry("service-defaults", "web")
    assert entry is not None
    assert entry["Protocol"] == "http"
    assert entry["Meta"]["external-source"] == "kubernetes"
    cluster.delete("servicedefaults/web")
    assert consul.config_entry("service-defaults", "web") is None


def test_the_controller_leaves_an_entry_alone_that_was_written_by_hand(cluster: Cluster, consul: Consul) -> None:
    consul.write_config_entry({"Kind": "service-defaults", "Name": "web", "Protocol": "tcp"})
    cluster.apply(WEB)
    condition = synced(cluster, "False")
    assert condition["reason"] == "ExternallyManagedConfigError"
    assert condition["message"] == "config entry already exists in Consul"
    entry = consul.config_entry("service-defaults", "web")
    assert entry is not None
    assert entry["Protocol"] == "tcp"


def test_what_was_applied_without_the_controller_is_synced_when_it_is_back(
    cluster: Cluster, consul: Consul, controller: Controller
) -> None:
    controller.stop()
    try:
        cluster.apply(WEB)
        assert (cluster.get("servicedefaults", "web") or {}).get("status") is None
    finally:
        controller.start()
    synced(cluster, "True")
    assert consul.config_entry("service-defaults", "web") is not None


def test_objects_outlive_the_api_server(
    cluster: Cluster, namespace: str, stopped_api_server: Callable[[], None]
) -> None:
    cluster.kubectl("create", "configmap", "settings", f"--namespace={namespace}", "--from-literal=colour=green")
    stopped_api_server()
    with pytest.raises(ProgramFailed, match="refused"):
        cluster.get("configmap", "settings", namespace)
    cluster.start_api_server()
    cluster.wait_for_api_server()
    settings = cluster.get("configmap", "settings", namespace)
    assert settings is not None
    assert settings["data"] == {"colour": "green"}


@pytest.mark.usefixtures("service_monitors")
def test_a_service_monitor_can_be_written(cluster: Cluster, namespace: str) -> None:
    spec = {"endpoints": [{"port": "http", "path": "/prometheus"}], "selector": {"matchLabels": {"app": "zipkin"}}}
    metadata = {"name": "zipkin", "namespace": namespace}
    cluster.apply(
        {"apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata, "spec": spec}
    )
    monitor = cluster.get("servicemonitor", "zipkin", namespace)
    assert monitor is not None
    assert monitor["spec"] == spec


def test_pulumi_writes_waits_sees_nothing_more_to_do_and_takes_all_back(
    cluster: Cluster, namespace: str, project: MakesProject, inline: Callable[[str], Path]
) -> None:
    stack = project(inline(PROGRAM % namespace))
    stack.up()
    deployed = json.loads(cluster.kubectl("get", "deployments", f"--namespace={namespace}", "--output=json"))["items"]
    assert [deployment["status"]["readyReplicas"] for deployment in deployed] == [1]
    stack.preview(expect_no_changes=True)
    stack.destroy()
    left = cluster.kubectl("get", "deployments", f"--namespace={namespace}", "--output=name")
    assert left == ""
