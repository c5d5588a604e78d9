"""The wiring of target `kubernetes`, on Pulumi's mocks and a cluster that is a dictionary."""

import sys
from typing import Any

import pulumi
import pytest

from consul_tracing import InvalidInput, MeshTracing, NotSynced, Refused, kubernetes_writer
from consul_tracing.cluster import NotInstalled, NotThere
from consul_tracing.errors import Unreadable
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

SYNCED = {"conditions": [{"type": "Synced", "status": "True"}]}
OURS = {"consul-tracing/pulumi-stack": "organization/mesh/test"}


class FakeCluster:
    """A cluster in memory: the live objects by kind, or the error of reading them. An applied object gets `status`."""

    def __init__(self) -> None:
        self.live: dict[str, list[dict[str, Any]]] = {}
        self.error: Exception | None = None
        self.looks = 0
        self.status: dict[str, Any] = SYNCED

    def objects(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        self.looks += 1
        if self.error:
            raise self.error
        return [one for one in self.live.get(kind, []) if namespace in (None, one["metadata"]["namespace"])]

    def refuse_missing_namespaces(self, names: set[str]) -> None:
        if missing := names - {"consul"}:
            raise NotThere(f"the cluster has no namespace {missing}")

    def add(self, kind: str, name: str, namespace: str = "consul", annotations: Any = None, **fields: Any) -> None:
        metadata = {"name": name, "namespace": namespace, "annotations": annotations or {}}
        self.live.setdefault(kind, []).append({"metadata": metadata, "status": SYNCED, **fields})

    def apply(self, args: pulumi.runtime.MockResourceArgs) -> None:
        kinds = {"ProxyDefaults": "proxy-defaults", "ServiceDefaults": "service-defaults"}
        if kind := kinds.get(args.typ.rpartition(":")[2]):
            self.live.setdefault(kind, []).append({**args.inputs, "status": self.status})


@pytest.fixture(autouse=True)
def cluster(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> FakeCluster:
    fake = FakeCluster()
    engine.on_registration = fake.apply
    engine.live = "this target reads nothing from Consul"
    monkeypatch.setattr(kubernetes_writer, "cluster_of", lambda _: fake)
    monkeypatch.setattr(kubernetes_writer, "SECONDS_BETWEEN_LOOKS", 0.01)
    monkeypatch.setattr(kubernetes_writer, "SECONDS_TO_CHANGE_ITS_MIND", 0.02)
    return fake


def on_kubernetes(opts: pulumi.ResourceOptions | None = None, **args: Any) -> MeshTracing:
    return MeshTracing("mesh", mesh(target="kubernetes", **args), opts)


def test_an_object_for_the_mesh_and_one_for_each_service(engine: Engine) -> None:
    engine.run(lambda: on_kubernetes(services={"web": {"protocol": "http"}}, tcp_services=["db"]))
    written = {name: args.typ.rpartition(":")[2] for name, args in engine.registered.items() if name != "mesh"}
    assert written == {
        "mesh-proxy-defaults": "ProxyDefaults",
        "mesh-service-web": "ServiceDefaults",
        "mesh-service-db": "ServiceDefaults",
    }
    metadata = engine.registered["mesh-service-web"].inputs["metadata"]
    assert (metadata["namespace"], metadata["name"]) == ("consul", "web")
    assert metadata["annotations"].items() >= {**OURS, "pulumi.com/patchFieldManager": "consul-tracing"}.items()
    assert engine.registered["mesh-service-web"].inputs["spec"] == {"protocol": "http"}


def test_an_output_as_host_is_written_when_it_resolves(engine: Engine) -> None:
    def program() -> None:
        host = pulumi.Output.from_input("late.example.com")
        MeshTracing("mesh", {"target": "kubernetes", "collector": {"host": host}})

    engine.run(program)
    config = engine.registered["mesh-proxy-defaults"].inputs["spec"]["config"]
    assert "late.example.com" in config["envoy_extra_static_clusters_json"]


def test_a_zipkin_of_the_meshs_own_is_where_its_spans_go(engine: Engine) -> None:
    args: Any = {"target": "kubernetes", "zipkin_collector": {"namespace": "observability"}}
    engine.run(lambda: MeshTracing("mesh", args))
    assert engine.registered["mesh-zipkin"].typ == "consul-tracing:index:ZipkinCollector"
    assert engine.registered["mesh-zipkin-deployment"].typ == "kubernetes:apps/v1:Deployment"
    config = engine.registered["mesh-proxy-defaults"].inputs["spec"]["config"]
    assert "zipkin.observability.svc.cluster.local" in config["envoy_extra_static_clusters_json"]


def test_a_refused_mesh_deploys_no_zipkin(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("proxy-defaults", "global", spec={"meshGateway": {"mode": "local"}})
    args: Any = {"target": "kubernetes", "zipkin_collector": {}}
    with pytest.raises(Refused, match="is an unmanaged entry"):
        engine.run(lambda: MeshTracing("mesh", args))
    assert set(engine.registered) == {"mesh"}


def test_an_adopted_object_is_patched(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("proxy-defaults", "global", spec={"meshGateway": {"mode": "local"}})
    engine.run(lambda: on_kubernetes(existing="adopt"))
    patch = engine.registered["mesh-proxy-defaults"]
    assert patch.typ == "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaultsPatch"
    assert "meshGateway" not in patch.inputs["spec"]
    annotations = patch.inputs["metadata"]["annotations"]
    assert annotations["consul-tracing/adopted"] == "true"
    # Not that of our own objects: a patch that is deleted takes all fields of its manager along.
    assert annotations["pulumi.com/patchFieldManager"] == "consul-tracing-patch"


def test_nothing_is_written_over_an_object_of_others(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("service-defaults", "web", spec={"protocol": "grpc"})
    with pytest.raises(Refused, match="ServiceDefaults consul/web is an unmanaged entry"):
        engine.run(lambda: on_kubernetes(services={"web": {"protocol": "http"}}))
    assert set(engine.registered) == {"mesh"}


def test_an_unmanaged_object_that_is_not_imported_cannot_be_overwritten(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("service-defaults", "web", spec={"protocol": "grpc"})
    with pytest.raises(Refused) as refused:
        engine.run(lambda: on_kubernetes(existing="overwrite", services={"web": {"protocol": "http"}}), preview=True)
    assert set(engine.registered) == {"mesh"}
    kind = "kubernetes:consul.hashicorp.com/v1alpha1:ServiceDefaults"
    assert f"{kind} mesh-service-web consul/web\n    2. pulumi up" in str(refused.value)


def test_a_released_object_of_this_stack_stays_a_whole_object(engine: Engine, cluster: FakeCluster) -> None:
    engine.run(lambda: on_kubernetes(release=True))
    written = engine.registered["mesh-proxy-defaults"]
    assert not {name for name in written.inputs["metadata"]["annotations"] if name.startswith("consul-tracing/")}
    # The mocks name the stack as a parent, other than the engine.
    component = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$consul-tracing:index:MeshTracing"
    urn = f"{component}${written.typ}::mesh-proxy-defaults"
    engine.state = {urn: dict(written.inputs)}
    assert cluster.live
    for existing in ("refuse", "adopt"):
        engine.run(lambda existing=existing: on_kubernetes(existing=existing))  # type: ignore[misc]
        assert engine.registered["mesh-proxy-defaults"].typ == written.typ


def test_a_cluster_without_consul_k8s_is_refused(engine: Engine, cluster: FakeCluster) -> None:
    cluster.error = NotInstalled("proxy-defaults")
    with pytest.raises(Refused, match="the cluster does not know ProxyDefaults"):
        engine.run(on_kubernetes)
    assert set(engine.registered) == {"mesh"}


@pytest.mark.parametrize("installs", [True, False])
def test_a_preview_goes_on_where_consul_k8s_comes_with_the_same_program(
    engine: Engine, cluster: FakeCluster, *, installs: bool
) -> None:
    cluster.error = NotInstalled("proxy-defaults")

    def program() -> None:
        chart = pulumi.ComponentResource("test:index:Chart", "consul")
        on_kubernetes(pulumi.ResourceOptions(depends_on=[chart] if installs else None))

    if installs:
        engine.run(program, preview=True)
        assert "mesh-proxy-defaults" in engine.registered
    else:
        with pytest.raises(Refused):
            engine.run(program, preview=True)


def test_a_namespace_that_is_not_there_is_refused(engine: Engine) -> None:
    with pytest.raises(Refused, match="the cluster has no namespace"):
        engine.run(lambda: on_kubernetes(namespace="mesh"))
    assert set(engine.registered) == {"mesh"}


def test_an_up_that_cannot_read_the_cluster_stops(engine: Engine, cluster: FakeCluster) -> None:
    cluster.error = Unreadable("connection refused")
    with pytest.raises(Refused, match="Kubernetes cannot be read, so nothing is written"):
        engine.run(on_kubernetes)
    assert set(engine.registered) == {"mesh"}


def test_what_the_controller_refuses_fails_with_its_reason_before_the_timeout(
    engine: Engine, cluster: FakeCluster
) -> None:
    said = {"type": "Synced", "status": "False", "reason": "ExternallyManagedConfigError", "message": "exists"}
    cluster.status = {"conditions": [said]}
    with pytest.raises(NotSynced, match="refuses to sync it: ExternallyManagedConfigError: exists"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=5))
    assert cluster.looks < 40


def test_a_controller_that_says_nothing_has_its_time_and_no_more(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    with pytest.raises(NotSynced, match=r"has not brought it into Consul within 0\.1 s"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=0.1))
    assert 4 < cluster.looks < 100


def test_many_objects_that_are_not_synced_are_counted(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    services = {f"s{number}": {"protocol": "http"} for number in range(10)}
    with pytest.raises(NotSynced, match="6 more are not synced"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=0.1, services=services))


def test_outputs_wait_until_consul_has_it_all(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    order: list[str] = []
    seen = cluster.objects

    def objects(kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        if cluster.looks > 6 and not order:
            order.append("synced")
            cluster.live = {kind: [{**one, "status": SYNCED} for one in live] for kind, live in cluster.live.items()}
        return seen(kind, namespace)

    cluster.objects = objects  # type: ignore[method-assign]

    def program() -> pulumi.Output[Any]:
        return on_kubernetes().bootstrap_hash.apply(lambda _: order.append("hash"))

    engine.run(program)
    assert order == ["synced", "hash"]


def test_without_the_extra_the_component_says_what_to_install(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(pulumi.RunError, match=r"needs kubernetes, which is not installed\n  pip install"):
        engine.run(on_kubernetes)
    assert engine.registered == {}


def test_two_components_do_not_write_one_object(engine: Engine) -> None:
    def program() -> None:
        on_kubernetes()
        MeshTracing("other", mesh(target="kubernetes"))

    with pytest.raises(InvalidInput, match='proxy-defaults/global: is written by "mesh" as well'):
        engine.run(program)


CONFIG_ENTRY = "urn:pulumi:test::mesh::consul-tracing:index:MeshTracing$consul:index/configEntry:ConfigEntry"
FORMER = {
    f"{CONFIG_ENTRY}::mesh-service-web": {"kind": "service-defaults", "name": "web"},
    f"{CONFIG_ENTRY}::mesh-service-old": {"kind": "service-defaults", "name": "old"},
    f"{CONFIG_ENTRY}::mesh-proxy-defaults": {"kind": "proxy-defaults", "name": "global"},
}


def test_entries_that_the_stack_manages_on_consuls_api_are_given_up_before_they_are_migrated(
    engine: Engine,
) -> None:
    engine.state = FORMER
    with pytest.raises(Refused) as refused:
        engine.run(lambda: on_kubernetes(migrate_entries=True, services={"web": {"protocol": "http"}}))
    assert set(engine.registered) == {"mesh"}
    commands = [line.strip() for line in str(refused.value).splitlines()[2:]]
    # `proxy-defaults` may depend on the others, so it goes first; what is declared no more is deleted by the run.
    assert commands == [
        f"1. pulumi state delete '{CONFIG_ENTRY}::mesh-proxy-defaults'",
        f"2. pulumi state delete '{CONFIG_ENTRY}::mesh-service-web'",
        "3. pulumi up",
    ]


@pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
def test_a_run_without_changes_does_not_read_the_state(engine: Engine, cluster: FakeCluster, existing: str) -> None:
    engine.run(lambda: on_kubernetes(existing=existing))
    assert engine.state_reads == 1
    assert cluster.live
    engine.run(lambda: on_kubernetes(existing=existing))
    assert engine.state_reads == 1


def test_an_adopted_object_in_the_state_as_a_whole_is_overwritten_as_the_stacks_own(
    engine: Engine, cluster: FakeCluster
) -> None:
    kind = "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults"
    patch = f"urn:pulumi:test::mesh::consul-tracing:index:MeshTracing${kind}Patch::mesh-proxy-defaults"
    marked = {**OURS, "consul-tracing/adopted": "true", "consul-tracing/resource": patch}
    cluster.add("proxy-defaults", "global", annotations=marked)
    state = {patch: {"metadata": {"name": "global", "namespace": "consul"}}}
    engine.state = state
    engine.run(lambda: on_kubernetes(existing="overwrite"))
    assert engine.registered["mesh-proxy-defaults"].typ == f"{kind}Patch"
    state[f"urn:pulumi:test::mesh::{kind}::mesh-proxy-defaults"] = {"metadata": state[patch]["metadata"]}
    engine.run(lambda: on_kubernetes(existing="overwrite"))
    assert engine.registered["mesh-proxy-defaults"].typ == kind


def test_a_renamed_object_keeps_its_alias_beside_an_imported_one(
    engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = "urn:pulumi:test::mesh::kubernetes:consul.hashicorp.com/v1alpha1:ServiceDefaults::old"
    cluster.add("service-defaults", "web", annotations={**OURS, "consul-tracing/resource": former})
    cluster.add("proxy-defaults", "global", annotations={**OURS, "consul-tracing/adopted": "true"})
    engine.state = {former: {"metadata": {"name": "web", "namespace": "consul"}}}
    aliases, options = dict[str, Any](), kubernetes_writer.child_options

    def spied(*args: Any, **named: Any) -> pulumi.ResourceOptions:
        made = options(*args, **named)
        aliases[args[2]] = made.aliases
        return made

    monkeypatch.setattr(kubernetes_writer, "child_options", spied)
    engine.run(lambda: on_kubernetes(existing="overwrite", services={"web": {"protocol": "http"}}))
    assert former in aliases["mesh-service-web"]
