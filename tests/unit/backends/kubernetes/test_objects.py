"""Config entries as custom resources: the applied spec, field ownership and sync state."""

from dataclasses import replace
from typing import Any, cast

import pytest

from consul_tracing.backends.kubernetes.objects import (
    LiveObject,
    ObjectPatch,
    WholeObject,
    conflicting_entries,
    is_patched,
    reject_second_mesh,
    with_entry,
)
from consul_tracing.backends.kubernetes.sync import sync, sync_error_text, with_synced_generation
from consul_tracing.entries.bodies import proxy_defaults, service_defaults
from consul_tracing.entries.custom_resources import annotation, body, camel_case, in_kubernetes
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import ownership_metadata
from consul_tracing.entries.ownership import Existing, Plan, Policy, plan
from consul_tracing.inputs.entry_settings import Metadata
from consul_tracing.run_errors import ConflictError
from tests.unit.meshes import STACK, URN, settings

CLUSTERS = "envoy_extra_static_clusters_json"
STATSD = '{"name":"statsd"}'


def policy(existing: Existing = "refuse") -> Policy:
    return Policy(existing, STACK)


def planned(declared: Entry, live_object: dict[str, Any], policy: Policy) -> Plan:
    decided = plan(declared, body(live_object), policy)
    assert isinstance(decided, Plan)
    return decided


def of(live_object: dict[str, Any], *, patch: bool) -> LiveObject:
    return ObjectPatch(object=live_object) if patch else WholeObject(object=live_object)


def entry(**args: Any) -> Entry:
    return proxy_defaults(settings(target="kubernetes", **args))


def by(manager: str, *paths: str, at: str = "2026-11-22T10:00:00Z", subresource: str = "") -> dict[str, Any]:
    """Return an item of `managedFields`: the manager, its fields and the time of its last write."""
    fields: dict[str, Any] = {}
    for path in paths:
        below = fields
        for step in path.split("/"):
            below = below.setdefault(f"f:{step}", {})
    return {"manager": manager, "time": at, "fieldsV1": fields, "subresource": subresource}


def live(
    of: dict[str, Any] | None = None, *managed: dict[str, Any], annotations: Any = None, synced: Any = None
) -> dict[str, Any]:
    metadata = {"name": "global", "namespace": "consul", "managedFields": list(managed), "annotations": annotations}
    status = {"conditions": [{"type": "Synced", **synced}]} if synced else {}
    return {"metadata": metadata, "spec": of or {}, "status": status}


def owned_object(declared: Entry, **more: Any) -> dict[str, Any]:
    return live({**applied_first(declared), **more}, annotations=annotations(declared))


def annotations(declared: Entry) -> dict[str, str]:
    written = WholeObject().metadata(declared, own_annotations(declared), Metadata())
    return cast("dict[str, str]", written["annotations"])


def owned(declared: Entry) -> dict[str, str]:
    return ownership_metadata(field_paths(declared.body), STACK, URN)


def own_annotations(declared: Entry) -> dict[str, str]:
    return {annotation(key): value for key, value in owned(declared).items()}


def applied_first(declared: Entry) -> dict[str, Any]:
    """Return the spec that is applied where no object exists."""
    return WholeObject().spec(declared, Plan())


@pytest.mark.parametrize(
    ("go", "camel"),
    [
        ("MeshGateway", "meshGateway"),
        ("MutualTLSMode", "mutualTLSMode"),
        ("ExternalSNI", "externalSNI"),
        ("JSONFormat", "jsonFormat"),
        ("SNI", "sni"),
        ("LocalRequestTimeoutMs", "localRequestTimeoutMs"),
        ("EnvoyListenerJSON", "envoyListenerJSON"),
    ],
)
def test_go_field_name_is_converted_to_camel_case(go: str, camel: str) -> None:
    assert camel_case(go) == camel


