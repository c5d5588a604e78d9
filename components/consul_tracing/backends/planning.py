"""From entries to plans: read the live entries, reject conflicts, report what changes for other owners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pulumi

from consul_tracing.entries.ownership import Change, Conflict, Plan, drift, plan, reject_taken_resources
from consul_tracing.errors import ConflictError, UnreadableError

from .base import LiveT, Planned, continue_in_previews
from .duplicates import reject_duplicates
from .plan_messages import conflicts_text, drift_text, plan_messages
from .urns import in_stack_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consul_tracing.entries.entry import Entry

    from .base import Backend


def plan_entries(backend: Backend[LiveT], entries: Mapping[str, Entry]) -> dict[str, Planned[LiveT]]:
    """Read and plan the entries. Keys are the names of the resources that write them.

    Raises ConflictError, and InvalidInputError if another component of the program declares an entry. Both are raised
    before anything is written.
    """
    reject_duplicates(entries.values(), backend)
    planned: dict[str, Planned[LiveT]] = {}
    conflicts: dict[str, Conflict] = {}
    for (name, entry), live in zip(entries.items(), _live(backend, list(entries.values())), strict=True):
        urn = backend.resource(entry, name, live)
        match _plan(backend, urn, entry, live):
            case Conflict() as conflict:
                conflicts[name] = conflict
            case decided:
                former = in_stack_of(decided.resource, backend.urn) if decided.resource else ""
                # An alias of a resource that is not renamed would change nothing, and costs time.
                former = "" if former == urn else former
                removed = backend.pruned(live, decided.removed)
                planned[name] = Planned(name, urn, entry, live, replace(decided, resource=former, removed=removed))
    if conflicts:
        raise ConflictError(conflicts_text(conflicts, entries, backend))
    _reject_lost_entries(backend, planned.values())
    backend.reject_unwritable(list(planned.values()))
    return planned


def _live(backend: Backend[LiveT], entries: Sequence[Entry]) -> list[LiveT]:
    try:
        return backend.read(entries)
    except UnreadableError as error:
        continue_in_previews(backend, error)
        return [backend.unknown] * len(entries)


def _plan(backend: Backend[LiveT], urn: str, entry: Entry, live: LiveT) -> Plan | Conflict:
    policy = backend.policy
    decided = plan(entry, live.body, policy)
    if isinstance(decided, Conflict) and decided.owner == "unmanaged" and not decided.unreadable:
        recorded = backend.recorded(entry, backend.state.resources.get(urn) or {})
        # This stack released the entry before, and its state still contains the resource.
        if recorded is not None and policy.owner_of(recorded) == "unmanaged":
            return plan(entry, live.body, replace(policy, existing="adopt"))
    return decided


def _reject_lost_entries(backend: Backend[LiveT], planned: Iterable[Planned[LiveT]]) -> None:
    moved = {backend.title(one.entry): (one.plan.resource, one.urn) for one in planned if one.plan.resource}
    if moved:
        reject_taken_resources(moved, backend.state.resources, backend.policy)


def report(backend: Backend[LiveT], planned: Sequence[Planned[LiveT]], *, tracing: bool) -> None:
    """Log what changes for other owners, and which entries changed outside of Pulumi.

    `tracing`: whether the entries contain tracing keys.
    """
    for severity, text in plan_messages(planned, backend, tracing=tracing):
        (pulumi.log.warn if severity == "warn" else pulumi.log.info)(text, backend.component)
    if drifted := dict(_drifted(backend, planned)):
        pulumi.log.warn(drift_text(drifted), backend.component)


def _drifted(
    backend: Backend[LiveT], planned: Iterable[Planned[LiveT]]
) -> Iterable[tuple[str, tuple[Change, ...] | None]]:
    """Yield the title of each entry that differs from the state, with its changes; None for a deleted entry.

    The state is read only if the live entry differs from the declared one.
    """
    for one in planned:
        if not one.live.is_known or one.plan.owner not in {"none", "this stack"} or one.plan.as_declared:
            continue
        recorded = backend.recorded(one.entry, backend.state.resources.get(one.plan.resource or one.urn) or {})
        if recorded is None:
            continue
        changes = None if one.live.body is None else drift(recorded, one.live.body)
        if changes != ():
            yield backend.title(one.entry), changes
