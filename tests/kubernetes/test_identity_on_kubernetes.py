"""Changes of names, backend or metadata do not delete an entry and do not time out."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import toolchain
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.kubernetes.conftest import ProjectFactory
from tests.kubernetes.mesh_objects import (
    CLUSTERS,
    STATSD,
    TRACING,
    object_of,
    spec_of,
    stack_config,
    unmanaged_proxy_defaults,
)
from tests.kubernetes.watched_entries import watched
from tests.mesh.consul_entries import MESH, PROMETHEUS, WEB, entries, live, put, rejection
from tests.mesh.edited_stack import COMPONENT_RENAMED, HEAD, KEY_RENAMED, NESTED, PLAIN, state_deletions, with_args

pytestmark = pytest.mark.kubernetes

WEB_OBJECT = ("ServiceDefaults", "web")

Write = Callable[[str], Path]


@pytest.mark.parametrize("args", [{}, {"default_protocol": "http", "tcp_services": ["db"]}], ids=["plain", "ordered"])
def test_stack_that_moves_from_consul_to_kubernetes_keeps_its_entries(
    project: ProjectFactory, cluster: Cluster, consul: Consul, args: dict[str, Any]
) -> None:
    consul_config = {"consul:address": consul.address}
    stack = project(configuration={**stack_config(cluster, target="consul", **args), **consul_config})
    stack.up()
    created = {entry: live(consul, entry)["CreateIndex"] for entry in entries(consul)}
    migrated = {**stack_config(cluster, migrate_entries=True, **args), **consul_config}
    stack.configure(migrated)
    with watched(consul) as observed:
        with pytest.raises(ProgramFailedError) as error:
            stack.preview()
        assert "CT207: " in error.value.output
        assert cluster.get("ProxyDefaults", "global") is None
        commands = state_deletions(rejection(stack))
        assert len(commands) == len(created)
        for urn in commands:
            stack.delete_from_state(urn)
        stack.up()
        stack.preview(expect_no_changes=True)
    assert observed == {frozenset(created)}
    assert {entry: live(consul, entry)["CreateIndex"] for entry in created} == created
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    stack.configure({**stack_config(cluster, sync_timeout_seconds=8, **args), **consul_config})
    stack.up()
    stack.up()
    stack.preview(expect_no_changes=True)


WITH_A_CONSUL_PROVIDER = """
import pulumi
import pulumi_consul
from consul_tracing import MeshTracing

