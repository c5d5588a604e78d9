"""What may be written over a live entry, and what of it stays.

The list of our parts stands in the entry's `Meta`, so that the next run can tell ours from what others wrote, and take
out what we no longer declare.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from .entries import TRACING_KEYS
from .envoy import COLLECTOR_CLUSTER
from .errors import Refused, given, numbered
from .marks import STACK_MARK, is_mark, is_of_consul_k8s, marked_parts, marked_resource
from .parts import (
    CLUSTERS_KEY,
    UnreadableClusters,
    body_of,
    clusters_of,
    is_cluster,
    is_covered,
    parts_of,
    readable,
    same_field,
)
from .places import CONSUL_API, KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from .entries import Entry
    from .fields import JsonObject
    from .parts import Part
    from .places import Place

Existing = Literal["refuse", "adopt", "overwrite"]
"""What to do with an entry that this stack did not write."""

Owner = Literal["nobody", "this stack", "another stack", "consul-k8s", "somebody"]
"""Who wrote a live entry. `somebody` left no mark that we know: a hand, Terraform, a raw Pulumi resource."""

IDENTITY = frozenset({"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex", "Hash"})
"""Fields that name an entry or count its versions; they are no content."""

EMPTY: tuple[object, ...] = (None, "", {}, [])
"""Fields that say nothing: Consul fills some of them in, and a provider may write out others."""


@dataclass(frozen=True)
class Decision:
    """What to write over a live entry, beside the fields that this stack declares."""

    kept: Mapping[Part, Any] = field(default_factory=dict)
    """The fields of other owners, which are preserved."""

    replaced: tuple[tuple[Part, object, object], ...] = ()
    """The fields of other owners that this stack declares with another value: path, old and new value."""

    resource: str = ""
    """The URN of this stack's resource that manages the live entry; empty where none is recorded."""

    def body(self, entry: Entry) -> JsonObject:
        """The entry's fields, declared and preserved, without ownership metadata."""
        return body_of({**self.kept, **parts_of(entry.body)})


@dataclass(frozen=True)
class Policy:
    """Who writes, and what it may do with entries of other owners."""

    existing: Existing
    """What to do with an entry that this stack does not manage."""

    owner: str
    """The owner that this stack records: its full name, `organization/project/stack`, or the input `owner`."""

    renamed_from: str | None = None
    """The owner that this stack recorded before; None where it always was `owner`."""

    place: Place = CONSUL_API
    """Where entries are written, as messages speak of it."""

    def owner_of(self, live: JsonObject | None) -> Owner:
        """Who wrote `live`, by its `Meta`."""
        if live is None:
            return "nobody"
        meta = _meta(live)
        if is_of_consul_k8s(meta):
            return "consul-k8s"
        if STACK_MARK in meta:
            return "this stack" if meta[STACK_MARK] in {self.owner, self.renamed_from} else "another stack"
        return "somebody"


def decide_all(
    entries: Mapping[str, Entry], live: Mapping[str, JsonObject | None], policy: Policy
) -> dict[str, Decision]:
    """What to write of each entry, by the Pulumi resource that will write it.

    Raises Refused, with the reasons of all that are refused.
    """
    decisions, refusals = dict[str, Decision](), list[str]()
    for resource_name, entry in entries.items():
        try:
            decisions[resource_name] = decide(entry, live.get(resource_name), policy, resource_name)
        except Refused as refusal:
            refusals.append(str(refusal))
    if len(refusals) > MOST_TOLD:
        refusals[MOST_TOLD:] = [f"consul-tracing: {len(refusals) - MOST_TOLD} more entries are refused"]
    if refusals:
        raise Refused("\n".join(refusals).removeprefix("consul-tracing: "))
    return decisions


MOST_TOLD = 10
"""Refusals that are told in full; from there on the cause is the same for all, and a number says more."""