def test_struct_fields_are_converted_and_map_keys_are_preserved() -> None:
    extensions = [{"Name": "builtin/lua", "Arguments": {"ProxyType": "connect-proxy"}}]
    declared = entry(
        proxy_config={"Envoy_X": "1"},
        proxy_defaults={"EnvoyExtensions": extensions, "Expose": {"Paths": [{"LocalPathPort": 1}]}},
    )
    applied = applied_first(declared)
    assert applied["envoyExtensions"] == [{"name": "builtin/lua", "arguments": {"ProxyType": "connect-proxy"}}]
    assert applied["expose"] == {"paths": [{"localPathPort": 1}]}
    assert applied["config"]["Envoy_X"] == "1"


def test_envoy_values_are_identical_on_both_backends() -> None:
    on_consul, on_kubernetes = proxy_defaults(settings()), entry()
    assert applied_first(on_kubernetes)["config"] == on_consul.body["Config"]
    assert (on_kubernetes.namespace, on_consul.namespace) == ("consul", None)


def test_service_object_has_the_namespace_of_its_service() -> None:
    services = {"web": {"protocol": "http"}, "api": {"protocol": "grpc", "namespace": "shop", "name": "api-v2"}}
    entries = service_defaults(settings(target="kubernetes", services=services, namespace="mesh"))
    assert {key: (one.namespace, one.name) for key, one in entries.items()} == {
        "web": ("mesh", "web"),
        "api": ("shop", "api-v2"),
    }


def test_own_object_is_identified_by_its_annotations() -> None:
    declared = entry()
    assert policy().owner_of(body(owned_object(declared))) == "this stack"
    assert owned(declared) == body(owned_object(declared))["Meta"]


def test_long_list_of_managed_fields_is_read_back_completely() -> None:
    declared = entry(proxy_config={f"key_{number:04}": "x" for number in range(200)})
    assert len(owned(declared)) > 5
    assert body(live({}, annotations=annotations(declared)))["Meta"] == owned(declared)


@pytest.mark.parametrize(
    ("manager", "repeated"),
    [("kubectl-edit", True), ("before-first-apply", True), ("consul-tracing", True), ("argocd", False)],
)
def test_foreign_field_of_an_own_object_is_applied_only_if_it_would_be_pruned(manager: str, *, repeated: bool) -> None:
    """Pulumi's provider takes over fields managed by kubectl and then prunes those that are not applied."""
    declared = entry()
    live_object = owned_object(declared, meshGateway={"mode": "local"})
    live_object["metadata"]["managedFields"] = [by(manager, "spec/meshGateway/mode")]
    decided = planned(declared, live_object, policy())
    assert decided.preserved == {("MeshGateway", "Mode"): "local"}
    assert ("meshGateway" in WholeObject(object=live_object).spec(declared, decided)) is repeated


def test_foreign_field_of_an_adopted_object_is_not_applied() -> None:
    declared, live_object = entry(), live({"meshGateway": {"mode": "local"}}, by("kubectl-edit", "spec/meshGateway"))
    decided = planned(declared, live_object, policy("adopt"))
    assert set(ObjectPatch(object=live_object).spec(declared, decided)) == {"config"}


@pytest.mark.parametrize(
    ("fields", "managed", "patch", "applied"),
    [
        ({}, [], False, True),
        ({}, [], True, True),
        ({"accessLogs": {}}, [by("consul-tracing-patch", "spec/accessLogs")], True, True),
        ({"accessLogs": {}}, [by("argocd", "spec/accessLogs")], True, False),
        ({"accessLogs": {}}, [by("consul-tracing-patch", "spec/accessLogs")], False, True),
        ({"accessLogs": {"enabled": True}}, [by("argocd", "spec/accessLogs/enabled")], False, False),
    ],
)
def test_empty_access_logs_are_applied_unless_another_manager_holds_them(
    fields: dict[str, Any], managed: list[dict[str, Any]], *, patch: bool, applied: bool
) -> None:
    declared, live_object = entry(), live(fields, *managed)
    decided = planned(declared, live_object, policy("adopt"))
    written = replace(of(live_object, patch=patch), has_access_logs=True).spec(declared, decided)
    assert (written.get("accessLogs") == {}) is applied
    assert "accessLogs" not in of({}, patch=patch).spec(declared, Plan())


