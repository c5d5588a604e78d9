"""Entries as consul-k8s' custom resources: what is written of one, what a live one holds, and whether Consul has it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from .entries import TRACING_KEYS, canonical_json
from .envoy import COLLECTOR_CLUSTER
from .errors import Refused, numbered
from .marks import STACK_MARK, is_of_consul_k8s
from .parts import CLUSTERS_KEY, STRUCTS, body_of, is_cluster, parts_of
from .places import ANNOTATIONS_PREFIX, KINDS, PLURALS, annotation

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .entries import Entry
    from .fields import JsonObject
    from .ownership import Plan, Policy
    from .parts import Part

ADOPTED = f"{ANNOTATIONS_PREFIX}adopted"
"""The annotation of an object that others made and we patch: from then on it must stay a patch, since deleting our
resource would otherwise delete their object. "false" once this stack owns the whole object."""

SYNCED_GENERATION = f"{ANNOTATIONS_PREFIX}synced-generation"
"""The annotation with the object's uid and the `metadata.generation` that Consul was known to have when the annotation
was written. The controller writes no status after a change of metadata alone, so the status is then older than our
last write although Consul has the object's content."""

MIGRATE = "consul.hashicorp.com/migrate-entry"
"""consul-k8s' annotation: take over an entry of Consul that is not its own, if it is identical."""

OWN_ANNOTATIONS = (ANNOTATIONS_PREFIX, "pulumi.com/", MIGRATE, "kubectl.kubernetes.io/last-applied-configuration")
"""How the annotations begin that are never repeated: ours, and kubectl's copy of what it applied."""

MANAGER = "pulumi.com/patchFieldManager"
"""The annotation in which the Kubernetes provider reads the name of its field manager."""

OWNER_MANAGER, PATCH_MANAGER = "consul-tracing", "consul-tracing-patch"
"""Our field managers (server-side apply). Two, since a patch that is deleted takes all fields of its manager along."""

UNNAMED = "pulumi-kubernetes"
"""How the field manager begins under which the Kubernetes provider writes without server-side apply."""

GO_NAMES = {"jsonFormat": "JSONFormat"}
"""Go's names that do not follow from the name in the custom resource."""

FREE_FORM = frozenset({"config", "arguments"})
"""Fields whose keys are no field names, and stay as they are."""

TAKEN_OVER = ("kubectl", "before-first-apply")
"""How the field managers begin whose fields the Kubernetes provider takes over."""

PERMANENT = frozenset({"ExternallyManagedConfigError", "MigrationFailedError"})
"""The controller's reasons that do not pass by themselves."""


def spec(entry: Entry, plan: Plan, live: JsonObject | None, *, patch: bool) -> JsonObject:
    """What we apply, in camelCase: the parts that we declare, and those of others that would go if we did not.

    What others hold by themselves is not repeated: under server-side apply it stays, and stays theirs.
    """
    declared = parts_of(entry.body)
    has_clusters = any(is_cluster(part) for part in declared)
    applied = {
        part: value
        for part, value in parts_of(plan.body(entry)).items()
        if part in declared
        or (has_clusters and is_cluster(part))
        or (live is not None and would_go(live, path_of(part), patch=patch))
    }
    return {camel_case(name): renamed(value, name) for name, value in body_of(applied).items()}


def path_of(part: Part) -> tuple[str, ...]:
    """The path of a field in the object."""
    if part[0] == "Config":
        return ("spec", "config", part[1])
    return ("spec", *(camel_case(step) for step in part))


def would_go(live: JsonObject, path: tuple[str, ...], *, patch: bool) -> bool:
    """Whether the field at `path` would go if we did not apply it, since nobody holds it who keeps it from that.

    Before it changes an object of its own, the Kubernetes provider takes over what kubectl holds (its way from
    client-side to server-side apply), and applying without it then takes it out. It does not for a patch; there a
    field goes that once was ours, such as the key of the clusters.
    """
    holders = [entry.get("manager", "") for entry in _managed(live) if _holds(entry.get("fieldsV1") or {}, path)]
    if patch:
        return bool(holders) and all(holder.startswith((PATCH_MANAGER, UNNAMED)) for holder in holders)
    return all(holder == OWNER_MANAGER or holder.startswith((UNNAMED, *TAKEN_OVER)) for holder in holders)


