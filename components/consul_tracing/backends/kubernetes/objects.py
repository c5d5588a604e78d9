"""Custom resources of consul-k8s: what is applied, and what live objects mean for ownership."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consul_tracing.backends.identity import object_type, patch_type
from consul_tracing.backends.live import Live, WhenDeleted
from consul_tracing.entries.bodies import canonical_json
from consul_tracing.entries.custom_resources import PLURALS, annotations_of, body, camel_case, spec_fields, title
from consul_tracing.entries.field_paths import InvalidClustersError, body_from, field_paths, is_cluster
from consul_tracing.entries.metadata import is_of_consul_k8s
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import fix, message
from consul_tracing.names import (
    ANNOTATIONS_PREFIX,
    CLUSTERS_KEY,
    COLLECTOR_CLUSTER,
    MANAGED_ANNOTATIONS,
    OWNER_KEY,
    TRACING_KEYS,
)
from consul_tracing.run_errors import ConflictError

from .managed_fields import (
    OWNER_MANAGER,
    PATCH_MANAGER,
    has_unnamed_manager,
    is_pruned_from_object,
    is_pruned_from_patch,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

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

DELETION = {"pulumi.com/deletionPropagationPolicy": "background"}
"""Annotation of objects that the provider deletes. Its default is a deletion in the foreground, which also waits for
the garbage collector of Kubernetes: up to 30 s longer for kinds that were installed shortly before. Objects of these
kinds have no dependents."""

ACCESS_LOGS = "accessLogs"
"""Field of ProxyDefaults since consul-k8s 1.0, which compares it as a pointer. Consul always returns the struct, so an
object without the field never matches its entry: consul-k8s does not migrate it, and writes it at each reconcile."""


LOGS_PATH = ("spec", ACCESS_LOGS)


@dataclass(frozen=True)
class LiveObject(Live, ABC):
    """A live entry as a custom resource."""

    object: JsonObject = field(default_factory=dict)
    """The custom resource. Empty if it does not exist, or if the preview cannot read it."""

    has_access_logs: bool = False
    """Whether the kind of the object has the field ACCESS_LOGS."""

    @abstractmethod
    def is_pruned(self, path: tuple[str, ...]) -> bool:
        """Return whether the field is removed when this stack applies the object without it."""

    @abstractmethod
    def marks(self) -> dict[str, str]:
        """Return the annotations that distinguish a whole object from a patch."""

    @abstractmethod
    def foreign(self, field: str) -> dict[str, str]:
        """Return the labels or annotations of other owners that would be removed if this stack did not apply them."""

    def pruned(self, fields: Iterable[FieldPath]) -> tuple[FieldPath, ...]:
        """Return the fields that no other field manager holds: server-side apply removes only these."""
        return tuple(one for one in fields if self.is_pruned(object_path(one)))

    def spec(self, entry: Entry, plan: Plan) -> JsonObject:
        """Return the `spec` to apply: the declared fields, and preserved fields that the object would lack otherwise.

        Fields that another manager holds are not applied: server-side apply preserves them and their owner.
        ACCESS_LOGS is empty if the kind has it and no manager sets it.
        """
        has_clusters = any(is_cluster(part) for part in entry.fields)
        applied = {
            part: value
            for part, value in plan.fields(entry).items()
            if part in entry.fields or (has_clusters and is_cluster(part)) or self._is_lacking(object_path(part))
        }
        # An imported object replaces a patch of this stack, whose deletion removes its fields.
        is_unset = self._is_lacking(LOGS_PATH) or is_pruned_from_patch(self.object, LOGS_PATH)
        empty: JsonObject = {ACCESS_LOGS: {}} if self.has_access_logs and is_unset else {}
        return {**empty, **spec_fields(body_from(applied))}

    def _is_lacking(self, path: tuple[str, ...]) -> bool:
        # A preserved field that the object does not have is a field of the entry in Consul.
        return at(self.object, *path) is None or self.is_pruned(path)

    def metadata(self, entry: Entry, own_annotations: Mapping[str, str], further: Metadata) -> JsonObject:
        """Return the `metadata` to apply: annotations of this package and the provider, and those of the inputs.

        `patchForce` takes back a declared field that another manager changed.
        """
        declared = [f"{field} {key}" for field in ("labels", "annotations") for key in getattr(further, field)]
        keys = {METADATA_KEYS: ",".join(sorted(declared))} if declared else {}
        own = {**own_annotations, "pulumi.com/patchForce": "true", **self.marks(), **keys}
        labels = {**self.foreign("labels"), **further.labels}
        return {
            "name": entry.name,
            "namespace": entry.namespace,
            **({"labels": labels} if labels else {}),
            "annotations": {**self.foreign("annotations"), **further.annotations, **own},
        }

    def reject_unremovable(self, entry: Entry, plan: Plan) -> None:
        """Reject an update that must remove a tracing key of another field manager, which server-side apply keeps."""
        fields = plan.fields(entry)
        planned = {part[1] for part in fields if part[0] == "Config"}
        has_collector = ("Config", CLUSTERS_KEY, COLLECTOR_CLUSTER) in fields
        config: JsonObject = (self.object.get("spec") or {}).get("config") or {}
        remaining = [
            key
            for key, value in config.items()
            if (key.lower() in TRACING_KEYS and key not in planned)
            or (key == CLUSTERS_KEY and COLLECTOR_CLUSTER in str(value) and not has_collector)
            if not self.is_pruned(object_path(("Config", key)))
        ]
        if remaining:
            written = plan.body(entry).get("Config") or {}
            raise ConflictError(
                message(
                    "CT211",
                    f"{title(entry)}: {', '.join(remaining)} cannot be removed, because another field manager holds it",
                    *fix(
                        "To remove it:", *(_json_patch(entry, key, written.get(key)) for key in remaining), "pulumi up"
                    ),
                )
            )


@dataclass(frozen=True)
class WholeObject(LiveObject):
    """An object that this stack writes as a whole."""

    is_in_state: bool = False
    """Whether this stack's state holds the object of another owner: imported, declared raw, or released."""

    def resource_type(self, kind: str) -> str:
        """Return the type of a whole object."""
        return object_type(kind)

    def is_pruned(self, path: tuple[str, ...]) -> bool:
        """Return whether no other field manager holds the field."""
        return is_pruned_from_object(self.object, path)

    def marks(self) -> dict[str, str]:
        """Return the field manager, how it is deleted, and that an adopted object is no longer a patch."""
        manager = {} if has_unnamed_manager(self.object) else {MANAGER: OWNER_MANAGER}
        return DELETION | manager | ({ADOPTED: "false"} if ADOPTED in annotations_of(self.object) else {})

    def foreign(self, field: str) -> dict[str, str]:
        """Return those that no other manager holds and that this stack did not declare before."""
        found: dict[str, str] = self.object.get("metadata", {}).get(field) or {}
        own = annotations_of(self.object).get(METADATA_KEYS, "").split(",")
        return {
            key: value
            for key, value in found.items()
            if not key.startswith(MANAGED_ANNOTATIONS)
            and f"{field} {key}" not in own
            and self.is_pruned(("metadata", field, key))
        }


