"""Ownership rules: for each entry, which fields of a live entry are preserved, replaced and removed, or a conflict.

An entry's `Meta` lists the field paths that its owner manages. The next run removes those that are no longer declared.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .entries import TRACING_KEYS
from .envoy import COLLECTOR_CLUSTER
from .errors import Refused, numbered
from .marks import STACK_MARK, is_mark, is_of_consul_k8s, marked_parts, marked_resource
from .parts import (
    CLUSTERS_KEY,
    UnreadableClusters,
    body_of,
    clusters_of,
    is_covered,
    parts_of,
    same_field,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .entries import Entry
    from .fields import JsonObject
    from .parts import Part

Existing = Literal["refuse", "adopt", "overwrite"]
"""What to do with an entry that this stack does not manage."""

Owner = Literal["none", "this stack", "another stack", "consul-k8s", "unmanaged"]
"""Who manages a live entry: `none` where there is no entry, `unmanaged` where it has no ownership metadata."""

IDENTITY = frozenset({"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex", "Hash"})
"""Fields that name an entry or count its versions; they are no content."""

EMPTY: tuple[object, ...] = (None, "", {}, [])
"""Values of unset fields: Consul fills some of them in, and a provider may write out others."""


class Change(NamedTuple):
    """A field with another value."""

    part: Part
    old: object
    new: object


@dataclass(frozen=True)
class Plan:
    """How an entry is written over the live one, in addition to the fields that this stack declares."""

    owner: Owner = "none"
    """Who manages the live entry."""

    stack: str = ""
    """The owner that the live entry records; empty where it records none."""

    preserved: Mapping[Part, Any] = field(default_factory=dict)
    """The fields of other owners that stay."""

    replaced: tuple[Change, ...] = ()
    """The fields of other owners that this stack declares with another value."""

    removed: tuple[Part, ...] = ()
    """The fields of other owners that do not stay."""

    as_declared: bool = False
    """Whether the live entry has the value of each declared field."""

    resource: str = ""
    """The URN of this stack's resource that manages the live entry; empty where none is recorded."""

    released: bool = False
    """Whether the entry is written without ownership metadata, and stays when its resource is deleted."""

    def body(self, entry: Entry) -> JsonObject:
        """The entry's fields, declared and preserved, without ownership metadata."""
        return body_of({**self.preserved, **parts_of(entry.body)})


@dataclass(frozen=True)
class Conflict:
    """An entry that may not be written."""

    owner: Owner
    """Who manages the live entry."""

    stack: str = ""
    """The owner that the live entry records; empty where it records none."""

    adopting: Plan = field(default_factory=Plan)
    """The plan that `existing: adopt` would have; what it preserves, `overwrite` removes."""

    metadata: tuple[str, ...] = ()
    """The keys of the live entry's ownership metadata."""

    unreadable: str = ""
    """Why the static clusters of the live entry cannot be parsed; empty where they can."""


@dataclass(frozen=True)
class Policy:
    """The owner that this stack records, and what it may do with entries of other owners."""

    existing: Existing
    """What to do with an entry that this stack does not manage."""

    owner: str
    """The owner that this stack records: its full name, `organization/project/stack`, or the input `owner`."""

    renamed_from: str | None = None
    """The owner that this stack recorded before; None where it always was `owner`."""

    release: bool = False
    """Whether this stack gives up the entries that it manages."""

    def owner_of(self, live: JsonObject | None) -> Owner:
        """Who manages `live`, by its `Meta`."""
        if live is None:
            return "none"
        meta = _meta(live)
        if is_of_consul_k8s(meta):
            return "consul-k8s"
        if STACK_MARK in meta:
            return "this stack" if meta[STACK_MARK] in {self.owner, self.renamed_from} else "another stack"
        return "unmanaged"


def plan(entry: Entry, live: JsonObject | None, policy: Policy) -> Plan | Conflict:
    """Decide how `entry` is written over `live`, which is None where there is no entry."""
    owner, meta = policy.owner_of(live), _meta(live)
    if live is None:
        return Plan(released=policy.release)
    stack = meta.get(STACK_MARK, "")
    overwrites = policy.existing == "overwrite" and owner != "consul-k8s"
    try:
        managed = marked_parts(meta if owner == "this stack" else {})
        merged = _merge(entry, live, managed, keep=not overwrites)
    except UnreadableClusters as error:
        if overwrites:
            return Plan(owner, stack, removed=(("Config", CLUSTERS_KEY),))
        return Conflict(owner, stack, unreadable=str(error))
    released = policy.release or (not entry.body and bool(merged.preserved))
    # A released entry is unmanaged from the next run on, which changes nothing in it.
    unchanged = released and merged.as_declared and not merged.removed
    allowed = {"this stack": True, "unmanaged": policy.existing == "adopt" or unchanged}.get(owner, False)
    if not overwrites and not allowed:
        return Conflict(owner, stack, merged, tuple(key for key in meta if is_mark(("Meta", key))))
    resource = marked_resource(meta) if owner == "this stack" else ""
    return replace(merged, owner=owner, stack=stack, resource=resource, released=released)


