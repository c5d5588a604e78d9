"""From entries to plans: read the live entries, reject conflicts, report what changes for other owners."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pulumi

from consul_tracing.entries.ownership import Change, Conflict, Plan, drift, plan
from consul_tracing.errors import UnreadableError
from consul_tracing.run_errors import ConflictError

from .base import LiveT, Planned, continue_in_previews
from .dependants import check_dependants
from .duplicates import claim_entries, declared_in_program, reject_earlier_resources
from .identity import Claim, Stack, former_resources, identity_of, is_one_mesh, is_provider
from .plan_messages import conflicts_text, drift_text, plan_messages
from .stack_state import registered_provider
from .urns import in_stack_of, type_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from consul_tracing.entries.entry import Entry, Identity

    from .base import Backend


def plan_entries(backend: Backend[LiveT], entries: Mapping[str, Entry]) -> dict[str, Planned[LiveT]]:
    """Read and plan the entries. Keys are the names of the resources that write them.

    Raises ConflictError before anything is written.
    """
    reject_earlier_resources(entries.values(), backend)
    planned: dict[str, Planned[LiveT]] = {}
    conflicts: dict[str, Conflict] = {}
    for (name, entry), live in zip(entries.items(), _live(backend, list(entries.values())), strict=True):
        urn = backend.resource(entry, name, live)
        match _plan(backend, urn, entry, live):
            case Conflict() as conflict:
                conflicts[name] = conflict
            case decided:
                recorded = in_stack_of(decided.resource, backend.urn) if decided.resource else ""
                removed = backend.pruned(live, decided.removed)
                planned[name] = Planned(name, urn, entry, live, replace(decided, resource=recorded, removed=removed))
    if conflicts:
        raise ConflictError(conflicts_text(conflicts, entries, backend))
    former = _former_resources(backend, planned.values())
    planned = {name: replace(one, former=former.get(one.urn, "")) for name, one in planned.items()}
    backend.reject_unwritable(list(planned.values()))
    check_dependants(backend, list(planned.values()))
    return planned


def _live(backend: Backend[LiveT], entries: Sequence[Entry]) -> list[LiveT]:
    try:
        return backend.read(entries)
    except UnreadableError as error:
        continue_in_previews(backend, error)
        return [backend.unknown] * len(entries)


def _plan(backend: Backend[LiveT], urn: str, entry: Entry, live: LiveT) -> Plan | Conflict:
    policy = replace(backend.policy, existing="adopt") if live.is_migrated else backend.policy
    decided = plan(entry, live.body, policy)
    if isinstance(decided, Conflict) and decided.owner == "unmanaged" and not decided.unreadable:
        recorded = backend.recorded(entry, backend.state.resources.get(urn) or {})
        # This stack released the entry before, and its state still contains the resource.
        if recorded is not None and policy.owner_of(recorded) == "unmanaged":
            return plan(entry, live.body, replace(policy, existing="adopt"))
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
            backend.title(one.entry),
            one.entry.identity,
            one.urn,
            one.live.body is not None,
            frozenset(holders := backend.holders(one.entry, one.live, declared)),
            frozenset(urn for urn, is_proven in holders.items() if is_proven or urn == one.plan.resource),
        )
        for one in planned
    ]
    provider, package = backend.scope(), backend.provider_package
    registered: dict[str, Identity | None] = dict(declared)
    for claim in claims:
        for urn in claim.holders - declared.keys():
            if used := registered_provider(urn):
                writes_it = identity_of(type_of(urn), resources[urn]) == claim.identity
                registered[urn] = None if writes_it and is_provider(used, provider, package) else claim.identity
    one_mesh = is_one_mesh(provider, package, resources)
    return former_resources(claims, Stack(backend.urn, one_mesh, frozenset(resources), registered))


def accept(backend: Backend[LiveT], planned: Sequence[Planned[LiveT]], *, tracing: bool) -> None:
    """Claim the entries of a component that passed all checks. Log what changes for other owners, and drift.

    Raises InvalidInputError if another component of the program declares an entry. `tracing`: whether the entries
    contain tracing keys.
    """
    claim_entries(planned, backend)
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
        if not one.live.is_known or (one.plan.owner == "this stack" and one.plan.as_declared):
            continue
        recorded = backend.recorded(one.entry, backend.state.resources.get(one.former or one.urn) or {})
        if recorded is None:
            continue
        changes = None if one.live.body is None else drift(recorded, one.live.body)
        if changes != ():
            yield backend.title(one.entry), changes