def refuse_remaining(title: str, entry: Entry, plan: Plan, live: JsonObject, *, patch: bool) -> None:
    """Reject a write after which a tracing key would remain that the plan removes.

    Server-side apply removes no field that another manager holds.
    """
    planned: JsonObject = plan.body(entry).get("Config") or {}
    config: JsonObject = (live.get("spec") or {}).get("config") or {}
    remaining = [
        key
        for key, value in config.items()
        if (key.lower() in TRACING_KEYS and key not in planned)
        or (key == CLUSTERS_KEY and COLLECTOR_CLUSTER in str(value) and COLLECTOR_CLUSTER not in planned.get(key, ""))
        if not would_go(live, path_of(("Config", key)), patch=patch)
    ]
    if remaining:
        commands = [_json_patch(entry, key, planned.get(key)) for key in remaining]
        raise Refused(
            f"{title} holds {', '.join(remaining)}, which this run cannot remove: another field manager holds it",
            "To remove it:",
            *numbered([*commands, "pulumi up"]),
        )


def _json_patch(entry: Entry, key: str, value: object) -> str:
    path = f"/spec/config/{key}"
    change = {"op": "remove", "path": path} if value is None else {"op": "replace", "path": path, "value": value}
    where = f"{PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace}"
    return f"kubectl patch {where} --type=json -p {shlex.quote(canonical_json([change]))}"


def camel_case(name: str) -> str:
    """A Go field's name as the custom resource has it: `MeshGateway` to `meshGateway`, `JSONFormat` to `jsonFormat`."""
    return re.sub(r"^[A-Z]+(?=[A-Z][a-z])|^[A-Z]+", lambda start: start[0].lower(), name)


def renamed(value: object, field: str) -> object:
    """`value` of a field, with the names of the fields in it in camelCase."""
    match value:
        case dict() if camel_case(field) not in FREE_FORM:
            return {camel_case(name): renamed(member, name) for name, member in value.items()}
        case list() if camel_case(field) not in FREE_FORM:
            return [renamed(member, "") for member in value]
        case _:
            return value


def body(live: JsonObject) -> JsonObject:
    """A live object as the entry that it stands for, with Go names at the top and our marks as its `Meta`."""
    return {**_go_named(live.get("spec") or {}, ()), "Meta": dict(_marks(live))}


def _go_named(fields: JsonObject, above: Part) -> JsonObject:
    named = {}
    for name, value in fields.items():
        path = (*above, GO_NAMES.get(name, name[:1].upper() + name[1:]))
        inner = path in STRUCTS and path != ("Config",) and isinstance(value, dict)
        named[path[-1]] = _go_named(value, path) if inner else value
    return named


def _marks(live: JsonObject) -> Iterator[tuple[str, str]]:
    for name, value in annotations_on(live).items():
        if name.startswith(ANNOTATIONS_PREFIX) and name not in {ADOPTED, SYNCED_GENERATION}:
            mark = name.removeprefix(ANNOTATIONS_PREFIX)
            yield (f"consul-tracing-{mark}" if mark.startswith(("keys", "resource")) else mark), value


def metadata(
    entry: Entry, marks: Mapping[str, str], live: JsonObject | None, *, patch: bool, migrate: bool
) -> JsonObject:
    """The `metadata` of an object that we write, with our `marks` and what the Kubernetes provider and consul-k8s read.

    Labels and annotations of others are repeated where they would go if we did not. With `patchForce` what we declare
    is ours, also where somebody has changed it by hand since.
    """
    annotations = {annotation(mark): value for mark, value in marks.items()}
    annotations[MANAGER] = PATCH_MANAGER if patch else OWNER_MANAGER
    annotations["pulumi.com/patchForce"] = "true"
    if patch or ADOPTED in annotations_on(live or {}):
        annotations[ADOPTED] = "true" if patch else "false"
    if migrate:
        annotations[MIGRATE] = "true"
    of_others = {} if live is None or patch else {name: _of_others(live, name) for name in ("annotations", "labels")}
    named = {"name": entry.name, "namespace": entry.namespace}
    labels = {"labels": of_others["labels"]} if of_others.get("labels") else {}
    return {**named, **labels, "annotations": {**of_others.get("annotations", {}), **annotations}}


def noting_sync(metadata: JsonObject, spec: JsonObject, live: JsonObject | None) -> JsonObject:
    """The `metadata` to write with `spec`, with the annotation SYNCED_GENERATION.

    It is the current generation where Consul has it and a write follows that may leave it as it is. Otherwise it keeps
    its live value, so that a run without changes writes nothing.
    """
    if live is None:
        return metadata
    recorded = annotations_on(live).get(SYNCED_GENERATION)
    if _changes_owners(live, metadata, spec) and sync(live).state == "synced":
        recorded = _generation(live)
    noted = {SYNCED_GENERATION: recorded} if recorded else {}
    return {**metadata, "annotations": {**metadata["annotations"], **noted}}


