"""From entries to plans: read the live entries, reject conflicts, report what changes for other owners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pulumi

from consul_tracing.entries.ownership import Change, Conflict, Plan, drift
from consul_tracing.entries.ownership import plan as plan_entry
from consul_tracing.errors import UnreadableError
from consul_tracing.run_errors import ConflictError

from .access_logs import reject_two_formats
from .base import continue_in_previews
from .duplicates import claim_entries, declared_in_program, reject_earlier_resources
from .identity import Claim, Stack, child_urn, former_resources, identity_of, in_stack_of, type_of
from .live import LiveT, Planned
from .missing_services import report_missing_services
from .plan_messages import conflicts_text, drift_text, plan_messages
from .protocol_changes import check_protocols
from .stack_state import registered_provider

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from consul_tracing.entries.entry import Entry, Identity

    from .base import Backend


def plan_entries(backend: Backend[LiveT], entries: Mapping[str, Entry]) -> dict[str, Planned[LiveT]]:
    """Read and plan the entries. Keys are the names of the resources that write them, after that of the component.

    Raises ConflictError before anything is written.
    """
    reject_earlier_resources(entries.values(), backend)
    component = backend.urn.rpartition("::")[2]
    planned: dict[str, Planned[LiveT]] = {}
    conflicts: dict[str, tuple[Entry, Conflict]] = {}
    for (key, entry), live in zip(entries.items(), _live(backend, list(entries.values())), strict=True):
        name = f"{component}-{key}"
        urn = child_urn(backend.urn, live.resource_type(entry.kind), name)
        match _plan(backend, urn, entry, live):
            case Conflict() as conflict:
                conflicts[name] = entry, conflict
            case decided:
                recorded = in_stack_of(decided.resource, backend.urn) if decided.resource else ""
                plan = replace(decided, resource=recorded, removed=live.pruned(decided.removed))
                planned[key] = Planned(name, urn, entry, live, plan)
    if conflicts:
        raise ConflictError(conflicts_text(conflicts, backend.wording))
    former = _former_resources(backend, planned.values())
    planned = {key: replace(one, former=former.get(one.urn, "")) for key, one in planned.items()}
    reject_two_formats(planned.values(), backend.wording)
    backend.reject_unwritable(list(planned.values()))
    check_protocols(backend, list(planned.values()))
    return planned


def _live(backend: Backend[LiveT], entries: Sequence[Entry]) -> list[LiveT]:
    try:
        return backend.read(entries)
    except UnreadableError as error:
        continue_in_previews(backend, error)
        return [backend.unknown] * len(entries)


def _plan(backend: Backend[LiveT], urn: str, entry: Entry, live: LiveT) -> Plan | Conflict:
    policy = replace(backend.policy, existing="adopt") if live.is_migrated else backend.policy
    decided = plan_entry(entry, live.body, policy, live.inherited)
    if isinstance(decided, Conflict) and decided.owner == "unmanaged" and not decided.unreadable:
        recorded = backend.state.body(urn, entry)
        # This stack released the entry before, and its state still contains the resource.
        if recorded is not None and policy.owner_of(recorded) == "unmanaged":
            return plan_entry(entry, live.body, replace(policy, existing="adopt"))
    return decided


def _former_resources(backend: Backend[LiveT], planned: Collection[Planned[LiveT]]) -> Mapping[str, str]:
    """Return the resources of the state that those of the plan take over. Raises ConflictError.

    The state is not read if the metadata of each live entry names the resource that declares it.
    """
    if all(one.plan.resource == one.urn for one in planned):
        return {}
    resources = backend.state.resources
    if not resources:
        return {one.urn: one.plan.resource for one in planned}
    declared = declared_in_program() | {one.urn: one.entry.identity for one in planned}
    claims = [
        Claim(
            backend.wording.title(one.entry),
            one.entry.identity,
            one.urn,
            one.live.body is not None,
            frozenset(holders := backend.holders(one.entry, one.live, declared)),
            frozenset(urn for urn, is_proven in holders.items() if is_proven or urn == one.plan.resource),
        )
        for one in planned
    ]
    registered: dict[str, Identity | None] = dict(declared)
    for claim in claims:
        for urn in claim.holders - declared.keys():
            if used := registered_provider(urn):
                writes_it = identity_of(type_of(urn), resources[urn]) == claim.identity
                registered[urn] = None if writes_it and backend.provider.is_same(used) else claim.identity
    is_one_mesh = backend.provider.is_only_mesh(resources)
    return former_resources(claims, Stack(backend.urn, is_one_mesh, frozenset(resources), registered))


def accept(backend: Backend[LiveT], planned: Sequence[Planned[LiveT]]) -> None:
    """Claim the entries of a component that passed all checks. Log what changes for other owners, and drift.

    Raises InvalidInputError if another component of the program declares an entry.
    """
    claim_entries(planned, backend)
    for severity, text in plan_messages(planned, backend.wording, backend.policy.existing):
        (pulumi.log.warn if severity == "warn" else pulumi.log.info)(text, backend.component)
    if drifted := dict(_drifted(backend, planned)):
        pulumi.log.warn(drift_text(drifted), backend.component)
    report_missing_services(backend, planned)


def _drifted(
    backend: Backend[LiveT], planned: Iterable[Planned[LiveT]]
) -> Iterable[tuple[str, tuple[Change, ...] | None]]:
    """Yield the title of each entry that differs from the state, with its changes; None for a deleted entry.

    The state is read only if the live entry differs from the declared one.
    """
    for one in planned:
        if not one.live.is_known or (one.plan.owner == "this stack" and one.plan.as_declared):
            continue
        recorded = backend.state.body(one.former or one.urn, one.entry)
        if recorded is None:
            continue
        changes = None if one.live.body is None else drift(recorded, one.live.body)
        if changes != ():
            yield backend.wording.title(one.entry), changes
