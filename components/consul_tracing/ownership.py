"""What may be written over a live entry, and what of it stays.

The list of our parts stands in the entry's `Meta`, so that the next run can tell ours from what others wrote, and take
out what we no longer declare.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .entries import TRACING_KEYS
from .envoy import COLLECTOR_CLUSTER
from .errors import Refused
from .marks import STACK_MARK, is_mark, is_of_consul_k8s, marked_parts, marks
from .parts import CLUSTERS_KEY, UnreadableClusters, body_of, clusters_of, parts_of, readable
from .places import CONSUL_API, KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    """What to write."""

    body: JsonObject
    """The entry's fields, ours and those that stay, without marks."""

    kept: tuple[Part, ...] = ()
    """The parts that others wrote and that stay."""


@dataclass(frozen=True)
class Policy:
    """Who writes, and what it may do with entries of others."""

    existing: Existing
    """What to do with an entry that this stack did not write."""

    stack: str
    """This stack, as the marks name it: `organization/project/stack`."""

    renamed_from: str | None = None
    """The name under which this stack wrote before; None where it always had this one."""

    place: Place = CONSUL_API
    """Where entries are written, as messages speak of it."""

    def marks(self, entry: Entry) -> dict[str, str]:
        """The `Meta` that tells that this stack wrote `entry`, and which parts of it."""
        return marks(parts_of(entry.body), self.stack)

    def owner_of(self, live: JsonObject | None) -> Owner:
        """Who wrote `live`, by its `Meta`."""
        if live is None:
            return "nobody"
        meta = _meta(live)
        if is_of_consul_k8s(meta):
            return "consul-k8s"
        if STACK_MARK in meta:
            return "this stack" if meta[STACK_MARK] in {self.stack, self.renamed_from} else "another stack"
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
    if live is None or policy.existing == "overwrite":
        return Decision(entry.body)
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
    return _keeping(entry, live, marked_parts(_meta(live)) if owner == "this stack" else frozenset(), title)


def kept_text(title: str, decision: Decision, *, retained: bool) -> str:
    """What is said of parts that others wrote and that stay; empty where there are none.

    `retained`: whether deleting the Pulumi resource leaves what is written.
    """
    if not decision.kept:
        return ""
    told = f"{title} keeps what others wrote: {', '.join(sorted(readable(part) for part in decision.kept))}."
    if not retained:
        return told
    return (
        f"{told} So pulumi destroy will leave it there, tracing included; to take that out first: enabled: false, "
        "and up."
    )


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
    gone = {*ours, *declared}
    kept = {part: value for part, value in content.items() if part not in gone and not is_tracing(part)}
    return Decision(body_of({**kept, **declared}), tuple(kept))


def _content(live: JsonObject) -> dict[Part, Any]:
    """The parts of a live entry, without its identity, what Consul fills in empty, and marks."""
    fields = {field: value for field, value in live.items() if field not in IDENTITY and value not in EMPTY}
    return {part: value for part, value in parts_of(fields).items() if not is_mark(part)}


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
