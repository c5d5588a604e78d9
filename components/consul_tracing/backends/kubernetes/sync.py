"""Whether Consul has the content of an object, by its status."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from consul_tracing.entries.custom_resources import PLURALS, annotations_of
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import fix, message

from .managed_fields import held_paths, is_own_write, managed_fields
from .objects import ACCESS_LOGS, MIGRATION_STEPS, SYNCED_GENERATION

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject


PERMANENT_REASONS = frozenset({"ExternallyManagedConfigError", "MigrationFailedError"})
"""Reasons of the controller that a retry does not resolve."""


def with_synced_generation(metadata: JsonObject, spec: JsonObject, live: JsonObject) -> JsonObject:
    """Add the annotation SYNCED_GENERATION to the `metadata` that is written with `spec`.

    It is the current generation if Consul has it and the write may not change the generation. Otherwise it keeps its
    live value, so that an update without changes writes nothing.
    """
    if not live:
        return metadata
    recorded = annotations_of(live).get(SYNCED_GENERATION)
    if _changes_owners(live, metadata, spec) and sync(live).state == "synced":
        recorded = _generation(live, writes=int(_only_adds_access_logs(live, spec)))
    noted = {SYNCED_GENERATION: recorded} if recorded else {}
    return {**metadata, "annotations": {**metadata["annotations"], **noted}}


def _changes_owners(live: JsonObject, metadata: JsonObject, spec: JsonObject) -> bool:
    """Return whether the write changes the held fields, a label or an annotation.

    Another value in `spec` alone makes a new generation, for which the controller writes a status.
    """
    own = ("metadata", "annotations", SYNCED_GENERATION)
    written = {field: metadata[field] for field in ("annotations", "labels") if field in metadata}
    return _held(live) - {own} != set(_leaves({"metadata": written, "spec": spec})) or any(
        (live["metadata"].get(field) or {}).get(key) != value
        for field, values in written.items()
        for key, value in values.items()
    )


def _only_adds_access_logs(live: JsonObject, spec: JsonObject) -> bool:
    """Return whether the write only adds the empty ACCESS_LOGS to `spec`.

    It makes a new generation. The controller writes no status for it, because Consul has this content.
    """
    empty = ("spec", ACCESS_LOGS)
    rest = set(_leaves({"spec": spec})) - {empty}
    return (
        at(live, *empty) is None
        and spec.get(ACCESS_LOGS) == {}
        and {path for path in _held(live) if path[0] == "spec"} <= rest
        and all(at(live, *path) == at({"spec": spec}, *path) for path in rest)
    )


def _held(live: JsonObject) -> set[tuple[str, ...]]:
    """Return the fields that this package holds."""
    own_writes = [entry.get("fieldsV1") or {} for entry in managed_fields(live) if is_own_write(entry)]
    return {path for fields in own_writes for path in held_paths(fields)}


def _leaves(value: JsonObject, *above: str) -> Iterator[tuple[str, ...]]:
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from _leaves(member, *above, name)
        else:
            yield (*above, name)


def _generation(live: JsonObject, *, writes: int = 0) -> str:
    """Return the generation of an object after further writes of its `spec`."""
    # A re-created object starts at generation 1 and may have the annotations of the former object.
    return f"{live['metadata'].get('uid')}/{live['metadata'].get('generation', 0) + writes}"


@dataclass(frozen=True)
class Sync:
    """The state of an object according to the controller of consul-k8s."""

    state: Literal["synced", "rejected", "waiting"]
    """`rejected`: a retry cannot succeed."""

    reason: str = ""
    message: str = ""


def sync(live: JsonObject) -> Sync:
    """Return whether Consul has the object's content, by its condition `Synced`.

    The condition contains no generation, so it counts only if it is not older than the last write of this package. Both
    times come from the API server (`metadata.managedFields`), in whole seconds. After a change of metadata only, the
    annotation SYNCED_GENERATION is the proof.
    """
    conditions: list[JsonObject] = (live.get("status") or {}).get("conditions") or []
    condition: JsonObject = next((one for one in conditions if one.get("type") == "Synced"), {})
    reason, message = condition.get("reason") or "", condition.get("message") or ""
    recorded = annotations_of(live).get(SYNCED_GENERATION)
    if condition.get("status") == "True" and recorded and recorded == _generation(live):
        return Sync("synced")
    if _status_is_older_than_own_write(live):
        return Sync("waiting", message="no status since the last change")
    if condition.get("status") == "True":
        return Sync("synced")
    return Sync("rejected" if reason in PERMANENT_REASONS else "waiting", reason, message)


def _status_is_older_than_own_write(live: JsonObject) -> bool:
    own_writes = [entry for entry in managed_fields(live) if is_own_write(entry)]
    statuses = [_time(entry) for entry in managed_fields(live) if entry.get("subresource") == "status"]
    if not own_writes or not statuses:
        return False
    # A field that another manager holds too has the same value, so this package's write did not change it.
    shared = {
        path
        for entry in managed_fields(live)
        if entry not in own_writes and not entry.get("subresource") and _time(entry) <= max(statuses)
        for path in held_paths((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
    return any(
        _time(entry) > max(statuses)
        and not set(held_paths((entry.get("fieldsV1") or {}).get("f:spec") or {})) <= shared
        for entry in own_writes
    )


def _time(entry: JsonObject) -> datetime:
    return datetime.fromisoformat(entry["time"])


def sync_error_text(title: str, entry: Entry, status: Sync, seconds: float) -> str:
    """Return why Consul does not have an object that was written; `seconds` is the timeout."""
    match status.reason:
        case "ExternallyManagedConfigError":
            return message(
                "CT215",
                f"{title} is written to Kubernetes, and consul-k8s rejects it: {status.reason}: {status.message}",
                f"{entry.title} in Consul was written over its API.",
                *MIGRATION_STEPS,
                *fix(
                    "To replace it, without tracing until the next up:",
                    f"consul config delete -kind {entry.kind} -name {entry.name}",
                    "pulumi up",
                ),
            )
        case "MigrationFailedError":
            return message(
                "CT216",
                f"{title} is written to Kubernetes, and consul-k8s cannot migrate the entry: {status.reason}",
                status.message,
                *fix(
                    "To migrate it:",
                    "set consul:address to the Consul of this mesh: its fields that are not declared are preserved",
                    "declare the other content of the entry in Consul exactly",
                    "pulumi up",
                    "change it afterwards",
                ),
            )
        case _:
            reported = f"{status.reason}: {status.message}".strip(": ")
            return message(
                "CT217",
                f"{title} is written to Kubernetes, and consul-k8s did not write it into Consul within {seconds:g} s",
                f"Status: {reported or 'none'}",
                *fix(
                    "To check the controller and its connection to Consul:",
                    "kubectl get pods --all-namespaces --selector app=consul",
                    f"kubectl describe {PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace}",
                    "pulumi up, with a longer sync_timeout_seconds if needed",
                ),
            )