def test_declared_access_logs_replace_the_empty_ones() -> None:
    declared = entry(proxy_defaults={"AccessLogs": {"Enabled": True}})
    assert WholeObject(has_access_logs=True).spec(declared, Plan())["accessLogs"] == {"enabled": True}


def object_schema(**fields: Any) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def test_entry_of_consul_has_the_fields_that_the_object_can_have() -> None:
    schema = object_schema(
        config={"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        mutualTLSMode={"type": "string"},
        expose=object_schema(paths={"type": "array", "items": object_schema(path={"type": "string"})}),
        upstreamConfig=object_schema(
            defaults=object_schema(passiveHealthCheck=object_schema(interval={"type": "string"}), limits={})
        ),
    )
    entry_of_consul = {
        "Kind": "proxy-defaults",
        "CreateIndex": 7,
        "Meta": {"pulumi-stack": "other"},
        "Config": {"Any_Key": {"Nested": 1}},
        "MutualTLSMode": "strict",
        "Expose": {"Paths": [{"Path": "/x", "ParsedFromCheck": False}]},
        "UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": 10_000_000_000}, "Limits": None}},
        "PrioritizeByLocality": {"Mode": "failover"},
    }
    assert in_kubernetes(entry_of_consul, schema) == {
        "Config": {"Any_Key": {"Nested": 1}},
        "MutualTLSMode": "strict",
        "Expose": {"Paths": [{"path": "/x"}]},
        "UpstreamConfig": {"Defaults": {"PassiveHealthCheck": {"Interval": "10000000000ns"}}},
        "Meta": {},
    }


def test_fields_of_the_object_win_over_those_of_the_entry_in_consul() -> None:
    of_object = {"Config": {"a": "1"}, "Expose": {}, "Meta": {"x": "y"}}
    of_consul = {"Config": {"a": "2", "b": "3"}, "Expose": {"Checks": True}, "Meta": {}}
    merged = {"Config": {"a": "1", "b": "3"}, "Expose": {"Checks": True}, "Meta": {"x": "y"}}
    assert with_entry(of_object, of_consul) == merged
    assert with_entry(of_object, {"Config": {CLUSTERS: "{"}}) == of_object
    assert (with_entry(None, of_consul), with_entry(of_object, None)) == (of_consul, of_object)


def test_foreign_label_or_annotation_is_applied_only_if_it_would_be_pruned() -> None:
    declared, live_object = entry(), owned_object(entry())
    live_object["metadata"]["labels"] = {"team": "a", "app": "b"}
    live_object["metadata"]["annotations"]["note"] = "x"
    live_object["metadata"]["managedFields"] = [
        by("kubectl-label", "metadata/labels/team", "metadata/annotations/note"),
        by("argocd", "metadata/labels/app"),
    ]
    written = WholeObject(object=live_object).metadata(declared, own_annotations(declared), Metadata())
    assert written["labels"] == {"team": "a"}
    assert written["annotations"]["note"] == "x"
    patched = ObjectPatch(object=live_object).metadata(declared, own_annotations(declared), Metadata())
    assert "labels" not in patched
    assert "note" not in patched["annotations"]


@pytest.mark.parametrize("patch", [False, True])
def test_declared_metadata_is_removed_when_it_is_no_longer_declared(*, patch: bool) -> None:
    declared, further = entry(), Metadata(labels={"team": "a"}, annotations={"example.com/note": "x"})
    written = of({}, patch=patch).metadata(declared, own_annotations(declared), further)
    assert (written["labels"], written["annotations"]["example.com/note"]) == ({"team": "a"}, "x")
    paths = ("metadata/labels/team", "metadata/annotations/example.com/note")
    live_object = owned_object(declared)
    live_object["metadata"] |= {"labels": written["labels"], "annotations": written["annotations"]}
    live_object["metadata"]["managedFields"] = [by("consul-tracing-patch" if patch else "consul-tracing", *paths)]
    assert "Meta/metadata-keys" not in {"/".join(path) for path in field_paths(body(live_object))}
    later = of(live_object, patch=patch).metadata(declared, own_annotations(declared), Metadata())
    assert "labels" not in later
    assert "example.com/note" not in later["annotations"]


