"""Fields of the definitions of newer consul-k8s releases, and entries that consul-k8s takes over from Consul."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

import toolchain
from consul_tracing.access_logs import CONSUL_FORMAT
from testbed.consul import Consul
from testbed.kubernetes import Cluster
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import object_of, stack_config, unmanaged_proxy_defaults
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, live, put, rejection

pytestmark = pytest.mark.kubernetes

DEFINITION = "consul.hashicorp.com_proxydefaults.yaml"
KEYS = "consul-tracing/keys"
LOGS: dict[str, Any] = {"access_logs": {"trace_id": True}}

ACCESS_LOGS = {
    **{field: {"type": "boolean"} for field in ("enabled", "disableListenerLogs")},
    **{field: {"type": "string"} for field in ("jsonFormat", "textFormat", "path")},
    "type": {"type": "string", "enum": ["file", "stderr", "stdout"]},
}
"""The schema of `spec.accessLogs` in consul-k8s 1.8. The controller of these tests does not know the field."""


def add_access_logs(cluster: Cluster) -> None:
    """Add the field `accessLogs` to the kind ProxyDefaults, as an upgrade to consul-k8s 1.0 or newer does."""
    definition = yaml.safe_load(toolchain.program("consul-k8s-control-plane").with_name(DEFINITION).read_text())
    for version in definition["spec"]["versions"]:
        fields = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        fields["accessLogs"] = {"type": "object", "properties": ACCESS_LOGS}
    cluster.apply(definition)

    def is_served() -> bool:
        cluster.apply(unmanaged_proxy_defaults(accessLogs={}), dry_run=True)
        return True

    cluster.wait_until(is_served, "the field accessLogs")


@pytest.fixture
def access_logs(cluster: Cluster) -> Iterator[None]:
    """Restore the definition of ProxyDefaults at the end of the test."""
    yield
    cluster.install(toolchain.program("consul-k8s-control-plane").with_name(DEFINITION))


@pytest.mark.usefixtures("access_logs")
def test_empty_access_logs_are_added_when_the_kind_has_them(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, sync_timeout_seconds=8))
    stack.up()
    stack.preview(expect_no_changes=True)
    created = live(consul)["CreateIndex"]
    add_access_logs(cluster)
    # The controller writes no status for a change that Consul does not see.
    stack.up()
    written = object_of(cluster)
    assert written["spec"]["accessLogs"] == {}
    assert "AccessLogs" not in written["metadata"]["annotations"][KEYS]
    stack.preview(expect_no_changes=True)
    stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(cluster, sync_timeout_seconds=8, sampling={"random": 50}))
    stack.up()
    assert object_of(cluster)["spec"]["accessLogs"] == {}
    assert live(consul)["CreateIndex"] == created
    stack.preview(expect_no_changes=True)
    stack.destroy()
    assert cluster.get("ProxyDefaults", "global") is None


@pytest.mark.usefixtures("access_logs")
def test_access_logs_of_another_manager_are_not_taken_over(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    add_access_logs(cluster)
    cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS), manager="argocd")
    cluster.wait_until(lambda: consul.config_entry(*MESH), "the entry in Consul")
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    stack.up()
    assert object_of(cluster)["spec"]["accessLogs"] == {}
    enabled = unmanaged_proxy_defaults(config=PROMETHEUS, accessLogs={"enabled": True})
    cluster.apply(enabled, manager="argocd")
    stack.up()
    stack.preview(expect_no_changes=True)
    assert object_of(cluster)["spec"]["accessLogs"] == {"enabled": True}
    stack.destroy()
    assert object_of(cluster)["spec"]["accessLogs"] == {"enabled": True}


@pytest.mark.usefixtures("access_logs")
def test_empty_access_logs_stay_when_an_imported_object_replaces_a_patch(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    add_access_logs(cluster)
    cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS))
    cluster.wait_until(lambda: consul.config_entry(*MESH), "the entry in Consul")
    stack = project(configuration=stack_config(cluster, existing="adopt"))
    stack.up()
    stack.import_resource(
        "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults", "mesh-proxy-defaults", "default/global"
    )
    stack.configure(stack_config(cluster, existing="overwrite", proxy_config=PROMETHEUS))
    stack.up()
    assert object_of(cluster)["spec"]["accessLogs"] == {}
    stack.preview(expect_no_changes=True)


def test_access_logs_are_rejected_if_the_kind_does_not_have_them(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, **LOGS))
    assert "CT220: ProxyDefaults default/global: the cluster's ProxyDefaults have no field" in rejection(stack)
    assert consul.config_entry(*MESH) is None


def apply_access_logs(cluster: Cluster, consul: Consul, logs: dict[str, Any]) -> None:
    """Apply an object with access logs as another manager.

    The controller drops fields that it does not know once, when it adds its finalizer.
    """
    add_access_logs(cluster)
    cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS), manager="argocd")
    cluster.wait_until(lambda: consul.config_entry(*MESH), "the entry in Consul")
    cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS, accessLogs=logs), manager="argocd")


@pytest.mark.usefixtures("access_logs")
def test_access_logs_are_written_and_removed_without_those_of_another_manager(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    apply_access_logs(cluster, consul, {"type": "stderr"})
    stack = project(configuration=stack_config(cluster, **LOGS, existing="adopt"))
    stack.up()
    stack.preview(expect_no_changes=True)
    written = object_of(cluster)["spec"]["accessLogs"]
    assert (written["enabled"], written["type"]) == (True, "stderr")
    assert json.loads(written["jsonFormat"]) == {**CONSUL_FORMAT, "trace_id": "%TRACE_ID%"}
    stack.refresh()
    stack.preview(expect_no_changes=True)
    # The controller writes no status for a change of a field that it does not know alone.
    stack.configure(stack_config(cluster, existing="adopt", sampling={"random": 50}))
    stack.up()
    assert object_of(cluster)["spec"]["accessLogs"] == {"type": "stderr"}
    stack.preview(expect_no_changes=True)


@pytest.mark.usefixtures("access_logs")
def test_text_format_of_another_manager_is_rejected(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    text = {"enabled": True, "textFormat": "%REQ(:PATH)%"}
    apply_access_logs(cluster, consul, text)
    stack = project(configuration=stack_config(cluster, **LOGS, existing="adopt"))
    assert "CT220: ProxyDefaults default/global: AccessLogs.JSONFormat conflicts with" in rejection(stack)
    assert object_of(cluster)["spec"]["accessLogs"] == text


MESH_FIELDS: dict[str, Any] = {
    "Config": PROMETHEUS,
    "MeshGateway": {"Mode": "local"},
    "Expose": {"Paths": [{"ListenerPort": 21500, "Path": "/health", "LocalPathPort": 8080, "Protocol": "http"}]},
}
CHECK = {"Interval": "10s", "MaxFailures": 3}
WEB_FIELDS: dict[str, Any] = {
    "Protocol": "http",
    "UpstreamConfig": {"Defaults": {"PassiveHealthCheck": CHECK}, "Overrides": [{"Name": "db", "Protocol": "tcp"}]},
}


@pytest.mark.parametrize("existing", ["refuse", "adopt"])
def test_migration_preserves_fields_that_are_not_declared(
    project: ProjectFactory, cluster: Cluster, consul: Consul, existing: str
) -> None:
    put(consul, MESH, **MESH_FIELDS)
    put(consul, WEB, **WEB_FIELDS)
    address = {"consul:address": consul.address}
    before = project(configuration={**stack_config(cluster, target="consul", existing="adopt"), **address}, stack="a")
    before.up()
    former = {entry: live(consul, entry) for entry in (MESH, WEB)}
    stack = project(configuration=stack_config(cluster, existing=existing, migrate_entries=True), stack="b")
    if existing == "refuse":
        assert "cannot migrate the entry: MigrationFailedError" in rejection(stack)
    stack.configure({**stack_config(cluster, existing=existing, migrate_entries=True), **address})
    output = stack.up()
    assert ("ProxyDefaults default/global" in output and "migrated" in output) is (existing == "adopt")
    ignored = {"Meta", "ModifyIndex", "Hash"}
    for changed in ({"migrate_entries": True}, {}, {"sampling": {"random": 50}}):
        stack.configure({**stack_config(cluster, existing=existing, **changed), **address})
        stack.up()
        stack.preview(expect_no_changes=True)
        for entry, fields in former.items():
            now = live(consul, entry)
            assert now["Meta"]["external-source"] == "kubernetes"
            assert {field for field in fields.keys() - ignored if now[field] != fields[field]} <= {"Config"}
        assert live(consul)["Config"].items() > PROMETHEUS.items()
    assert "MeshGateway" not in object_of(cluster)["metadata"]["annotations"][KEYS]