def decide(entry: Entry, live: JsonObject | None, policy: Policy, resource_name: str) -> Decision:
    """What to write of `entry` over `live`, which is None where there is none.

    `resource_name` is the Pulumi resource that will write it; a refusal shows how to import the entry under that name.
    Raises Refused, naming who wrote the entry, what would be lost, and the ways on.
    """
    owner, title = policy.owner_of(live), policy.place.title(entry)
    if owner == "consul-k8s":
        raise Refused(
            f"{title} is managed by consul-k8s, which would revert what is written here",
            f"To change it where it is written, its {KINDS[entry.kind]} on Kubernetes:  target: kubernetes",
            "To write it here, delete that resource first.",
        )
    resource = marked_resource(_meta(live)) if live is not None and owner == "this stack" else ""
    if live is None or policy.existing == "overwrite":
        return Decision(resource=resource)
    if owner == "another stack":
        raise Refused(
            f"{title} was written by another stack: {_meta(live)[STACK_MARK]}",
            *_would_be_lost(entry, live),
            "Two stacks that write one entry undo each other's work: declare it in one of them.",
            *policy.place.take_over(entry, resource_name),
            f"If this stack had that name before:                renamed_from: {_meta(live)[STACK_MARK]}",
        )
    if owner == "somebody" and policy.existing == "refuse":
        raise Refused(
            f"{title} was not written by this stack",
            *_would_be_lost(entry, live),
            "To keep what it holds and add ours:     existing: adopt",
            *policy.place.declare_whole(entry, resource_name),
        )
    managed = marked_parts(_meta(live)) if owner == "this stack" else frozenset()
    return replace(_keeping(entry, live, managed, title), resource=resource)


def plan_text(title: str, decision: Decision, *, retained: bool) -> str:
    """The log line about fields of other owners that are preserved or replaced; empty where there are none.

    `retained`: whether deleting the Pulumi resource leaves the entry in place.
    """
    text = []
    if decision.kept:
        text.append(f"{title} keeps what others wrote: {', '.join(sorted(readable(part) for part in decision.kept))}.")
    if decision.replaced:
        text.append(f"{title} replaces {', '.join(sorted(_change(*one) for one in decision.replaced))}.")
    if decision.kept and retained:
        text.append(
            "So pulumi destroy will leave it there, tracing included; to take that out first: enabled: false, and up."
        )
    return " ".join(text)


def _change(part: Part, old: object, new: object) -> str:
    # The text of a cluster, or of JSON within JSON, is too long to be compared by eye.
    name = readable(part)
    return name if is_cluster(part) or is_tracing(part) else f"{name} ({given(old)} → {given(new)})"


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


def _meta(live: JsonObject) -> dict[str, str]:
    return live.get("Meta") or {}


def _would_be_lost(entry: Entry, live: JsonObject) -> list[str]:
    declared = parts_of(entry.body)
    try:
        lost = [part for part in _content(live) if part not in declared or is_tracing(part)]
    except UnreadableClusters:
        return [f"It holds {CLUSTERS_KEY}, which would be lost."]
    return [f"It holds {', '.join(sorted(readable(part) for part in lost))}, which would be lost."] if lost else []


def _keeping(entry: Entry, live: JsonObject, ours: frozenset[Part], title: str) -> Decision:
    declared = parts_of(entry.body)
    try:
        content = _content(live)
    except UnreadableClusters as error:
        raise Refused(
            f"{title} holds static clusters of others that cannot be told apart: {error}",
            f"No proxy starts with that. Mend {CLUSTERS_KEY}, or replace the entry:  existing: overwrite",
        ) from None
    new = {same_field(part): value for part, value in declared.items()}
    foreign = {part: value for part, value in content.items() if not is_covered(part, ours)}
    return Decision(
        kept={part: value for part, value in foreign.items() if same_field(part) not in new and not is_tracing(part)},
        replaced=tuple(
            (part, value, new[same_field(part)])
            for part, value in foreign.items()
            if same_field(part) in new and value != new[same_field(part)]
        ),
    )


def _content(live: JsonObject) -> dict[Part, Any]:
    """The field paths of a live entry, without its identity, fields that Consul fills in, and ownership metadata."""
    fields = {name: value for name, value in live.items() if name not in IDENTITY and value not in EMPTY}
    return {part: value for part, value in parts_of(fields).items() if not is_mark(part) and not _is_empty(part, value)}


def _is_empty(part: Part, value: object) -> bool:
    # A key of Config or Meta means something to its owner, whatever its value.
    return part[0] not in {"Config", "Meta"} and value in EMPTY


def is_tracing(part: Part) -> bool:
    """Whether a part is the mesh's tracing, which is ours wherever we write: declared no more, it goes.

    Consul reads keys of `Config` without regard to case.
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
