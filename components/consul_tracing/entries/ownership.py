"""Ownership rules: which fields of a live entry are preserved, replaced and removed, or a conflict.

The entry's `Meta` lists the field paths that its owner manages. The next update removes those that are no longer
declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from consul_tracing.entry_structs import SCOPE
from consul_tracing.errors import fix, message
from consul_tracing.names import CLUSTERS_KEY, COLLECTOR_CLUSTER, OWNER_KEY, TRACING_KEYS

from .field_paths import InvalidClustersError, body_from, canonical_path, field_paths, split_clusters
from .metadata import is_of_consul_k8s, is_ownership_metadata, managed_fields, recorded_resource

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consul_tracing.names import FieldPath, JsonObject

    from .entry import Entry

Existing = Literal["refuse", "adopt", "overwrite"]
"""Policy for entries that this stack does not manage."""

Owner = Literal["none", "this stack", "another stack", "consul-k8s", "unmanaged"]
"""Owner of a live entry: `none` if there is no entry, `unmanaged` if it has no ownership metadata."""

EMPTY: tuple[object, ...] = (None, "", {}, [])
"""Values of unset fields: Consul adds some of them, and a provider may write them explicitly."""


class Change(NamedTuple):
    """A field with another value."""

    part: FieldPath
    old: object
    new: object


@dataclass(frozen=True)
class Plan:
    """How an entry is written: the fields of other owners, in addition to the declared fields."""

    owner: Owner = "none"
    """Owner of the live entry."""

    stack: str = ""
    """The owner in the metadata of the live entry; empty if it has none."""

    preserved: Mapping[FieldPath, Any] = field(default_factory=dict)
    """The fields of other owners that stay."""

    replaced: tuple[Change, ...] = ()
    """The fields of other owners that this stack declares with another value."""

    removed: tuple[FieldPath, ...] = ()
    """The fields of other owners that do not stay."""

    as_declared: bool = False
    """Whether the live entry has the value of each declared field."""

    resource: str = ""
    """The URN of this stack's resource that manages the live entry; empty if none is recorded."""

    released: bool = False
    """Whether the entry is written without ownership metadata, and stays when its resource is deleted."""

    def fields(self, entry: Entry) -> dict[FieldPath, Any]:
        """Return the fields to write, declared and preserved, without ownership metadata."""
        return {**self.preserved, **entry.fields}

    def body(self, entry: Entry) -> JsonObject:
        """Return the fields to write as a body."""
        return body_from(self.fields(entry))


@dataclass(frozen=True)
class Conflict:
    """An entry that must not be written."""

    owner: Owner
    """Owner of the live entry."""

    stack: str = ""
    """The owner in the metadata of the live entry; empty if it has none."""

    adopting: Plan = field(default_factory=Plan)
    """The plan that `existing: adopt` would have; `overwrite` removes the fields that it preserves."""

    metadata: tuple[str, ...] = ()
    """The keys of the live entry's ownership metadata."""

    unreadable: str = ""
    """Why the static clusters of the live entry cannot be parsed; empty if they can."""


@dataclass(frozen=True)
class Policy:
    """The owner that this stack records, and what it may do with entries of other owners."""

    existing: Existing
    """Policy for entries that this stack does not manage."""

    owner: str
    """The owner that this stack records: its full name, `organization/project/stack`, or the input `owner`."""

    renamed_from: str | None = None
    """The owner that this stack recorded before; None if it has always been `owner`."""

    release: bool = False
    """Whether this stack releases the entries that it manages."""

    def owner_of(self, live: JsonObject | None) -> Owner:
        """Return the owner of a live entry, from its `Meta`."""
        if live is None:
            return "none"
        meta = _meta(live)
        if is_of_consul_k8s(meta):
            return "consul-k8s"
        if OWNER_KEY in meta:
            return "this stack" if meta[OWNER_KEY] in {self.owner, self.renamed_from} else "another stack"
        return "unmanaged"


