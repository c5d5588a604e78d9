"""The roles of docs/reference/permissions.md on a Kubernetes API: each is sufficient and minimal."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from generate.reference.permissions import KUBERNETES, Access
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.kubernetes import Cluster
from testbed.processes import ProgramFailedError, Programs
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import stack_config
from tests.kubernetes.test_stale_on_kubernetes import INJECTED, consul_with_web, run_pod

pytestmark = [pytest.mark.kubernetes, pytest.mark.slow]

__all__ = ["consul_with_web"]
RBAC = "rbac.authorization.k8s.io/v1"


@pytest.fixture
def kubeconfig(cluster: Cluster, namespace: str) -> Path:
    """The credentials of the default service account, whose permissions are those of the role `reader`."""
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"}
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    metadata = {"name": "reader", "namespace": namespace}
    cluster.create({"apiVersion": RBAC, "kind": "Role", "metadata": metadata, "rules": []})
    cluster.create(
        {"apiVersion": RBAC, "kind": "RoleBinding", "metadata": metadata, "roleRef": role, "subjects": [subject]}
    )
    return cluster.kubeconfig_of(namespace)


def insufficient(rules: tuple[Access, ...]) -> Iterator[list[Access]]:
    """Yield the rules without one of their verbs: of one resource, or of all resources with the same verbs."""
    for verbs in {tuple(one["verbs"]) for one in rules}:
        resources = [one for one in rules if tuple(one["verbs"]) == verbs]
        for chosen in [resources] if len(verbs) > 1 else [[one] for one in resources]:
            for verb in verbs:
                left = [{**one, "verbs": [other for other in verbs if other != verb]} for one in chosen]
                yield [one for one in [*(one for one in rules if one not in chosen), *left] if one["verbs"]]


def assert_minimal(cluster: Cluster, namespace: str, subject: str, is_sufficient: Callable[[], bool]) -> None:
    rules = KUBERNETES[subject]

    def works(role: list[Access]) -> bool:
        cluster.edit("Role", "reader", {"rules": role}, namespace)
        return is_sufficient()

    assert works([*rules])
    assert [role for role in insufficient(rules) if works(role)] == []


def succeeds(programs: Programs, kubeconfig: Path, consul: Consul, *arguments: str) -> bool:
    environment = {**consul.environment, "KUBECONFIG": str(kubeconfig)}
    try:
        programs.run(
            "consul-tracing", [sys.executable, "-m", "consul_tracing.cli", *arguments], environment=environment
        )
    except ProgramFailedError:
        return False
    return True


def test_role_of_the_commands_that_read_proxies(
    programs: Programs, cluster: Cluster, consul_with_web: Consul, namespace: str, kubeconfig: Path
) -> None:
    run_pod(cluster, namespace, "web", INJECTED)
    envoy = Envoy(programs, consul_with_web, "pod", ["-sidecar-for=web"], admin_port=cluster.envoy_admin_port)
    arguments = ("stale", "--kubernetes", f"--namespace={namespace}")
    try:
        programs.wait_until(lambda: envoy.is_ready, "a ready proxy", program=envoy.program)
        assert_minimal(
            cluster,
            namespace,
            "`stale --kubernetes`, `verify --kubernetes`",
            lambda: succeeds(programs, kubeconfig, consul_with_web, *arguments),
        )
    finally:
        envoy.stop()


def test_role_of_lint(programs: Programs, cluster: Cluster, consul: Consul, namespace: str, kubeconfig: Path) -> None:
    arguments = ("lint", "--kubernetes", f"--namespace={namespace}")
    assert_minimal(
        cluster, namespace, "`lint --kubernetes`", lambda: succeeds(programs, kubeconfig, consul, *arguments)
    )


@pytest.mark.usefixtures("consul")
def test_role_of_an_update(cluster: Cluster, namespace: str, kubeconfig: Path, project: ProjectFactory) -> None:
    config: dict[str, Any] = stack_config(cluster, namespace=namespace, sync_timeout_seconds=30)

    def is_written_and_deleted() -> bool:
        cluster.delete_all("ProxyDefaults", "ServiceDefaults")
        stack = project(configuration={**config, "kubernetes:kubeconfig": str(kubeconfig)}, stack="role")
        try:
            output = stack.up() + stack.destroy()
        except ProgramFailedError as error:
            print(error.output)  # noqa: T201 - shown if the complete role is not sufficient
            return False
        # Some missing permissions are warnings of the provider.
        return "is forbidden" not in output

    assert_minimal(cluster, namespace, "`MeshTracing`, `target: kubernetes`", is_written_and_deleted)
