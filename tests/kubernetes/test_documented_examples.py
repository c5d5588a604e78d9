"""The Kubernetes examples of the documentation."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from testbed.kubernetes import Cluster
from tests.documents import code_blocks
from tests.kubernetes.conftest import ProjectFactory
from tests.monitoring import MONITORING

pytestmark = pytest.mark.kubernetes

OBSERVABILITY = "observability"


def create_secret(cluster: Cluster, command: str) -> str:
    """Create the Secret of a `kubectl create secret generic` command. Returns its name."""
    arguments = shlex.split(command.replace("\\\n", " "))
    assert arguments[:4] == ["kubectl", "create", "secret", "generic"]
    name, options = arguments[4], [option.removeprefix("--").split("=", 1) for option in arguments[5:]]
    namespace = next((value for flag, value in options if flag == "namespace"), "default")
    data = dict(value.split("=", 1) for flag, value in options if flag == "from-literal")
    metadata = {"name": name, "namespace": namespace}
    cluster.create({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": data})
    return name


@pytest.mark.usefixtures("observability")
def test_collector_example_runs_with_the_documented_secret(
    project: ProjectFactory, inline: Callable[[str], Path], cluster: Cluster
) -> None:
    secret = create_secret(cluster, code_blocks("docs/guides/zipkin-kubernetes.md", "sh")[0])
    stack = project(inline(code_blocks("docs/guides/zipkin-kubernetes.md", "python")[0]))
    stack.up()
    assert stack.output("zipkin") == "http://zipkin.observability.svc.cluster.local:9411"
    found = cluster.get("Deployment", "zipkin", OBSERVABILITY)
    assert found is not None
    variables = found["spec"]["template"]["spec"]["containers"][0]["env"]
    references = [one["valueFrom"]["secretKeyRef"] for one in variables if "valueFrom" in one]
    assert {one["name"] for one in references} == {secret}
    data = (cluster.get("Secret", secret, OBSERVABILITY) or {"data": {}})["data"]
    assert {one["key"] for one in references} == set(data)
    stack.preview(expect_no_changes=True)
    stack.destroy()
    cluster.delete("Secret", secret, OBSERVABILITY)


@pytest.mark.usefixtures("observability", "service_monitors")
def test_manifests_of_the_monitor_run_in_a_restricted_namespace(cluster: Cluster) -> None:
    files = {name: (MONITORING / "kubernetes" / name).read_text() for name in ("deployment.yaml", "cronjob.yaml")}
    comment = next(line for line in files["deployment.yaml"].splitlines() if "kubectl create secret" in line)
    secret = create_secret(cluster, comment.removeprefix("#"))
    deployment, cron_job = (list(yaml.safe_load_all(text)) for text in files.values())
    assert all(f"'name': '{secret}', 'key': 'token'" in str(found[0]) for found in (deployment, cron_job))
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "verify-now", "namespace": OBSERVABILITY},
        "spec": cron_job[0]["spec"]["jobTemplate"]["spec"],
    }
    manifests = [*deployment, *cron_job, job]
    for manifest in manifests:
        cluster.apply(manifest)

    def pods() -> list[str]:
        return [pod["metadata"]["generateName"] for pod in cluster.objects("Pod", OBSERVABILITY)]

    for prefix in ("consul-tracing-verify-", "verify-now-"):
        cluster.wait_until(lambda prefix=prefix: any(name.startswith(prefix) for name in pods()), f"a pod {prefix}")
    for manifest in manifests:
        cluster.delete(manifest["kind"], manifest["metadata"]["name"], OBSERVABILITY)
    cluster.delete("Secret", secret, OBSERVABILITY)