@pytest.mark.parametrize(("operation", "manager"), [("Apply", None), ("Update", "consul-tracing")])
def test_object_that_was_applied_as_a_raw_resource_keeps_its_manager(operation: str, manager: str | None) -> None:
    """A write without server-side apply has no manager to keep."""
    live_object = live({}, {**by("pulumi-kubernetes-1a2b", "spec/config"), "operation": operation})
    written = WholeObject(object=live_object).metadata(entry(), own_annotations(entry()), Metadata())
    assert written["annotations"].get("pulumi.com/patchFieldManager") == manager


def test_foreign_clusters_are_applied_with_the_collector_cluster() -> None:
    declared, live_object = entry(), live({"config": {CLUSTERS: STATSD}})
    decided = planned(declared, live_object, policy("adopt"))
    applied = ObjectPatch(object=live_object).spec(declared, decided)["config"][CLUSTERS]
    assert applied.startswith(STATSD)
    assert '"tracing_collector"' in applied


@pytest.mark.parametrize(("co_owner", "applied"), [("consul-tracing-patch", True), ("kubectl", False)])
def test_foreign_clusters_are_applied_until_another_manager_owns_them(co_owner: str, *, applied: bool) -> None:
    declared = entry(enabled=False)
    path = f"spec/config/{CLUSTERS}"
    live_object = live({"config": {CLUSTERS: STATSD}}, by("consul-tracing-patch", path), by(co_owner, path))
    decided = planned(declared, live_object, policy("adopt"))
    assert (ObjectPatch(object=live_object).spec(declared, decided).get("config") == {CLUSTERS: STATSD}) is applied


def test_field_without_a_manager_would_not_be_pruned() -> None:
    live_object = live({"config": {CLUSTERS: STATSD}})
    assert not ObjectPatch(object=live_object).is_pruned(("spec", "config", CLUSTERS))


@pytest.mark.parametrize(
    ("live_object", "existing", "patched"),
    [
        ({}, "adopt", False),
        (live(), "adopt", True),
        (live(), "overwrite", False),
        (live(annotations={"consul-tracing/pulumi-stack": STACK}), "adopt", False),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"}), "refuse", True),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"}), "overwrite", True),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "false"}), "refuse", False),
    ],
)
def test_adopted_object_remains_a_patch(live_object: Any, existing: Existing, *, patched: bool) -> None:
    assert is_patched(live_object, policy(existing)) is patched


@pytest.mark.parametrize(("existing", "patched"), [("refuse", True), ("adopt", True), ("overwrite", False)])
def test_overwrite_owns_an_adopted_object_that_was_imported(existing: Existing, *, patched: bool) -> None:
    live_object = live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"})
    assert is_patched(live_object, policy(existing), whole=True) is patched
    if not patched:
        written = WholeObject(object=live_object).metadata(entry(), own_annotations(entry()), Metadata())
        assert written["annotations"]["consul-tracing/adopted"] == "false"


@pytest.mark.parametrize(
    ("manager", "patch", "rejected"),
    [
        ("kubectl", True, True),
        ("kubectl", False, False),
        ("argocd", False, True),
        ("consul-tracing-patch", True, False),
        ("consul-tracing", False, False),
        # A patch that was retained when the object became the stack's own.
        ("consul-tracing-patch", False, True),
    ],
)
def test_tracing_key_that_server_side_apply_cannot_remove_is_rejected(
    manager: str, *, patch: bool, rejected: bool
) -> None:
    live_object = live({"config": {"envoy_tracing_json": "{}"}}, by(manager, "spec/config/envoy_tracing_json"))
    if not rejected:
        of(live_object, patch=patch).reject_unremovable(entry(enabled=False), Plan())
        return
    with pytest.raises(ConflictError) as error:
        of(live_object, patch=patch).reject_unremovable(entry(enabled=False), Plan())
    command = "kubectl patch proxydefaults global --namespace consul --type=json"
    assert f"""1. {command} -p '[{{"op":"remove","path":"/spec/config/envoy_tracing_json"}}]'""" in str(error.value)