def _merge(entry: Entry, live: JsonObject, managed: frozenset[Part], *, keep: bool) -> Plan:
    """What becomes of the fields of other owners; `keep`: whether those that are not declared stay."""
    new = {same_field(part): value for part, value in parts_of(entry.body).items()}
    content = _content(live)
    foreign = {part: value for part, value in content.items() if not is_covered(part, managed)}
    there = {same_field(part): value for part, value in content.items()}
    undeclared = {part: value for part, value in foreign.items() if same_field(part) not in new}
    return Plan(
        preserved={part: value for part, value in undeclared.items() if keep and not is_tracing(part)},
        replaced=tuple(
            Change(part, value, new[same_field(part)])
            for part, value in foreign.items()
            if same_field(part) in new and value != new[same_field(part)]
        ),
        removed=tuple(part for part in undeclared if not keep or is_tracing(part)),
        as_declared=all(there.get(part) == value for part, value in new.items()),
    )


def refuse_taken_resources(moved: Mapping[str, tuple[str, str]], in_state: Collection[str], policy: Policy) -> None:
    """Refuse a run in which Pulumi would delete an entry that the program still declares.

    `moved`: by the title of an entry the URN of the resource that manages it and the URN of the one that will.
    Pulumi moves a resource to a new URN by an alias, unless the new URN is `in_state` already, as another entry's.
    """
    deleted = {title: old for title, (old, new) in moved.items() if {old, new} <= set(in_state)}
    if deleted:
        raise Refused(
            f"{', '.join(deleted)}: would be deleted by this run, because another entry of {policy.owner} had the "
            "resource name that the program now gives to it",
            "To keep the live entries and give up the old resource names:",
            *numbered([*map(state_deletion, deleted.values()), "pulumi up"]),
        )


def state_deletion(urn: str) -> str:
    """The command that makes the stack give up a resource without touching its entry."""
    return f"pulumi state delete '{urn}'"


def drift(recorded: JsonObject, live: JsonObject | None) -> tuple[Change, ...]:
    """The managed fields whose live value differs from the one that Pulumi's state has `recorded`."""
    managed = marked_parts(_meta(recorded))
    written = {part: value for part, value in parts_of(recorded).items() if is_covered(part, managed)}
    try:
        there = parts_of(live or {})
    except UnreadableClusters:
        return (Change(("Config", CLUSTERS_KEY), None, None),)
    return tuple(Change(part, value, there.get(part)) for part, value in written.items() if there.get(part) != value)


def _meta(live: JsonObject | None) -> dict[str, str]:
    return (live or {}).get("Meta") or {}


def _content(live: JsonObject) -> dict[Part, Any]:
    """The field paths of a live entry, without its identity, fields that Consul fills in, and ownership metadata."""
    fields = {name: value for name, value in live.items() if name not in IDENTITY and value not in EMPTY}
    return {part: value for part, value in parts_of(fields).items() if not is_mark(part) and not _is_empty(part, value)}


def _is_empty(part: Part, value: object) -> bool:
    # A key of Config or Meta means something to its owner, whatever its value.
    return part[0] not in {"Config", "Meta"} and value in EMPTY


def is_tracing(part: Part) -> bool:
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


def refuse_missing_cluster(live: JsonObject | None) -> None:
    """Refuse a tracer in the listener key while proxies cannot have started with the collector's cluster.

    Such a proxy rejects the listener, and with it every later change of that listener, intentions among them, until
    it restarts.
    """
    try:
        clusters = clusters_of(((live or {}).get("Config") or {}).get(CLUSTERS_KEY, ""))
    except UnreadableClusters:
        clusters = {}
    if COLLECTOR_CLUSTER not in clusters:
        raise Refused(
            f'gateways: "skip" would be rejected by every running proxy: none has the cluster {COLLECTOR_CLUSTER} yet',
            "Until they restart they would take no further change of those listeners, intentions among them.",
            'In this order:  1. pulumi up with gateways: "join"',
            "                2. restart every proxy, so that it starts with the cluster",
            '                3. pulumi up with gateways: "skip"',
            "                4. restart the gateways, which keep the tracer that they started with",
        )