def _changes_owners(live: JsonObject, metadata: JsonObject, spec: JsonObject) -> bool:
    """Whether applying changes which fields we hold, or the value of a label or an annotation.

    Another value in `spec` alone is no such change: it makes a new generation, of which the controller writes a status.
    """
    own = ("metadata", "annotations", SYNCED_GENERATION)
    written = {field: metadata[field] for field in ("annotations", "labels") if field in metadata}
    ours = [entry.get("fieldsV1") or {} for entry in _managed(live) if _is_our_write(entry)]
    held = {path for fields in ours for path in _paths(fields)} - {own}
    return held != set(_leaves({"metadata": written, "spec": spec})) or any(
        (live["metadata"].get(field) or {}).get(key) != value
        for field, values in written.items()
        for key, value in values.items()
    )


def _leaves(value: JsonObject, *above: str) -> Iterator[tuple[str, ...]]:
    for name, member in value.items():
        if isinstance(member, dict) and member:
            yield from _leaves(member, *above, name)
        else:
            yield (*above, name)


def _generation(live: JsonObject) -> str:
    # With the uid: a copy of the object starts anew at 1, with the annotations of the former.
    return f"{live['metadata'].get('uid')}/{live['metadata'].get('generation')}"


def _of_others(live: JsonObject, field: str) -> dict[str, str]:
    found: dict[str, str] = live.get("metadata", {}).get(field) or {}
    return {
        key: value
        for key, value in found.items()
        if not key.startswith(OWN_ANNOTATIONS) and would_go(live, ("metadata", field, key), patch=False)
    }


def annotations_on(live: JsonObject) -> dict[str, str]:
    """The annotations of a live object."""
    return live.get("metadata", {}).get("annotations") or {}


def is_adopted(live: JsonObject) -> bool:
    """Whether others made the object, and we patch it."""
    return annotations_on(live).get(ADOPTED) == "true"


def is_patched(live: JsonObject | None, policy: Policy, *, whole: bool = False) -> bool:
    """Whether this stack writes a patch over an object of another owner, rather than a whole object.

    `whole`: whether this stack's state holds the whole object: imported to be overwritten, or released.
    """
    if live is None:
        return False
    if is_adopted(live):
        return not (whole and policy.existing == "overwrite")
    return policy.existing == "adopt" and not whole and policy.owner_of(body(live)) == "unmanaged"


def is_released(recorded: JsonObject) -> bool:
    """Whether an object in the stack's state was written by this stack, without ownership metadata."""
    annotations = annotations_on(recorded)
    return annotations.get(MANAGER) == OWNER_MANAGER and annotation(STACK_MARK) not in annotations


def _managed(live: JsonObject) -> list[JsonObject]:
    return live.get("metadata", {}).get("managedFields") or []


def _holds(fields: JsonObject, path: tuple[str, ...]) -> bool:
    for step in path:
        if f"f:{step}" not in fields:
            return False
        fields = fields[f"f:{step}"]
    return True


def _is_our_write(entry: JsonObject) -> bool:
    return _is_ours(entry.get("manager", "")) and not entry.get("subresource")


def _is_ours(manager: str) -> bool:
    return manager in {OWNER_MANAGER, PATCH_MANAGER} or manager.startswith(UNNAMED)


@dataclass(frozen=True)
class Sync:
    """What consul-k8s' controller says of an object."""

    state: Literal["synced", "refused", "waiting"]
    """`refused`: it says no, and will until somebody changes something."""

    reason: str = ""
    message: str = ""


def sync(live: JsonObject) -> Sync:
    """Whether Consul has what we wrote, by the object's condition `Synced`.

    The condition names no generation, so it is believed only once it is as new as our own last change: before that it
    speaks of what was there before. Both times are the API server's (`metadata.managedFields`), in whole seconds. After
    a change of metadata alone, the annotation SYNCED_GENERATION proves it instead.
    """
    conditions: list[JsonObject] = (live.get("status") or {}).get("conditions") or []
    condition: JsonObject = next((one for one in conditions if one.get("type") == "Synced"), {})
    reason, message = condition.get("reason") or "", condition.get("message") or ""
    recorded = annotations_on(live).get(SYNCED_GENERATION)
    if condition.get("status") == "True" and recorded and recorded == _generation(live):
        return Sync("synced")
    if _told_before_our_change(live):
        return Sync("waiting", message="consul-k8s has not looked at it since it was changed")
    if condition.get("status") == "True":
        return Sync("synced")
    return Sync("refused" if reason in PERMANENT else "waiting", reason, message)