providers = [pulumi_consul.Provider("consul", address={address!r})]
args = {{"target": "kubernetes", "namespace": "default", "collector": {{"host": "zipkin"}}}}
MeshTracing("mesh", args, pulumi.ResourceOptions(providers=providers))
"""


@pytest.fixture
def other_consul(programs: Programs) -> Consul:
    """The Consul of another mesh, with an unmanaged entry."""
    other_consul = Consul(programs)
    other_consul.wait_until_ready()
    put(other_consul, MESH, Config=PROMETHEUS)
    return other_consul


CONFLICT = "proxy-defaults/global exists in Consul and is unmanaged"


def test_entry_in_the_consul_of_the_stack_is_a_warning(
    project: ProjectFactory, cluster: Cluster, consul: Consul, other_consul: Consul
) -> None:
    stack = project(configuration={**stack_config(cluster), "consul:address": other_consul.address})
    assert CONFLICT in stack.preview_without_diff()
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert live(other_consul)["Config"] == PROMETHEUS


def test_entry_in_the_consul_of_the_component_is_a_conflict(
    project: ProjectFactory, inline: Write, consul: Consul, other_consul: Consul
) -> None:
    stack = project(inline(WITH_A_CONSUL_PROVIDER.format(address=other_consul.address)))
    assert CONFLICT in rejection(stack)
    assert entries(consul) == set()


def short_timeout_config(cluster: Cluster, **args: Any) -> dict[str, object]:
    return stack_config(cluster, sync_timeout_seconds=8, **args)


def assert_stable(stack: Project) -> None:
    """Assert that an `up` succeeds and that the next one has no changes."""
    stack.up()
    stack.preview(expect_no_changes=True)
    stack.up()


def test_removed_migrate_entries_needs_no_new_status(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=short_timeout_config(cluster, migrate_entries=True))
    stack.up()
    stack.configure(short_timeout_config(cluster))
    assert_stable(stack)
    stack.configure(short_timeout_config(cluster, sampling={"random": 50}))
    assert_stable(stack)
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


def test_changed_owner_needs_no_new_status(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=short_timeout_config(cluster, owner="team-a"))
    stack.up()
    stack.configure(short_timeout_config(cluster, owner="team-b", renamed_from="team-a"))
    assert_stable(stack)
    stack.configure(short_timeout_config(cluster, owner="team-b"))
    assert_stable(stack)
    assert entries(consul) == {MESH, WEB}


def test_declared_key_that_was_adopted_needs_no_new_status(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    cluster.apply(unmanaged_proxy_defaults(config=PROMETHEUS))
    stack = project(configuration=short_timeout_config(cluster, existing="adopt"))
    stack.up()
    stack.configure(short_timeout_config(cluster, existing="adopt", proxy_config=PROMETHEUS))
    assert_stable(stack)
    assert live(consul)["Config"].items() >= PROMETHEUS.items()


def test_key_added_by_kubectl_needs_no_new_status(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    """Pulumi's provider takes over fields managed by kubectl, so only the field manager changes."""
    stack = project(configuration=short_timeout_config(cluster))
    stack.up()
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": PROMETHEUS}})
    cluster.wait_until(lambda: PROMETHEUS.items() <= live(consul)["Config"].items(), "the added key in Consul")
    cluster.edit("ProxyDefaults", "global", {"metadata": {"labels": {"team": "a"}}})
    assert_stable(stack)
    assert live(consul)["Config"].items() >= PROMETHEUS.items()
    assert object_of(cluster)["metadata"]["labels"] == {"team": "a"}


def test_status_of_a_stopped_controller_is_outdated_after_a_change_of_metadata(
    project: ProjectFactory, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=stack_config(cluster, migrate_entries=True))
    stack.up()
    controller.stop()
    try:
        stack.configure(stack_config(cluster, sampling={"random": 50}, sync_timeout_seconds=3))
        assert "did not write it into Consul within 3 s" in rejection(stack)
        stack.configure(stack_config(cluster, sampling={"random": 50}, migrate_entries=True, sync_timeout_seconds=3))
        assert "did not write it into Consul within 3 s" in rejection(stack)
        assert "did not write it into Consul within 3 s" in rejection(stack)
    finally:
        controller.start()
    # A starting controller may need longer than three seconds.
    stack.configure(stack_config(cluster, sampling={"random": 50}, migrate_entries=True))
    stack.up()
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


FOREIGN = {**PROMETHEUS, "envoy_tracing_json": "{}"}


@pytest.mark.parametrize("args", [{"enabled": False}, {"gateways": "skip"}], ids=["disabled", "gateways skipped"])
def test_tracing_key_that_a_patch_cannot_remove_is_rejected_with_the_command(
    programs: Programs, project: ProjectFactory, cluster: Cluster, consul: Consul, args: dict[str, Any]
) -> None:
    collector = {CLUSTERS: '{"name":"tracing_collector"}'} if "gateways" in args else {}
    cluster.apply(unmanaged_proxy_defaults(config={**FOREIGN, **collector}))
    stack = project(configuration=short_timeout_config(cluster, existing="adopt", **args))
    output = rejection(stack)
    command = next(line.strip() for line in output.splitlines() if "kubectl patch" in line)
    assert "ProxyDefaults default/global" in output
    assert WEB not in entries(consul)
    access = {"KUBECONFIG": str(cluster.kubeconfig), "KUBERC": "args"}
    arguments = shlex.split(command.removeprefix("1. "))[1:]
    programs.run("kubectl", [toolchain.program("kubectl"), *arguments], environment=access)
    assert_stable(stack)
    assert "envoy_tracing_json" not in live(consul)["Config"]
    assert live(consul)["Config"].items() >= PROMETHEUS.items()