def plan(
    entry: Entry, live: JsonObject | None, policy: Policy, inherited: Collection[FieldPath] = ()
) -> Plan | Conflict:
    """Decide how `entry` is written over the live entry, or return why it must not be written.

    `inherited`: fields that Consul has added to the live entry, which have no owner.
    """
    owner, meta = policy.owner_of(live), _meta(live)
    if live is None:
        return Plan(released=policy.release)
    stack = meta.get(OWNER_KEY, "")
    overwrites = policy.existing == "overwrite" and owner != "consul-k8s"
    try:
        managed = managed_fields(meta if owner == "this stack" else {})
        merged = _merge(entry, live, managed, inherited, keep=not overwrites)
    except InvalidClustersError as error:
        if overwrites:
            return Plan(owner, stack, removed=(("Config", CLUSTERS_KEY),))
        return Conflict(owner, stack, unreadable=str(error))
    released = policy.release or (not entry.body and bool(merged.preserved))
    # A released entry is unmanaged in the next update, which must not be a conflict.
    unchanged = released and merged.as_declared and not merged.removed
    adopts = owner == "unmanaged" and (policy.existing == "adopt" or unchanged)
    if not (owner == "this stack" or adopts or overwrites):
        return Conflict(owner, stack, merged, tuple(key for key in meta if is_ownership_metadata(("Meta", key))))
    resource = recorded_resource(meta) if owner == "this stack" else ""
    return replace(merged, owner=owner, stack=stack, resource=resource, released=released)


def _merge(
    entry: Entry, live: JsonObject, managed: frozenset[FieldPath], inherited: Collection[FieldPath], *, keep: bool
) -> Plan:
    """Compare a live entry with the declared one. `keep`: whether undeclared fields of other owners stay."""
    new = {canonical_path(part): value for part, value in entry.fields.items()}
    content = _content(live)
    foreign = {part: value for part, value in content.items() if part not in managed}
    there = {canonical_path(part): value for part, value in content.items()}
    undeclared = {
        part: value for part, value in foreign.items() if canonical_path(part) not in new and part not in inherited
    }
    return Plan(
        preserved={part: value for part, value in undeclared.items() if keep and not is_tracing(part)},
        replaced=tuple(
            Change(part, value, new[canonical_path(part)])
            for part, value in foreign.items()
            if canonical_path(part) in new and value != new[canonical_path(part)]
        ),
        removed=tuple(part for part in undeclared if not keep or is_tracing(part)),
        as_declared=all(there.get(part) == value for part, value in new.items()),
    )


def drift(recorded: JsonObject, live: JsonObject) -> tuple[Change, ...]:
    """Return the managed fields whose live value differs from the value in Pulumi's state, and a lost owner."""
    managed = managed_fields(_meta(recorded)) | {("Meta", OWNER_KEY)}
    written = {part: value for part, value in field_paths(recorded).items() if part in managed}
    try:
        there = field_paths(live)
    except InvalidClustersError:
        return (Change(("Config", CLUSTERS_KEY), (recorded.get("Config") or {}).get(CLUSTERS_KEY), ""),)
    return tuple(Change(part, value, there.get(part)) for part, value in written.items() if there.get(part) != value)


def _meta(live: JsonObject | None) -> dict[str, str]:
    return (live or {}).get("Meta") or {}


def _content(live: JsonObject) -> dict[FieldPath, Any]:
    """Return the field paths of a live entry without empty fields, scope and ownership metadata."""
    fields = {name: value for name, value in live.items() if name not in SCOPE and value not in EMPTY}
    return {
        part: value
        for part, value in field_paths(fields).items()
        if not is_ownership_metadata(part) and not _is_empty(part, value)
    }


def _is_empty(part: FieldPath, value: object) -> bool:
    # An empty key of Config or Meta may have a meaning for its owner.
    return part[0] not in {"Config", "Meta"} and value in EMPTY


def is_tracing(part: FieldPath) -> bool:
    """Whether a field is the mesh's tracing configuration, which this stack manages in each entry that it writes.

    Consul ignores the case of the keys of `Config`.
    """
    match part:
        case ("Config", key):
            return key.lower() in TRACING_KEYS
        case ("Config", _, name):
            return name == COLLECTOR_CLUSTER
        case _:
            return False


def missing_cluster_text(live: JsonObject | None) -> str:
    """Return why a tracer in the listener key is too early: no proxy has the collector's cluster. Empty if some have.

    A proxy without the cluster rejects the listener and every later change of it, intentions included, until it
    restarts.
    """
    try:
        clusters = split_clusters(((live or {}).get("Config") or {}).get(CLUSTERS_KEY, ""))
    except InvalidClustersError:
        clusters = {}
    if COLLECTOR_CLUSTER in clusters:
        return ""
    return message(
        "CT213",
        f'gateways: "skip" requires proxies with the cluster {COLLECTOR_CLUSTER}, and the live entry has none',
        "Running proxies would reject the listener and its later changes until they restart.",
        *fix(
            "To roll out the cluster first:",
            'pulumi up with gateways: "join"',
            "restart every proxy",
            'pulumi up with gateways: "skip"',
            "restart the gateways, which keep the tracer of their last start",
        ),
    )
