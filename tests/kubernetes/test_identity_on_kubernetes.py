"""A change of names, backend or metadata deletes no entry, and leaves no `up` waiting for the controller."""

import shlex
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import toolchain
from testbed.consul import Consul
from testbed.kubernetes import Cluster, Controller
from testbed.processes import ProgramFailed, Programs
from testbed.pulumi import Project
from tests.kubernetes.conftest import MakesProject
from tests.kubernetes.mesh_objects import CLUSTERS, STATSD, TRACING, by_hand, object_of, on, spec_of
from tests.mesh.consul_entries import MESH, WEB, entries, live, put, refusal

pytestmark = pytest.mark.kubernetes

ADDED = {"envoy_prometheus_bind_addr": "0.0.0.0:9102"}
WEB_OBJECT = ("ServiceDefaults", "web")

Write = Callable[[str], Path]


@contextmanager
def watched(consul: Consul) -> Iterator[set[frozenset[tuple[str, str]]]]:
    """The sets of entries that Consul had at any moment of the block."""
    seen, over = set[frozenset[tuple[str, str]]](), threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            seen.add(frozenset(entries(consul)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield seen
    finally:
        over.set()
        watcher.join()


def run_the_state_commands(stack: Project, said: str) -> int:
    """Run the `pulumi state delete` lines of a message in their order; returns how many there are."""
    urns = [line.split("'")[1] for line in said.splitlines() if "pulumi state delete '" in line]
    for urn in urns:
        stack.delete_from_state(urn)
    return len(urns)


@pytest.mark.parametrize("more", [{}, {"default_protocol": "http", "tcp_services": ["db"]}], ids=["plain", "ordered"])
def test_a_stack_that_moves_from_consul_to_kubernetes_keeps_its_entries(
    project: MakesProject, cluster: Cluster, consul: Consul, more: dict[str, Any]
) -> None:
    led = {"consul:address": consul.address}
    stack = project(configuration={**on(cluster, target="consul", **more), **led})
    stack.up()
    created = {entry: live(consul, entry)["CreateIndex"] for entry in entries(consul)}
    moved = {**on(cluster, migrate_entries=True, **more), **led}
    stack.configure(moved)
    with watched(consul) as seen:
        with pytest.raises(ProgramFailed) as refused:
            stack.preview()
        assert "would delete them after consul-k8s has taken them over" in refused.value.said
        assert cluster.get("ProxyDefaults", "global") is None
        assert run_the_state_commands(stack, refusal(stack)) == len(created)
        stack.up()
        stack.preview(expect_no_changes=True)
    assert seen == {frozenset(created)}
    assert {entry: live(consul, entry)["CreateIndex"] for entry in created} == created
    assert live(consul)["Meta"]["external-source"] == "kubernetes"
    stack.configure({**on(cluster, sync_timeout_seconds=8, **more), **led})
    stack.up()
    stack.up()
    stack.preview(expect_no_changes=True)


WITH_A_CONSUL_OF_ITS_OWN = """
import pulumi
import pulumi_consul
from consul_tracing import MeshTracing

providers = [pulumi_consul.Provider("consul", address={address!r})]
args = {{"target": "kubernetes", "namespace": "default", "collector": {{"host": "zipkin"}}}}
MeshTracing("mesh", args, pulumi.ResourceOptions(providers=providers))
"""


@pytest.fixture
def other(programs: Programs) -> Consul:
    """Another mesh's Consul, which has entries that were written over its API."""
    other = Consul(programs)
    other.wait_until_ready()
    put(other, MESH, Config=ADDED)
    return other


WRITTEN_OVER_THE_API = "proxy-defaults/global in Consul was written over its API"


def test_an_entry_in_the_consul_of_the_stack_is_a_warning(
    project: MakesProject, cluster: Cluster, consul: Consul, other: Consul
) -> None:
    stack = project(configuration={**on(cluster), "consul:address": other.address})
    assert WRITTEN_OVER_THE_API in stack.previewed()
    stack.up()
    assert entries(consul) == {MESH, WEB}
    assert live(other)["Config"] == ADDED


def test_an_entry_in_the_consul_of_the_component_is_a_rejection(
    project: MakesProject, inline: Write, consul: Consul, other: Consul
) -> None:
    stack = project(inline(WITH_A_CONSUL_OF_ITS_OWN.format(address=other.address)))
    assert WRITTEN_OVER_THE_API in refusal(stack)
    assert entries(consul) == set()


def waits_at_most(cluster: Cluster, **args: Any) -> dict[str, object]:
    return on(cluster, sync_timeout_seconds=8, **args)


def check_settled(stack: Project) -> None:
    """One `up` goes through, and so does the one after it, without a change to make."""
    stack.up()
    stack.preview(expect_no_changes=True)
    stack.up()


def test_dropping_migrate_entries_needs_no_new_status(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=waits_at_most(cluster, migrate_entries=True))
    stack.up()
    stack.configure(waits_at_most(cluster))
    check_settled(stack)
    stack.configure(waits_at_most(cluster, sampling={"random": 50}))
    check_settled(stack)
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


def test_another_owner_needs_no_new_status(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    stack = project(configuration=waits_at_most(cluster, owner="team-a"))
    stack.up()
    stack.configure(waits_at_most(cluster, owner="team-b", renamed_from="team-a"))
    check_settled(stack)
    stack.configure(waits_at_most(cluster, owner="team-b"))
    check_settled(stack)
    assert entries(consul) == {MESH, WEB}


def test_a_key_declared_that_was_adopted_needs_no_new_status(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    cluster.apply(by_hand(config=ADDED))
    stack = project(configuration=waits_at_most(cluster, existing="adopt"))
    stack.up()
    stack.configure(waits_at_most(cluster, existing="adopt", proxy_config=ADDED))
    check_settled(stack)
    assert live(consul)["Config"].items() >= ADDED.items()


def test_what_kubectl_added_needs_no_new_status(project: MakesProject, cluster: Cluster, consul: Consul) -> None:
    """Pulumi's provider takes over what kubectl holds: a change of the field's owner alone."""
    stack = project(configuration=waits_at_most(cluster))
    stack.up()
    cluster.edit("ProxyDefaults", "global", {"spec": {"config": ADDED}})
    cluster.wait_until(lambda: ADDED.items() <= live(consul)["Config"].items(), "the added key in Consul")
    cluster.edit("ProxyDefaults", "global", {"metadata": {"labels": {"team": "a"}}})
    check_settled(stack)
    assert live(consul)["Config"].items() >= ADDED.items()
    assert object_of(cluster)["metadata"]["labels"] == {"team": "a"}


def test_a_stopped_controller_is_not_believed_after_a_change_of_metadata(
    project: MakesProject, cluster: Cluster, controller: Controller, consul: Consul
) -> None:
    stack = project(configuration=on(cluster, migrate_entries=True))
    stack.up()
    controller.stop()
    try:
        stack.configure(on(cluster, sampling={"random": 50}, sync_timeout_seconds=3))
        assert "not brought it into Consul within 3 s" in refusal(stack)
        stack.configure(on(cluster, sampling={"random": 50}, migrate_entries=True, sync_timeout_seconds=3))
        assert "not brought it into Consul within 3 s" in refusal(stack)
        assert "not brought it into Consul within 3 s" in refusal(stack)
    finally:
        controller.start()
    stack.up()
    assert '"random_sampling":{"value":50}' in live(consul)["Config"]["envoy_listener_tracing_json"]


UNTOUCHED = {**ADDED, "envoy_tracing_json": "{}"}


@pytest.mark.parametrize("off", [{"enabled": False}, {"gateways": "skip"}], ids=["disabled", "gateways skipped"])
def test_a_tracing_key_that_a_patch_cannot_remove_is_rejected_with_the_command_that_does(
    programs: Programs, project: MakesProject, cluster: Cluster, consul: Consul, off: dict[str, Any]
) -> None:
    collector = {CLUSTERS: '{"name":"tracing_collector"}'} if "gateways" in off else {}
    cluster.apply(by_hand(config={**UNTOUCHED, **collector}))
    stack = project(configuration=waits_at_most(cluster, existing="adopt", **off))
    said = refusal(stack)
    command = next(line.strip() for line in said.splitlines() if "kubectl patch" in line)
    assert "ProxyDefaults default/global" in said
    assert WEB not in entries(consul)
    access = {"KUBECONFIG": str(cluster.kubeconfig), "KUBERC": "off"}
    arguments = shlex.split(command.removeprefix("1. "))[1:]
    programs.run("kubectl", [toolchain.program("kubectl"), *arguments], environment=access)
    check_settled(stack)
    assert "envoy_tracing_json" not in live(consul)["Config"]
    assert live(consul)["Config"].items() >= ADDED.items()


OBJECT = "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults"


def test_an_adopted_object_that_is_imported_becomes_the_stacks_own(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    cluster.apply(by_hand(config={**ADDED, "theirs": "x"}))
    stack = project(configuration=waits_at_most(cluster, existing="adopt"))
    stack.up()
    uid = object_of(cluster)["metadata"]["uid"]
    stack.import_resource(OBJECT, "mesh-proxy-defaults", "default/global")
    stack.configure(waits_at_most(cluster, existing="overwrite", proxy_config=ADDED))
    with watched(consul) as seen:
        check_settled(stack)
    assert all(MESH in there for there in seen)
    assert object_of(cluster)["metadata"]["uid"] == uid
    assert set(live(consul)["Config"]) == TRACING | ADDED.keys()
    assert [one["type"] for one in stack.resources() if "ProxyDefaults" in one["type"]] == [OBJECT]
    stack.configure(waits_at_most(cluster, proxy_config=ADDED))
    check_settled(stack)
    stack.destroy()
    assert entries(consul) == set()


def test_overwrite_without_an_import_leaves_an_adopted_object_a_patch(
    project: MakesProject, cluster: Cluster, consul: Consul
) -> None:
    theirs = {"config": ADDED}
    cluster.apply(by_hand(**theirs))
    stack = project(configuration=waits_at_most(cluster, existing="adopt"))
    stack.up()
    stack.configure(waits_at_most(cluster, existing="overwrite"))
    check_settled(stack)
    assert live(consul)["Config"].items() >= ADDED.items()
    stack.destroy()
    assert spec_of(cluster) == theirs


HEAD = """
import pulumi
from consul_tracing import MeshTracing

ARGS = {"target": "kubernetes", "namespace": "default", "collector": {"host": "zipkin"}, "existing": EXISTING,
        "sync_timeout_seconds": 8}
"""
PLAIN = 'MeshTracing("mesh", {**ARGS, "services": {"web": {"protocol": "http"}}})\n'
KEY_RENAMED = PLAIN.replace('"web": {"protocol": "http"}', '"frontend": {"name": "web", "protocol": "http"}')
COMPONENT_RENAMED = PLAIN.replace('"mesh"', '"tracing"')
NESTED = """
class Platform(pulumi.ComponentResource):
    def __init__(self, name):
        super().__init__("acme:index:Platform", name)
        MeshTracing("mesh", {**ARGS, "services": {"web": {"protocol": "http"}}}, pulumi.ResourceOptions(parent=self))
        self.register_outputs({})

Platform("platform")
"""
WITHOUT_RESOURCE_MARK = """
from consul_tracing import kubernetes_writer

written = kubernetes_writer.marks
kubernetes_writer.marks = lambda *args: {
    key: value for key, value in written(*args).items() if not key.startswith("consul-tracing-resource")
}
"""


@pytest.mark.parametrize("existing", ["refuse", "adopt"], ids=["own objects", "patches"])
def test_an_object_whose_resource_gets_another_name_is_never_deleted(
    project: MakesProject, inline: Write, cluster: Cluster, consul: Consul, existing: str
) -> None:
    if existing == "adopt":
        web = {
            **by_hand(protocol="tcp"),
            "kind": "ServiceDefaults",
            "metadata": {"name": "web", "namespace": "default"},
        }
        cluster.apply(by_hand(config={CLUSTERS: STATSD}))
        cluster.apply(web)
    head = HEAD.replace("EXISTING", repr(existing))
    stack = project(inline(head + WITHOUT_RESOURCE_MARK + PLAIN))
    stack.up()
    uids = object_of(cluster)["metadata"]["uid"], object_of(cluster, *WEB_OBJECT)["metadata"]["uid"]
    edits = [PLAIN, KEY_RENAMED, COMPONENT_RENAMED, NESTED, PLAIN]
    with watched(consul) as seen:
        for program in edits:
            inline(head + program)
            check_settled(stack)
            assert (object_of(cluster)["metadata"]["uid"], object_of(cluster, *WEB_OBJECT)["metadata"]["uid"]) == uids
            assert set(live(consul)["Config"]) == TRACING
            assert live(consul, WEB)["Protocol"] == "http"
    assert seen == {frozenset({MESH, WEB})}