def test_collector_cluster_among_foreign_clusters_is_rejected_with_the_command() -> None:
    clusters = f'{STATSD},{{"name":"tracing_collector"}}'
    live_object = live({"config": {CLUSTERS: clusters}}, by("kubectl", f"spec/config/{CLUSTERS}"))
    declared = entry(enabled=False)
    decided = planned(declared, live_object, policy("adopt"))
    with pytest.raises(ConflictError, match='"op":"replace".*statsd'):
        ObjectPatch(object=live_object).reject_unremovable(declared, decided)
    # A declared key is managed by this stack.
    ObjectPatch(object=live_object).reject_unremovable(entry(), Plan())


def test_second_mesh_object_in_another_namespace_is_rejected() -> None:
    other = live()
    other["metadata"]["namespace"] = "team-a"
    with pytest.raises(ConflictError, match="ProxyDefaults team-a/global exists, and a mesh has only one"):
        reject_second_mesh([other], "consul")
    reject_second_mesh([live()], "consul")


@pytest.mark.parametrize(
    ("meta", "owner"), [({"pulumi-stack": STACK}, f"managed by the stack {STACK}"), ({}, "unmanaged")]
)
def test_entry_written_over_the_consul_api_is_a_conflict_with_its_owner(meta: dict[str, str], owner: str) -> None:
    live_object = {"proxy-defaults/global": None, "service-defaults/web": {"Protocol": "http", "Meta": meta}}
    (text,) = conflicting_entries(live_object)
    assert text.startswith(f"service-defaults/web exists in Consul and is {owner}")


def test_entry_of_consul_k8s_is_not_a_conflict() -> None:
    assert not list(conflicting_entries({"proxy-defaults/global": {"Meta": {"external-source": "kubernetes"}}}))


APPLIED = by("consul-tracing", "spec/config/a", at="2026-11-22T10:00:05Z")


def status_written(at: str) -> dict[str, Any]:
    return by("consul-k8s-control-plane", "status/conditions", at=at, subresource="status")


def reported(at: str, status: str, reason: str = "") -> dict[str, Any]:
    """Return an object that was applied at second 5, with a status of second `at`."""
    condition = {"status": status, "reason": reason}
    return live({}, APPLIED, status_written(f"2026-11-22T10:00:0{at}Z"), synced=condition)


@pytest.mark.parametrize(
    ("live_object", "state"),
    [
        ({}, "waiting"),
        (live({}, APPLIED), "waiting"),
        (reported("5", "True"), "synced"),
        (reported("4", "True"), "waiting"),
        (reported("6", "Unknown"), "waiting"),
        (reported("6", "False", "ConsulAgentError"), "waiting"),
        (reported("6", "False", "ExternallyManagedConfigError"), "rejected"),
        (reported("4", "False", "ExternallyManagedConfigError"), "waiting"),
    ],
)
def test_sync_status_counts_only_if_newer_than_the_last_apply(live_object: dict[str, Any], state: str) -> None:
    assert sync(live_object).state == state


@pytest.mark.parametrize(("second", "state"), [(0, "synced"), (1, "synced"), (6, "waiting")])
def test_apply_of_values_that_are_synced_needs_no_new_status(second: int, state: str) -> None:
    """The controller does not write a status for an apply without changes."""
    other = by("kubectl", "spec/config/a", "spec/config/b", at=f"2026-11-22T10:00:0{second}Z")
    reported = status_written("2026-11-22T10:00:01Z")
    assert sync(live({}, other, APPLIED, reported, synced={"status": "True"})).state == state


