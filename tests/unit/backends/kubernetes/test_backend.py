"""`MeshTracing` with target `kubernetes`, on Pulumi mocks and an in-memory cluster."""

import asyncio
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pulumi
import pulumi_kubernetes
import pytest

from consul_tracing import ConflictError, InvalidInputError, MeshTracing, SyncError
from consul_tracing.backends.base import Backend
from consul_tracing.backends.kubernetes import backend, waiting
from consul_tracing.backends.kubernetes.access import MissingKindError, MissingPrerequisiteError
from consul_tracing.errors import UnreadableError
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

SYNCED = {"conditions": [{"type": "Synced", "status": "True"}]}
OWN = {"consul-tracing/pulumi-stack": "organization/mesh/test"}


class FakeCluster:
    """An in-memory cluster: live objects by kind, or the error of every read. An applied object gets `status`."""

    def __init__(self) -> None:
        self.live: dict[str, list[dict[str, Any]]] = {}
        self.error: Exception | None = None
        self.reads = 0
        self.status: dict[str, Any] = SYNCED
        self.fields: dict[str, Any] = {}

    def objects(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        self.reads += 1
        if self.error:
            raise self.error
        return [one for one in self.live.get(kind, []) if namespace in (None, one["metadata"]["namespace"])]

    def spec_schema(self, kind: str) -> dict[str, Any]:  # noqa: ARG002 - one schema for all
        self.reads += 1
        return {"properties": self.fields} if self.fields else {}

    def reject_missing_namespaces(self, names: set[str]) -> None:
        if missing := names - {"consul"}:
            raise MissingPrerequisiteError(f"the cluster has no namespace {missing}")

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
    monkeypatch.setattr(backend, "cluster_of", lambda _: fake)
    monkeypatch.setattr(waiting, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(waiting, "REJECTION_SECONDS", 0.02)
    return fake


def on_kubernetes(opts: pulumi.ResourceOptions | None = None, **args: Any) -> MeshTracing:
    return MeshTracing("mesh", mesh(target="kubernetes", **args), opts)


def test_one_object_is_registered_for_the_mesh_and_each_service(engine: Engine) -> None:
    engine.run(lambda: on_kubernetes(services={"web": {"protocol": "http"}}, tcp_services=["db"]))
    written = {name: args.typ.rpartition(":")[2] for name, args in engine.registered.items() if name != "mesh"}
    assert written == {
        "mesh-proxy-defaults": "ProxyDefaults",
        "mesh-service-web": "ServiceDefaults",
        "mesh-service-db": "ServiceDefaults",
    }
    metadata = engine.registered["mesh-service-web"].inputs["metadata"]
    assert (metadata["namespace"], metadata["name"]) == ("consul", "web")
    assert metadata["annotations"].items() >= {**OWN, "pulumi.com/patchFieldManager": "consul-tracing"}.items()
    assert engine.registered["mesh-service-web"].inputs["spec"] == {"protocol": "http"}


def test_output_as_host_is_written_after_it_resolves(engine: Engine) -> None:
    def program() -> None:
        host = pulumi.Output.from_input("late.example.com")
        MeshTracing("mesh", {"target": "kubernetes", "collector": {"host": host}})

    engine.run(program)
    config = engine.registered["mesh-proxy-defaults"].inputs["spec"]["config"]
    assert "late.example.com" in config["envoy_extra_static_clusters_json"]


def test_zipkin_collector_is_deployed_and_receives_the_spans(engine: Engine) -> None:
    args: Any = {"target": "kubernetes", "zipkin_collector": {"namespace": "observability"}}
    engine.run(lambda: MeshTracing("mesh", args))
    assert engine.registered["mesh-zipkin"].typ == "consul-tracing:index:ZipkinCollector"
    assert engine.registered["mesh-zipkin-deployment"].typ == "kubernetes:apps/v1:Deployment"
    config = engine.registered["mesh-proxy-defaults"].inputs["spec"]["config"]
    assert "zipkin.observability.svc.cluster.local" in config["envoy_extra_static_clusters_json"]


def test_rejected_mesh_deploys_no_zipkin(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("proxy-defaults", "global", spec={"meshGateway": {"mode": "local"}})
    args: Any = {"target": "kubernetes", "zipkin_collector": {}}
    with pytest.raises(ConflictError, match="is an unmanaged entry"):
        engine.run(lambda: MeshTracing("mesh", args))
    assert set(engine.registered) == {"mesh"}


def test_adopted_object_is_a_patch(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("proxy-defaults", "global", spec={"meshGateway": {"mode": "local"}})
    engine.run(lambda: on_kubernetes(existing="adopt"))
    patch = engine.registered["mesh-proxy-defaults"]
    assert patch.typ == "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaultsPatch"
    assert "meshGateway" not in patch.inputs["spec"]
    annotations = patch.inputs["metadata"]["annotations"]
    assert annotations["consul-tracing/adopted"] == "true"
    # Deleting a patch removes all fields of its manager, so patches have a separate field manager.
    assert annotations["pulumi.com/patchFieldManager"] == "consul-tracing-patch"


def test_empty_access_logs_are_written_if_the_kind_has_them_and_are_not_claimed(
    engine: Engine, cluster: FakeCluster
) -> None:
    engine.run(on_kubernetes)
    assert "accessLogs" not in engine.registered["mesh-proxy-defaults"].inputs["spec"]
    cluster.fields = {"accessLogs": {"type": "object"}}
    for _ in range(2):
        engine.run(lambda: on_kubernetes(services={"web": {"protocol": "http"}}))
        written = engine.registered["mesh-proxy-defaults"].inputs
        assert written["spec"]["accessLogs"] == {}
        assert "AccessLogs" not in written["metadata"]["annotations"]["consul-tracing/keys"]
        assert engine.registered["mesh-service-web"].inputs["spec"] == {"protocol": "http"}


LOGS: dict[str, Any] = {"access_logs": {"trace_id": True}}


def test_access_logs_are_rejected_if_the_kind_does_not_have_them(engine: Engine, cluster: FakeCluster) -> None:
    cluster.fields = {"config": {"type": "object"}}
    for args in (LOGS, {"proxy_defaults": {"AccessLogs": {"Enabled": True}}}):
        with pytest.raises(ConflictError, match=r"CT220: ProxyDefaults consul/global: .* no field accessLogs"):
            engine.run(lambda args=args: on_kubernetes(**args))
        assert set(engine.registered) == {"mesh"}
    engine.run(lambda: on_kubernetes(**LOGS, enabled=False))


@pytest.mark.parametrize("fields", [{"accessLogs": {"type": "object"}}, {}], ids=["known", "unreadable"])
def test_access_logs_are_written_in_camel_case(engine: Engine, cluster: FakeCluster, fields: dict[str, Any]) -> None:
    cluster.fields = fields
    engine.run(lambda: on_kubernetes(**LOGS))
    written = engine.registered["mesh-proxy-defaults"].inputs
    assert written["spec"]["accessLogs"].keys() == {"enabled", "jsonFormat"}
    assert {"AccessLogs/Enabled", "AccessLogs/JSONFormat"} <= set(
        written["metadata"]["annotations"]["consul-tracing/keys"].split(",")
    )


FIELDS = {
    "config": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
    "meshGateway": {"type": "object", "properties": {"mode": {"type": "string"}}},
}
OF_CONSUL: dict[str, Any] = {"Config": {"x": "1"}, "MeshGateway": {"Mode": "local"}, "Mode": "direct", "Expose": {}}


@pytest.fixture
def consul_address() -> Iterator[None]:
    pulumi.runtime.set_all_config({"consul:address": "http://consul"})
    yield
    pulumi.runtime.set_all_config({})


@pytest.mark.usefixtures("consul_address")
def test_migrated_entry_keeps_the_fields_that_the_kind_has(engine: Engine, cluster: FakeCluster) -> None:
    engine.live = {"global": {**OF_CONSUL, "Meta": {"pulumi-stack": "other"}}}
    cluster.fields = FIELDS
    for _ in range(2):
        engine.run(lambda: on_kubernetes(migrate_entries=True))
        written = engine.registered["mesh-proxy-defaults"].inputs
        assert written["spec"]["meshGateway"] == {"mode": "local"}
        assert written["spec"]["config"].items() > OF_CONSUL["Config"].items()
        assert set(written["spec"]) == {"config", "meshGateway"}
        assert "MeshGateway" not in written["metadata"]["annotations"]["consul-tracing/keys"]
        # consul-k8s has migrated the entry, and its fields are in the object.
        engine.live = {"global": {"Config": {"y": "2"}, "Meta": {"external-source": "kubernetes"}}}


@pytest.mark.usefixtures("consul_address")
@pytest.mark.parametrize(
    ("existing", "meta"), [("overwrite", {}), ("refuse", {"external-source": "kubernetes"})], ids=["overwrite", "own"]
)
def test_entry_is_migrated_only_if_its_fields_stay(
    engine: Engine, cluster: FakeCluster, existing: str, meta: dict[str, str]
) -> None:
    engine.live = {"global": {**OF_CONSUL, "Meta": meta}}
    cluster.fields = FIELDS
    engine.run(lambda: on_kubernetes(migrate_entries=True, existing=existing))
    assert set(engine.registered["mesh-proxy-defaults"].inputs["spec"]) == {"config"}


def test_overwrite_of_an_unmanaged_object_requires_an_import(engine: Engine, cluster: FakeCluster) -> None:
    cluster.add("service-defaults", "web", spec={"protocol": "grpc"})
    with pytest.raises(ConflictError) as error:
        engine.run(lambda: on_kubernetes(existing="overwrite", services={"web": {"protocol": "http"}}), preview=True)
    assert set(engine.registered) == {"mesh"}
    kind = "kubernetes:consul.hashicorp.com/v1alpha1:ServiceDefaults"
    assert f"{kind} mesh-service-web consul/web\n    2. pulumi up" in str(error.value)


def test_released_object_keeps_its_resource_type(engine: Engine, cluster: FakeCluster) -> None:
    engine.run(lambda: on_kubernetes(release=True))
    written = engine.registered["mesh-proxy-defaults"]
    assert not {name for name in written.inputs["metadata"]["annotations"] if name.startswith("consul-tracing/")}
    # Unlike the engine, the mocks include the stack in the URN of a child.
    component = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$consul-tracing:index:MeshTracing"
    urn = f"{component}${written.typ}::mesh-proxy-defaults"
    engine.state = {urn: dict(written.inputs)}
    assert cluster.live
    for existing in ("refuse", "adopt"):
        engine.run(lambda existing=existing: on_kubernetes(existing=existing))  # type: ignore[misc]
        assert engine.registered["mesh-proxy-defaults"].typ == written.typ


def test_cluster_without_consul_k8s_is_rejected(engine: Engine, cluster: FakeCluster) -> None:
    cluster.error = MissingKindError("proxy-defaults")
    with pytest.raises(ConflictError, match="the cluster does not have the kind ProxyDefaults"):
        engine.run(on_kubernetes)
    assert set(engine.registered) == {"mesh"}


def test_preview_continues_without_consul_k8s(
    engine: Engine, cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.error = MissingKindError("proxy-defaults")
    engine.run(on_kubernetes, preview=True)
    assert "mesh-proxy-defaults" in engine.registered
    assert "pulumi up stops if it still cannot read it: consul-tracing: CT214: the cluster does not" in caplog.text


def test_missing_namespace_is_rejected(engine: Engine) -> None:
    with pytest.raises(ConflictError, match="the cluster has no namespace"):
        engine.run(lambda: on_kubernetes(namespace="mesh"))
    assert set(engine.registered) == {"mesh"}


def test_unreachable_cluster_fails_an_up_before_any_write(engine: Engine, cluster: FakeCluster) -> None:
    cluster.error = UnreadableError("connection refused")
    with pytest.raises(ConflictError, match="Kubernetes cannot be read, so nothing is written"):
        engine.run(on_kubernetes)
    assert set(engine.registered) == {"mesh"}


@pytest.mark.parametrize("fields", [{"accessLogs": {}}, {}])
def test_preview_without_a_cluster_has_the_access_logs_of_the_state(
    engine: Engine, cluster: FakeCluster, fields: dict[str, Any]
) -> None:
    cluster.fields = fields
    engine.run(on_kubernetes)
    written = dict(engine.registered["mesh-proxy-defaults"].inputs)
    assert ("accessLogs" in written["spec"]) is ("accessLogs" in fields)
    engine.state = {written["metadata"]["annotations"]["consul-tracing/resource"]: written}
    cluster.error = UnreadableError("connection refused")
    engine.run(on_kubernetes, preview=True)
    assert engine.registered["mesh-proxy-defaults"].inputs["spec"] == written["spec"]


def test_rejection_by_the_controller_is_reported_before_the_timeout(engine: Engine, cluster: FakeCluster) -> None:
    condition = {"type": "Synced", "status": "False", "reason": "ExternallyManagedConfigError", "message": "exists"}
    cluster.status = {"conditions": [condition]}
    with pytest.raises(SyncError, match="consul-k8s rejects it: ExternallyManagedConfigError: exists"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=5))
    assert cluster.reads < 40


def test_rejection_is_reported_when_the_other_objects_are_synced(engine: Engine, cluster: FakeCluster) -> None:
    condition = {"type": "Synced", "status": "False", "reason": "ExternallyManagedConfigError", "message": "exists"}
    seen = cluster.objects

    def objects(kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        rejected = {"conditions": [condition]}
        status = rejected if kind == "proxy-defaults" else SYNCED if cluster.reads > 30 else {}
        return [{**one, "status": status} for one in seen(kind, namespace)]

    cluster.objects = objects  # type: ignore[method-assign]
    with pytest.raises(SyncError) as error:
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=60, services={"web": {"protocol": "http"}}))
    assert "ServiceDefaults" not in str(error.value)


def test_sync_timeout_is_reported(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    with pytest.raises(SyncError, match=r"did not write it into Consul within 0\.1 s"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=0.1))
    assert 4 < cluster.reads < 100


def test_objects_that_are_not_synced_are_read_less_and_less_often(
    engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(backend, "cluster_of", lambda _: cluster)
    sleeps: list[float] = []
    kinds: list[str] = []

    async def sleep(seconds: float) -> None:
        sleeps.append(seconds)

    monkeypatch.setattr(waiting, "asyncio", SimpleNamespace(to_thread=asyncio.to_thread, sleep=sleep))
    monkeypatch.setattr(waiting, "time", SimpleNamespace(monotonic=lambda: sum(sleeps)))
    cluster.status = {}
    seen = cluster.objects

    def objects(kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        kinds.extend([kind] if sleeps else [])
        return [{**one, "status": SYNCED} if kind == "service-defaults" else one for one in seen(kind, namespace)]

    cluster.objects = objects  # type: ignore[method-assign]
    with pytest.raises(SyncError, match="within 120 s"):
        engine.run(lambda: on_kubernetes(services={"web": {"protocol": "http"}}))
    assert sleeps[:2] == [0.25, 0.375]
    assert max(sleeps) == 5
    assert sum(sleeps) == 120
    assert kinds == ["proxy-defaults"] * len(sleeps)
    assert len(sleeps) < 40


def test_list_of_unsynced_objects_is_capped(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    services = {f"s{number}": {"protocol": "http"} for number in range(10)}
    with pytest.raises(SyncError, match="6 more are not synced"):
        engine.run(lambda: on_kubernetes(sync_timeout_seconds=0.1, services=services))


def test_outputs_resolve_after_the_sync(engine: Engine, cluster: FakeCluster) -> None:
    cluster.status = {}
    order: list[str] = []
    seen = cluster.objects

    def objects(kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        if cluster.reads > 6 and not order:
            order.append("synced")
            cluster.live = {kind: [{**one, "status": SYNCED} for one in live] for kind, live in cluster.live.items()}
        return seen(kind, namespace)

    cluster.objects = objects  # type: ignore[method-assign]

    def program() -> pulumi.Output[Any]:
        return on_kubernetes().bootstrap_hash.apply(lambda _: order.append("hash"))

    engine.run(program)
    assert order == ["synced", "hash"]


def test_resource_can_depend_on_the_sync(engine: Engine, cluster: FakeCluster) -> None:
    order: list[str] = []

    def apply(args: pulumi.runtime.MockResourceArgs) -> None:
        order.append(args.name)
        cluster.apply(args)

    engine.on_registration = apply
    cluster.status = {}
    seen = cluster.objects

    def objects(kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        if cluster.reads > 6 and "synced" not in order:
            order.append("synced")
            cluster.live = {kind: [{**one, "status": SYNCED} for one in live] for kind, live in cluster.live.items()}
        return seen(kind, namespace)

    cluster.objects = objects  # type: ignore[method-assign]

    def program() -> None:
        mesh = on_kubernetes()
        opts = pulumi.ResourceOptions(depends_on=mesh.services.apply(lambda _: [mesh]))
        pulumi_kubernetes.core.v1.ConfigMap("last", opts=opts)

    engine.run(program)
    assert order == ["mesh", "mesh-proxy-defaults", "synced", "last"]
    engine.run(program, preview=True)


def test_missing_kubernetes_package_is_reported_with_the_fix(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes", None)
    with pytest.raises(pulumi.RunError, match=r"requires kubernetes, which is not installed\n    1. pip install"):
        engine.run(on_kubernetes)
    assert engine.registered == {}


def test_two_components_with_the_same_object_are_rejected(engine: Engine) -> None:
    def program() -> None:
        on_kubernetes()
        MeshTracing("other", mesh(target="kubernetes"))

    with pytest.raises(InvalidInputError, match='proxy-defaults/global: conflicts with "mesh"'):
        engine.run(program)


CONFIG_ENTRY = "urn:pulumi:test::mesh::consul-tracing:index:MeshTracing$consul:index/configEntry:ConfigEntry"
FORMER = {
    f"{CONFIG_ENTRY}::mesh-service-web": {"kind": "service-defaults", "name": "web"},
    f"{CONFIG_ENTRY}::mesh-service-old": {"kind": "service-defaults", "name": "old"},
    f"{CONFIG_ENTRY}::mesh-proxy-defaults": {"kind": "proxy-defaults", "name": "global"},
}


def test_migration_requires_removing_the_consul_entries_from_the_state(
    engine: Engine,
) -> None:
    engine.state = FORMER
    with pytest.raises(ConflictError) as error:
        engine.run(lambda: on_kubernetes(migrate_entries=True, services={"web": {"protocol": "http"}}))
    assert set(engine.registered) == {"mesh"}
    commands = [line.strip() for line in str(error.value).splitlines()[-4:-1]]
    # `proxy-defaults` can depend on other entries, so it is first. The run deletes entries that are no longer declared.
    assert commands == [
        f"1. pulumi state delete '{CONFIG_ENTRY}::mesh-proxy-defaults'",
        f"2. pulumi state delete '{CONFIG_ENTRY}::mesh-service-web'",
        "3. pulumi up --refresh",
    ]


@pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
def test_run_without_changes_does_not_read_the_state(engine: Engine, cluster: FakeCluster, existing: str) -> None:
    engine.run(lambda: on_kubernetes(existing=existing))
    assert engine.state_reads == 1
    assert cluster.live
    engine.run(lambda: on_kubernetes(existing=existing))
    assert engine.state_reads == 1


def test_overwrite_owns_an_adopted_object_that_is_in_the_state(engine: Engine, cluster: FakeCluster) -> None:
    kind = "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults"
    patch = f"urn:pulumi:test::mesh::consul-tracing:index:MeshTracing${kind}Patch::mesh-proxy-defaults"
    marked = {**OWN, "consul-tracing/adopted": "true", "consul-tracing/resource": patch}
    cluster.add("proxy-defaults", "global", annotations=marked)
    state = {patch: {"metadata": {"name": "global", "namespace": "consul"}}}
    engine.state = state
    engine.run(lambda: on_kubernetes(existing="overwrite"))
    assert engine.registered["mesh-proxy-defaults"].typ == f"{kind}Patch"
    state[f"urn:pulumi:test::mesh::{kind}::mesh-proxy-defaults"] = {"metadata": state[patch]["metadata"]}
    engine.run(lambda: on_kubernetes(existing="overwrite"))
    assert engine.registered["mesh-proxy-defaults"].typ == kind


def test_renamed_object_keeps_its_alias_when_another_object_is_imported(
    engine: Engine, cluster: FakeCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    former = "urn:pulumi:test::mesh::kubernetes:consul.hashicorp.com/v1alpha1:ServiceDefaults::old"
    cluster.add("service-defaults", "web", annotations={**OWN, "consul-tracing/resource": former})
    cluster.add("proxy-defaults", "global", annotations={**OWN, "consul-tracing/adopted": "true"})
    engine.state = {former: {"metadata": {"name": "web", "namespace": "consul"}}}
    aliases, options = dict[str, Any](), Backend.options

    def recorded_options(self: Any, planned: Any, *args: Any) -> pulumi.ResourceOptions:
        made = options(self, planned, *args)
        aliases[planned.resource_name] = made.aliases
        return made

    monkeypatch.setattr(Backend, "options", recorded_options)
    engine.run(lambda: on_kubernetes(existing="overwrite", services={"web": {"protocol": "http"}}))
    assert former in aliases["mesh-service-web"]
