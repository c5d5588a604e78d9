"""From entries to plans: read the live entries, reject conflicts, report what changes for other owners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pulumi

from .errors import Refused, Unreadable
from .ownership import Change, Conflict, Plan, drift, plan, refuse_taken_resources
from .plan_report import conflicts_text, drift_text, plan_messages
from .urns import in_stack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .entries import Entry
    from .fields import JsonObject
    from .writers import Writer


@dataclass(frozen=True)
class Planned:
    """The plan of each entry, by the name of the resource that writes it."""

    live: Mapping[str, JsonObject | None]
    """The live entries; empty in a preview that cannot read them."""

    plans: Mapping[str, Plan]


def plan_entries(writer: Writer, entries: Mapping[str, Entry]) -> Planned:
    """Read and plan the entries. Raises Refused, before anything is written, for entries that cannot be written."""
    live = _live_entries(writer, entries)
    plans: dict[str, Plan] = {}
    conflicts: dict[str, Conflict] = {}
    for name, entry in entries.items():
        match _plan(writer, name, entry, live.get(name)):
            case Conflict() as conflict:
                conflicts[name] = conflict
            case decided:
                former = in_stack_of(decided.resource, writer.urn) if decided.resource else ""
                plans[name] = replace(decided, resource=former, removed=writer.pruned(entry, decided.removed))
    if conflicts:
        raise Refused(conflicts_text(conflicts, entries, writer.place))
    _refuse_lost_entries(writer, entries, plans)
    writer.refuse_unwritable(entries, plans)
    return Planned(live, plans)


def _plan(writer: Writer, name: str, entry: Entry, live: JsonObject | None) -> Plan | Conflict:
    policy = writer.policy
    decided = plan(entry, live, policy)
    if isinstance(decided, Conflict) and decided.owner == "unmanaged" and not decided.unreadable:
        recorded = writer.recorded(entry, writer.state.resources.get(writer.resource(entry, name)) or {})
        # This stack released the entry, which its state still holds, and manages it again.
        if recorded is not None and policy.owner_of(recorded) == "unmanaged":
            return plan(entry, live, replace(policy, existing="adopt"))
    return decided


def _refuse_lost_entries(writer: Writer, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
    urns = {name: (plans[name].resource, writer.resource(entry, name)) for name, entry in entries.items()}
    moved = {writer.place.title(entries[name]): both for name, both in urns.items() if both[0] not in {"", both[1]}}
    if moved:
        refuse_taken_resources(moved, writer.state.resources, writer.policy)


def report(writer: Writer, entries: Mapping[str, Entry], planned: Planned, *, tracing: bool) -> None:
    """Log what changes for other owners, and which entries changed outside of Pulumi."""
    destroyed = {name: writer.when_deleted(entries[name], one) for name, one in planned.plans.items()}
    messages = plan_messages(
        planned.plans,
        entries,
        writer.place,
        existing=writer.policy.existing,
        destroyed=destroyed,
        tracing=tracing,
    )
    for severity, text in messages:
        (pulumi.log.warn if severity == "warn" else pulumi.log.info)(text, writer.component)
    if drifted := _drifted(writer, entries, planned):
        pulumi.log.warn(drift_text(drifted), writer.component)


def _drifted(writer: Writer, entries: Mapping[str, Entry], planned: Planned) -> dict[str, tuple[Change, ...] | None]:
    """The entries, by their titles, that differ from the state: their changes, or None for one that was deleted.

    The state is read only where the live entry differs from the declared one.
    """
    drifted: dict[str, tuple[Change, ...] | None] = {}
    for name, live in planned.live.items():
        entry, one = entries[name], planned.plans[name]
        if one.owner not in {"none", "this stack"} or one.as_declared:
            continue
        urn = one.resource or writer.resource(entry, name)
        recorded = writer.recorded(entry, writer.state.resources.get(urn) or {})
        if recorded is not None and (live is None or drift(recorded, live)):
            drifted[writer.place.title(entry)] = None if live is None else drift(recorded, live)
    return drifted


def _live_entries(writer: Writer, entries: Mapping[str, Entry]) -> dict[str, JsonObject | None]:
    try:
        return dict(zip(entries, writer.look(list(entries.values())), strict=True))
    except Unreadable as error:
        continue_in_previews(writer, error)
        return {}


def continue_in_previews(writer: Writer, error: Unreadable) -> None:
    """Warn in a preview that the backend cannot be read. Raises Refused in an `up`."""
    unread = f"{writer.place.server} cannot be read"
    if not pulumi.runtime.is_dry_run():
        raise Refused(f"{unread}, so nothing is written: fields of other owners could be removed: {error}") from None
    text = f"{unread}, so this preview does not show fields of other owners, and pulumi up would stop: {error}"
    pulumi.log.warn(text, writer.component)