SPEC = {"config": {"a": "1"}}
ANNOTATED = by("consul-tracing", "metadata/annotations/x", "spec/config/a", at="2026-11-22T10:00:05Z")
REPORTED, REPORTED_BEFORE = status_written("2026-11-22T10:00:05Z"), status_written("2026-11-22T10:00:04Z")


def synced_at(generation: int, *managed: dict[str, Any], record: str = "", status: str = "True") -> dict[str, Any]:
    recorded = {"consul-tracing/synced-generation": record} if record else {}
    live_object = live(SPEC, *managed, annotations={"x": "1", **recorded}, synced={"status": status})
    live_object["metadata"] |= {"uid": "u", "generation": generation}
    return live_object


def recorded_generation(live_object: dict[str, Any], value: str, spec: dict[str, Any] | None = None) -> str | None:
    """Return the generation that is recorded when the annotation `x` is set to `value`."""
    written = with_synced_generation({"annotations": {"x": value}}, spec or SPEC, live_object)
    return cast("str | None", written["annotations"].get("consul-tracing/synced-generation"))


@pytest.mark.parametrize(
    ("live_object", "state"),
    [
        (synced_at(3, ANNOTATED, REPORTED_BEFORE), "waiting"),
        (synced_at(3, ANNOTATED, REPORTED_BEFORE, record="u/3"), "synced"),
        (synced_at(4, ANNOTATED, REPORTED_BEFORE, record="u/3"), "waiting"),
        (synced_at(3, ANNOTATED, REPORTED_BEFORE, record="former/3"), "waiting"),
        (synced_at(3, ANNOTATED, REPORTED_BEFORE, record="u/3", status="False"), "waiting"),
    ],
)
def test_recorded_generation_is_synced(live_object: dict[str, Any], state: str) -> None:
    assert sync(live_object).state == state


def test_synced_generation_is_recorded_before_a_write() -> None:
    assert recorded_generation(synced_at(3, ANNOTATED, REPORTED), "2") == "u/3"
    assert recorded_generation(synced_at(3, ANNOTATED, REPORTED), "1", {"config": {"a": "1", "b": "2"}}) == "u/3"


def test_run_without_changes_keeps_the_recorded_generation() -> None:
    assert recorded_generation(synced_at(3, ANNOTATED, REPORTED), "1") is None
    assert recorded_generation(synced_at(4, ANNOTATED, REPORTED, record="u/3"), "1") == "u/3"


def test_change_of_only_the_spec_records_no_generation() -> None:
    assert recorded_generation(synced_at(3, ANNOTATED, REPORTED), "1", {"config": {"a": "2"}}) is None


def test_next_generation_is_recorded_if_only_empty_access_logs_are_added() -> None:
    """The controller writes no status for them."""
    live_object = synced_at(3, ANNOTATED, REPORTED)
    assert recorded_generation(live_object, "1", {**SPEC, "accessLogs": {}}) == "u/4"
    assert recorded_generation(live_object, "1", {"config": {"a": "2"}, "accessLogs": {}}) == "u/3"
    assert recorded_generation(live_object, "1", {"accessLogs": {}}) == "u/3"
    assert recorded_generation(live_object, "1", {**SPEC, "accessLogs": {"enabled": True}}) == "u/3"


def test_unsynced_generation_is_not_recorded() -> None:
    assert recorded_generation(synced_at(4, ANNOTATED, REPORTED_BEFORE), "2") is None
    assert recorded_generation(synced_at(4, ANNOTATED, REPORTED_BEFORE, record="u/3"), "2") == "u/3"
    assert recorded_generation(synced_at(4, ANNOTATED, REPORTED, status="False"), "2") is None


def test_object_without_a_status_is_reported_after_the_timeout() -> None:
    text = sync_error_text("ProxyDefaults consul/global", entry(), sync(live({})), 120)
    assert text.startswith(
        "consul-tracing: CT217: ProxyDefaults consul/global is written to Kubernetes, and consul-k8s "
    )
    assert "Status: none" in text