@dataclass(frozen=True)
class ObjectPatch(LiveObject):
    """An object of another owner, of which this stack writes a patch."""

    def resource_type(self, kind: str) -> str:
        """Return the type of a patch."""
        return patch_type(kind)

    def imported_types(self, kind: str) -> list[str]:
        """Return both types: the object of a patch may have been imported as a whole."""
        return [patch_type(kind), object_type(kind)]

    def is_pruned(self, path: tuple[str, ...]) -> bool:
        """Return whether only this stack holds the field."""
        return is_pruned_from_patch(self.object, path)

    def marks(self) -> dict[str, str]:
        """Return the field manager of patches, and that the object is adopted."""
        return {MANAGER: PATCH_MANAGER, ADOPTED: "true"}

    def foreign(self, field: str) -> dict[str, str]:  # noqa: ARG002 - none of either field
        """Return none: a patch removes only what it applied before."""
        return {}

    def when_deleted(self, plan: Plan) -> WhenDeleted:
        """Return the effect of deleting the patch, which removes the key of all static clusters."""
        return "kept" if plan.released or any(is_cluster(part) for part in plan.preserved) else "fields removed"


def knows_access_logs(live: JsonObject, schema: Callable[[str], JsonObject]) -> bool:
    """Return whether ProxyDefaults have the field ACCESS_LOGS. The schema is read only if the live object lacks it."""
    return at(live, *LOGS_PATH) is not None or ACCESS_LOGS in schema("proxy-defaults").get("properties", {})


def object_path(part: FieldPath) -> tuple[str, ...]:
    """Return the path of a field in the object."""
    if part[0] == "Config":
        return ("spec", "config", part[1])
    return ("spec", *(camel_case(step) for step in part))


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


def is_adopted(live: JsonObject) -> bool:
    """Return whether this stack patches an object of another owner."""
    return annotations_of(live).get(ADOPTED) == "true"


def is_patched(live: JsonObject, policy: Policy, *, whole: bool = False) -> bool:
    """Return whether this stack writes a patch of an object of another owner, instead of a whole object.

    `whole`: whether this stack's state holds the whole object.
    """
    if is_adopted(live):
        return not (whole and policy.existing == "overwrite")
    return bool(live) and policy.existing == "adopt" and not whole and policy.owner_of(body(live)) == "unmanaged"


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
                    *fix("To write the existing object:", f"set namespace: {existing}"),
                )
            )


def conflicting_entries(live: Mapping[str, JsonObject | None]) -> Iterator[str]:
    """Describe the entries in Consul that consul-k8s does not manage and would not overwrite. Keys are titles."""
    for name, entry in live.items():
        meta: Mapping[str, str] = (entry or {}).get("Meta") or {}
        if entry is not None and not is_of_consul_k8s(meta):
            owner = f"managed by the stack {meta[OWNER_KEY]}" if OWNER_KEY in meta else "unmanaged"
            yield f"{name} exists in Consul and is {owner}: consul-k8s does not overwrite it"


MIGRATION_STEPS = (
    *fix("To write it over Consul's API:", "set target: consul"),
    *fix(
        "To move it to Kubernetes, without another change:",
        "in the stack that manages it: pulumi state delete '<URN of its ConfigEntry>'",
        "set migrate_entries: true",
    ),
)
"""Fixes for an entry in Consul that was written over its API."""