OBJECT = "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults"


def test_overwrite_owns_an_adopted_object_that_was_imported(
    project: ProjectFactory, cluster: Cluster, consul: Consul
) -> None:
    cluster.apply(unmanaged_proxy_defaults(config={**PROMETHEUS, "foreign": "x"}))
    stack = project(configuration=short_timeout_config(cluster, existing="adopt"))
    stack.up()
    uid = object_of(cluster)["metadata"]["uid"]
    stack.import_resource(OBJECT, "mesh-proxy-defaults", "default/global")
    stack.configure(short_timeout_config(cluster, existing="overwrite", proxy_config=PROMETHEUS))
    with watched(consul) as observed:
        assert_stable(stack)
    assert all(MESH in observed_entries for observed_entries in observed)
    assert object_of(cluster)["metadata"]["uid"] == uid
    assert set(live(consul)["Config"]) == TRACING | PROMETHEUS.keys()
    assert [one["type"] for one in stack.resources() if "ProxyDefaults" in one["type"]] == [OBJECT]
    stack.configure(short_timeout_config(cluster, proxy_config=PROMETHEUS))
    assert_stable(stack)
    stack.destroy()
    assert entries(consul) == set()


def test_overwrite_without_an_import_keeps_the_patch(project: ProjectFactory, cluster: Cluster, consul: Consul) -> None:
    foreign = {"config": PROMETHEUS}
    cluster.apply(unmanaged_proxy_defaults(**foreign))
    stack = project(configuration=short_timeout_config(cluster, existing="adopt"))
    stack.up()
    stack.configure(short_timeout_config(cluster, existing="overwrite"))
    assert_stable(stack)
    assert live(consul)["Config"].items() >= PROMETHEUS.items()
    stack.destroy()
    assert spec_of(cluster) == foreign


WITHOUT_RESOURCE_METADATA = """
from consul_tracing.backends import live

written = live.ownership_metadata
live.ownership_metadata = lambda *args: {
    key: value for key, value in written(*args).items() if not key.startswith("consul-tracing-resource")
}
"""


@pytest.mark.parametrize("existing", ["refuse", "adopt"], ids=["own objects", "patches"])
def test_object_with_a_renamed_resource_is_not_deleted(
    project: ProjectFactory, inline: Write, cluster: Cluster, consul: Consul, existing: str
) -> None:
    if existing == "adopt":
        web = {
            **unmanaged_proxy_defaults(protocol="tcp"),
            "kind": "ServiceDefaults",
            "metadata": {"name": "web", "namespace": "default"},
        }
        cluster.apply(unmanaged_proxy_defaults(config={CLUSTERS: STATSD}))
        cluster.apply(web)
    common = {"target": "kubernetes", "namespace": "default", "existing": existing, "sync_timeout_seconds": 8}
    stack = project(inline(HEAD + WITHOUT_RESOURCE_METADATA + with_args(PLAIN, **common)))
    stack.up()
    uids = object_of(cluster)["metadata"]["uid"], object_of(cluster, *WEB_OBJECT)["metadata"]["uid"]
    edits = [PLAIN, KEY_RENAMED, COMPONENT_RENAMED, NESTED, PLAIN]
    with watched(consul) as observed:
        for program in edits:
            inline(HEAD + with_args(program, **common))
            assert_stable(stack)
            assert (object_of(cluster)["metadata"]["uid"], object_of(cluster, *WEB_OBJECT)["metadata"]["uid"]) == uids
            assert set(live(consul)["Config"]) == TRACING
            assert live(consul, WEB)["Protocol"] == "http"
    assert observed == {frozenset({MESH, WEB})}
