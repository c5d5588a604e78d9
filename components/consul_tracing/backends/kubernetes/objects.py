"""Custom resources of consul-k8s: what is applied, and what live objects mean for ownership."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from consul_tracing.entries.bodies import canonical_json
from consul_tracing.entries.custom_resources import PLURALS, annotations_of, body, camel_case, spec_fields
from consul_tracing.entries.field_paths import InvalidClustersError, body_from, field_paths, is_cluster
from consul_tracing.entries.metadata import is_of_consul_k8s
from consul_tracing.errors import message, numbered
from consul_tracing.names import (
    ANNOTATIONS_PREFIX,
    CLUSTERS_KEY,
    COLLECTOR_CLUSTER,
    MANAGED_ANNOTATIONS,
    OWNER_KEY,
    TRACING_KEYS,
)
from consul_tracing.run_errors import ConflictError

from .managed_fields import OWNER_MANAGER, PATCH_MANAGER, has_unnamed_manager, would_be_pruned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from consul_tracing.entries.entry import Entry
    from consul_tracing.entries.ownership import Plan, Policy
    from consul_tracing.inputs.entry_settings import Metadata
    from consul_tracing.names import FieldPath, JsonObject

ADOPTED = f"{ANNOTATIONS_PREFIX}adopted"
"""Annotation of an adopted object. It stays a patch: a whole resource would delete the object of the other owner.
The value is "false" as soon as this stack owns the whole object."""

SYNCED_GENERATION = f"{ANNOTATIONS_PREFIX}synced-generation"
"""Annotation with the object's uid and the `metadata.generation` that Consul had when the annotation was written.
The controller does not write a status after a change of metadata only. The status is then older than the last write,
although Consul has the content."""

METADATA_KEYS = f"{ANNOTATIONS_PREFIX}metadata-keys"
"""Annotation with the further labels and annotations that this stack declares. Those that it no longer declares are
removed."""

MANAGER = "pulumi.com/patchFieldManager"
"""Annotation that sets the field manager of the Kubernetes provider."""

ACCESS_LOGS = "accessLogs"
"""Field of ProxyDefaults since consul-k8s 1.0, which compares it as a pointer. Consul always returns the struct, so an
object without the field never matches its entry: consul-k8s does not migrate it, and writes it at each reconcile."""


def spec(
    entry: Entry, plan: Plan, live: JsonObject | None, *, patch: bool, has_access_logs: bool = False
) -> JsonObject:
    """Return the `spec` to apply: the declared fields, and preserved fields that the object would lack otherwise.

    Fields that another manager holds are not applied: server-side apply preserves them and their owner.
    `has_access_logs`: whether the kind has the field ACCESS_LOGS, which is empty if no manager sets it.
    """

    def is_lacking(path: tuple[str, ...]) -> bool:
        # A preserved field that the object does not have is a field of the entry in Consul.
        return live is None or value_at(live, path) is None or would_be_pruned(live, path, patch=patch)

    declared = field_paths(entry.body)
    has_clusters = any(is_cluster(part) for part in declared)
    applied = {
        part: value
        for part, value in field_paths(plan.body(entry)).items()
        if part in declared or (has_clusters and is_cluster(part)) or is_lacking(object_path(part))
    }
    logs = ("spec", ACCESS_LOGS)
    # An imported object replaces a patch of this stack, whose deletion removes its fields.
    is_unset = is_lacking(logs) or (live is not None and would_be_pruned(live, logs, patch=True))
    empty: JsonObject = {ACCESS_LOGS: {}} if has_access_logs and is_unset else {}
    return {**empty, **spec_fields(body_from(applied))}


def value_at(live: JsonObject, path: tuple[str, ...]) -> object:
    """Return the value of a field of an object, None if it is not set."""
    value: Any = live
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value


def knows_access_logs(live: JsonObject, schema: Callable[[str], JsonObject]) -> bool:
    """Return whether ProxyDefaults have the field ACCESS_LOGS. The schema is read only if the live object lacks it."""
    is_set = value_at(live, ("spec", ACCESS_LOGS)) is not None
    return is_set or ACCESS_LOGS in schema("proxy-defaults").get("properties", {})


def object_path(part: FieldPath) -> tuple[str, ...]:
    """Return the path of a field in the object."""
    if part[0] == "Config":
        return ("spec", "config", part[1])
    return ("spec", *(camel_case(step) for step in part))


def reject_unremovable(title: str, entry: Entry, plan: Plan, live: JsonObject, *, patch: bool) -> None:
    """Reject an update that must remove a tracing key of another field manager, which server-side apply keeps."""
    planned: JsonObject = plan.body(entry).get("Config") or {}
    config: JsonObject = (live.get("spec") or {}).get("config") or {}
    remaining = [
        key
        for key, value in config.items()
        if (key.lower() in TRACING_KEYS and key not in planned)
        or (key == CLUSTERS_KEY and COLLECTOR_CLUSTER in str(value) and COLLECTOR_CLUSTER not in planned.get(key, ""))
        if not would_be_pruned(live, object_path(("Config", key)), patch=patch)
    ]
    if remaining:
        commands = [_json_patch(entry, key, planned.get(key)) for key in remaining]
        raise ConflictError(
            message(
                "CT211",
                f"{title}: {', '.join(remaining)} cannot be removed, because another field manager holds it",
                "To remove it:",
                *numbered([*commands, "pulumi up"]),
            )
        )


def _json_patch(entry: Entry, key: str, value: object) -> str:
    path = f"/spec/config/{key}"
    change = {"op": "remove", "path": path} if value is None else {"op": "replace", "path": path, "value": value}
    where = f"{PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace}"
    return f"kubectl patch {where} --type=json -p {shlex.quote(canonical_json([change]))}"


def with_entry(of_object: JsonObject | None, of_consul: JsonObject | None) -> JsonObject | None:
    """Return the body of an object with the further fields of the entry in Consul. None if neither exists."""
    if of_object is None or of_consul is None:
        return of_consul if of_object is None else of_object
    try:
        return body_from({**field_paths(of_consul), **field_paths(of_object)})
    except InvalidClustersError:
        return of_object


def metadata(
    entry: Entry,
    own_annotations: Mapping[str, str],
    further: Metadata,
    live: JsonObject | None,
    *,
    patch: bool,
) -> JsonObject:
    """Return the `metadata` of an object: annotations of this package and the provider, and those of the inputs.

    Labels and annotations of other owners are applied only if they would be removed otherwise. `patchForce` takes back
    a declared field that another manager changed.
    """
    annotations = {**own_annotations, "pulumi.com/patchForce": "true"}
    if patch or not has_unnamed_manager(live or {}):
        annotations[MANAGER] = PATCH_MANAGER if patch else OWNER_MANAGER
    if patch or ADOPTED in annotations_of(live or {}):
        annotations[ADOPTED] = "true" if patch else "false"
    declared = [*(f"labels {key}" for key in further.labels), *(f"annotations {key}" for key in further.annotations)]
    if declared:
        annotations[METADATA_KEYS] = ",".join(sorted(declared))
    foreign = {field: {} if patch else _foreign_metadata(live or {}, field) for field in ("labels", "annotations")}
    labels = {**foreign["labels"], **further.labels}
    return {
        "name": entry.name,
        "namespace": entry.namespace,
        **({"labels": labels} if labels else {}),
        "annotations": {**foreign["annotations"], **further.annotations, **annotations},
    }


def _foreign_metadata(live: JsonObject, field: str) -> dict[str, str]:
    found: dict[str, str] = live.get("metadata", {}).get(field) or {}
    own = annotations_of(live).get(METADATA_KEYS, "").split(",")
    return {
        key: value
        for key, value in found.items()
        if not key.startswith(MANAGED_ANNOTATIONS)
        and f"{field} {key}" not in own
        and would_be_pruned(live, ("metadata", field, key), patch=False)
    }


def is_adopted(live: JsonObject) -> bool:
    """Return whether this stack patches an object of another owner."""
    return annotations_of(live).get(ADOPTED) == "true"


def is_patched(live: JsonObject | None, policy: Policy, *, whole: bool = False) -> bool:
    """Return whether this stack writes a patch of an object of another owner, instead of a whole object.

    `whole`: whether this stack's state holds the whole object.
    """
    if live is None:
        return False
    if is_adopted(live):
        return not (whole and policy.existing == "overwrite")
    return policy.existing == "adopt" and not whole and policy.owner_of(body(live)) == "unmanaged"


def reject_second_mesh(objects: list[JsonObject], namespace: str | None) -> None:
    """Reject a second ProxyDefaults in another namespace: consul-k8s would write both to one entry."""
    for live in objects:
        existing = live["metadata"].get("namespace")
        if live["metadata"]["name"] == "global" and existing != namespace:
            raise ConflictError(
                message(
                    "CT210",
                    f"ProxyDefaults {existing}/global exists, and a mesh has only one: consul-k8s would "
                    "write both to one entry",
                    "To write the existing object:",
                    *numbered([f"set namespace: {existing}"]),
                )
            )


def conflicting_entries(live: Mapping[str, JsonObject | None]) -> Iterator[str]:
    """Describe the entries in Consul that consul-k8s does not manage and would not overwrite. Keys are titles."""
    for title, entry in live.items():
        meta: Mapping[str, str] = (entry or {}).get("Meta") or {}
        if entry is not None and not is_of_consul_k8s(meta):
            owner = f"managed by the stack {meta[OWNER_KEY]}" if OWNER_KEY in meta else "unmanaged"
            yield f"{title} exists in Consul and is {owner}: consul-k8s does not overwrite it"


MIGRATION_STEPS = (
    "To write it over Consul's API:",
    *numbered(["set target: consul"]),
    "To move it to Kubernetes, without another change:",
    *numbered(
        ["in the stack that manages it: pulumi state delete '<URN of its ConfigEntry>'", "set migrate_entries: true"]
    ),
)
"""Fixes for an entry in Consul that was written over its API."""


def preserves_clusters(plan: Plan) -> bool:
    """Return whether the key of the static clusters contains clusters of other owners."""
    return any(is_cluster(part) for part in plan.preserved)