def _told_before_our_change(live: JsonObject) -> bool:
    ours = [entry for entry in _managed(live) if _is_our_write(entry)]
    told = [_time(entry) for entry in _managed(live) if entry.get("subresource") == "status"]
    if not ours or not told:
        return False
    # What others hold as well has the same value for all of us, so ours changed nothing.
    theirs = {
        path
        for entry in _managed(live)
        if entry not in ours and not entry.get("subresource") and _time(entry) <= max(told)
        for path in _paths((entry.get("fieldsV1") or {}).get("f:spec") or {})
    }
    return any(
        _time(entry) > max(told) and not set(_paths((entry.get("fieldsV1") or {}).get("f:spec") or {})) <= theirs
        for entry in ours
    )


def _paths(fields: JsonObject, *above: str) -> Iterator[tuple[str, ...]]:
    for step, below in fields.items():
        if step == ".":
            continue
        name = step.removeprefix("f:")
        yield from _paths(below, *above, name) if below else [(*above, name)]


def _time(entry: JsonObject) -> datetime:
    return datetime.fromisoformat(entry["time"])


def refuse_second_mesh(objects: list[JsonObject], entry: Entry) -> None:
    """Refuse a ProxyDefaults beside one in another namespace: consul-k8s writes both to one entry, in turns."""
    for live in objects:
        namespace = live["metadata"].get("namespace")
        if live["metadata"]["name"] == entry.name and namespace != entry.namespace:
            raise Refused(
                f"{KINDS[entry.kind]} {namespace}/{entry.name} exists, and a mesh has one: consul-k8s would write both "
                "to one entry, in turns",
                f"To write that one:  namespace: {namespace}",
            )


def in_the_way(live: Mapping[str, JsonObject | None]) -> Iterator[str]:
    """Describe each entry of Consul, by its title, that consul-k8s does not manage and would not sync ours over."""
    for title, entry in live.items():
        meta: Mapping[str, str] = (entry or {}).get("Meta") or {}
        if entry is not None and not is_of_consul_k8s(meta):
            writer = f"by the stack {meta[STACK_MARK]}" if STACK_MARK in meta else "by hand, or by another tool"
            yield f"{title} in Consul was written over its API, {writer}: consul-k8s would refuse to sync ours"


WAYS_ON = (
    "To write it there:                   target: consul",
    "To hand it to Kubernetes as it is:   migrate_entries: true, with the same content declared. Its stack must first",
    "                                     give it up:  pulumi state delete '<URN of its ConfigEntry>'",
)
"""What to do with an entry of Consul's API that stands where ours should."""


def not_synced_text(title: str, entry: Entry, told: Sync, seconds: float) -> str:
    """What is said of an object that is written and that Consul does not have, `seconds` being its time to."""
    written = f"consul-tracing: {title} is written, and consul-k8s"
    lines: tuple[str, ...]
    match told.reason:
        case "ExternallyManagedConfigError":
            lines = (
                f"{written} refuses to sync it: {told.reason}: {told.message}",
                f"Consul's {entry.kind}/{entry.name} came over its API: by hand, by Terraform, by another stack.",
                *WAYS_ON,
                f"To replace it:                       consul config delete -kind {entry.kind} -name {entry.name}",
            )
        case "MigrationFailedError":
            lines = (
                f"{written} refuses to take over what Consul has: {told.reason}",
                told.message,
                "Declare what Consul has, to the letter, and pulumi up again; change it afterwards.",
            )
        case _:
            said = f"{told.reason}: {told.message}".strip(": ")
            lines = (
                f"{written} has not brought it into Consul within {seconds:g} s",
                f"Its controller says: {said or 'nothing yet'}",
                "Is the controller running, and does it reach Consul?",
                "  kubectl get pods --all-namespaces --selector app=consul",
                f"  kubectl describe {PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace}",
                "What is written stays; pulumi up again finishes. To wait longer:  sync_timeout_seconds",
            )
    return "\n  ".join(lines)


def clusters_kept(plan: Plan) -> bool:
    """Whether others' clusters stand in the key that holds ours."""
    return any(is_cluster(part) for part in plan.preserved)
