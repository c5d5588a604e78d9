"""From entries to plans: read the live entries, reject conflicts, report what changes for other owners."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pulumi

from consul_tracing.entries.ownership import Change, Conflict, Plan, drift, plan, reject_taken_resources
from consul_tracing.errors import ConflictError, UnreadableError

from .base import continue_in_previews
from .messages import conflicts_text, drift_text, plan_messages
from .urns import in_stack_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject

    from .base import Backend


@dataclass(frozen=True)
class Planned:
    """The plan of each entry, by the name of the resource that writes it."""

    live: Mapping[str, JsonObject | None]
    """The live entries; empty in a preview that cannot read them."""

    plans: Mapping[str, Plan]


def plan_entries(backend: Backend, entries: Mapping[str, Entry]) -> Planned:
    """Read and plan the entries. Raises ConflictError before anything is written."""
    live = _live_entries(backend, entries)
    plans: dict[str, Plan] = {}
    conflicts: dict[str, Conflict] = {}
    for name, entry in entries.items():
        match _plan(backend, name, entry, live.get(name)):
            case Conflict() as conflict:
                conflicts[name] = conflict
            case decided:
                former = in_stack_of(decided.resource, backend.urn) if decided.resource else ""
                plans[name] = replace(decided, resource=former, removed=backend.pruned(entry, decided.removed))
    if conflicts:
        raise ConflictError(conflicts_text(conflicts, entries, backend))
    _reject_lost_entries(backend, entries, plans)
    backend.reject_unwritable(entries, plans)
    return Planned(live, plans)


def _plan(backend: Backend, name: str, entry: Entry, live: JsonObject | None) -> Plan | Conflict:
    policy = backend.policy
    decided = plan(entry, live, policy)
    if isinstance(decided, Conflict) and decided.owner == "unmanaged" and not decided.unreadable:
        recorded = backend.recorded(entry, backend.state.resources.get(backend.resource(entry, name)) or {})
        # This stack released the entry before, and its state still contains the resource.
        if recorded is not None and policy.owner_of(recorded) == "unmanaged":
            return plan(entry, live, replace(policy, existing="adopt"))
    return decided


def _reject_lost_entries(backend: Backend, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
    urns = {name: (plans[name].resource, backend.resource(entry, name)) for name, entry in entries.items()}
    moved = {backend.title(entries[name]): both for name, both in urns.items() if both[0] not in {"", both[1]}}
    if moved:
        reject_taken_resources(moved, backend.state.resources, backend.policy)


def report(backend: Backend, entries: Mapping[str, Entry], planned: Planned, *, tracing: bool) -> None:
    """Log what changes for other owners, and which entries changed outside of Pulumi."""
    for severity, text in plan_messages(planned.plans, entries, backend, tracing=tracing):
        (pulumi.log.warn if severity == "warn" else pulumi.log.info)(text, backend.component)
    if drifted := _drifted(backend, entries, planned):
        pulumi.log.warn(drift_text(drifted), backend.component)


def _drifted(backend: Backend, entries: Mapping[str, Entry], planned: Planned) -> dict[str, tuple[Change, ...] | None]:
    """Return the changes of each entry that differs from the state, None for a deleted entry. Keys are titles.

    The state is read only if the live entry differs from the declared one.
    """
    drifted: dict[str, tuple[Change, ...] | None] = {}
    for name, live in planned.live.items():
        entry, one = entries[name], planned.plans[name]
        if one.owner not in {"none", "this stack"} or one.as_declared:
            continue
        urn = one.resource or backend.resource(entry, name)
        recorded = backend.recorded(entry, backend.state.resources.get(urn) or {})
        if recorded is None:
            continue
        changes = None if live is None else drift(recorded, live)
        if changes != ():
            drifted[backend.title(entry)] = changes
    return drifted


def _live_entries(backend: Backend, entries: Mapping[str, Entry]) -> dict[str, JsonObject | None]:
    try:
        return dict(zip(entries, backend.read(list(entries.values())), strict=True))
    except UnreadableError as error:
        continue_in_previews(backend, error)
        return {}
