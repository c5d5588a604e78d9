"""Changed protocols of services, which running proxies use immediately."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.dependants import DEFAULT_PROTOCOL, Protocols
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.ownership import Conflict, plan
from consul_tracing.errors import message
from consul_tracing.names import HTTP_PROTOCOLS

from .default_protocol import default_of, protocol_of
from .dependants import check_dependants, existing, relying_entries
from .duplicates import declared_in_program
from .identity import is_sibling, patch_type, recorded_body, type_of
from .stack_state import former_outputs
from .value_changes import listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.names import JsonObject

    from .base import Backend
    from .live import Planned
    from .plan_messages import Severity

MESH = Entry("proxy-defaults", "global", {})


def check_protocols(backend: Backend[Any], planned: Sequence[Planned[Any]]) -> None:
    """Report the protocols that an update changes. Raises ConflictError if other entries rely on a former one.

    The other entries are not read for new entries of services that had no HTTP protocol: a new mesh would cost a read
    of each service, and only chains of several services could rely on tcp.
    """
    if not all(one.live.is_known for one in planned):
        return
    mesh = next((one for one in planned if one.entry.kind == MESH.kind), None)
    declared = {backend.service(one.entry): one for one in planned if one is not mesh}
    removed = _removed(backend, declared)
    old = {service: protocol_of(one.live.body) for service, one in declared.items()}
    new = {service: protocol_of(one.entry.body) for service, one in declared.items()}
    if mesh is not None:
        defaults = default_of(mesh.live.body), default_of(mesh.plan.body(mesh.entry))
    else:
        live = existing(backend, MESH.kind, [backend.service(MESH)]) if removed or not all(old.values()) else []
        defaults = (default_of(live[0].body if live else None),) * 2
    before, after = Protocols({**removed, **old}, defaults[0]), Protocols({**removed, **new}, defaults[1])
    changed = {service for service in declared if before.of(service) != after.of(service)}
    if not changed | removed.keys() and before.default == after.default:
        return
    is_http = bool(removed) or not HTTP_PROTOCOLS.isdisjoint({before.default, *map(before.of, changed)})
    if is_http or before.default != after.default or any(declared[one].live.body is not None for one in changed):
        # `proxy-defaults` selects the partition if the component declares no services.
        services = removed.keys() | {backend.service(one.entry) for one in planned}
        check_dependants(backend, relying_entries(backend, services, is_http=is_http), before, after, removed)
    # An update without a refresh does not write an entry that the state has as it is declared: CT506 reports drift.
    written = {service for service in changed if not _is_in_state(backend, declared[service])} | removed.keys()
    # CT509 lists the services of the catalog if the default becomes HTTP.
    is_listed = backend.catalog is not None and before.default not in HTTP_PROTOCOLS
    default = mesh is not None and not is_listed and not _is_in_state(backend, mesh)
    if reported := protocols_message(before, after.without(removed), written, removed, default=default):
        severity, text = reported
        (pulumi.log.warn if severity == "warn" else pulumi.log.info)(text, backend.component)


def _is_in_state(backend: Backend[Any], planned: Planned[Any]) -> bool:
    """Return whether the state has the protocol that the entry declares."""
    recorded = backend.state.body(planned.former or planned.urn, planned.entry)
    new = planned.plan.body(planned.entry)
    return recorded is not None and (protocol_of(recorded), default_of(recorded)) == (protocol_of(new), default_of(new))


def _removed(backend: Backend[Any], declared: Collection[Service]) -> dict[Service, str]:
    """Return the services whose entries this update deletes, with the protocol that they had in the last update.

    Entries that stay and those that another component of the program declares are not deleted. The state is read only
    if the component no longer declares a name.
    """
    former = set(former_outputs(backend.urn).get("services") or ()) - {name for name, *_ in declared}
    claimed = set(declared_in_program().values()) if former else set()
    policy = replace(backend.policy, existing="refuse", release=False)
    found = {}
    for name in former:
        for urn, identity in backend.state.holders(Entry("service-defaults", name, {})).items():
            entry = Entry(identity[0], name, {}, *identity[2:])
            recorded = recorded_body(type_of(urn), backend.state.resources[urn])
            is_own = is_sibling(urn, backend.urn) and identity not in claimed
            if is_own and recorded and _is_deleted(urn, entry, recorded, policy):
                found[backend.service(entry)] = protocol_of(recorded)
    return found


def _is_deleted(urn: str, entry: Entry, recorded: JsonObject, policy: Policy) -> bool:
    """Return whether the protocol of an entry goes with its resource."""
    decided = plan(entry, recorded, policy)
    # A released entry has no owner.
    return not isinstance(decided, Conflict) and (type_of(urn) == patch_type(entry.kind) or not decided.preserved)


def protocols_message(
    before: Protocols, after: Protocols, services: Collection[Service], removed: Collection[Service], *, default: bool
) -> tuple[Severity, str] | None:
    """Return the message about those of the services whose protocol changes, None if there are none.

    Services that get their first protocol are information. `removed`: those that are no longer declared. `default`:
    whether the message contains the services without a protocol of their own.
    """
    groups: dict[tuple[str, str, str], list[str]] = {}
    for service in services:
        end = ", no longer declared" if service in removed else ""
        groups.setdefault((_parsed(before.of(service)), _parsed(after.of(service)), end), []).append(service[0])
    changes = [(old, new, f"{listed(names)}: {old} → {new}{end}") for (old, new, end), names in sorted(groups.items())]
    if default:
        old, new = (_parsed(one.default) for one in (before, after))
        changes.append((old, new, f"services without a protocol of their own: {old} → {new}"))
    changes = [one for one in changes if one[0] != one[1]]
    if not changes:
        return None
    is_lost = any(old in HTTP_PROTOCOLS for old, *_ in changes)
    is_replaced = any(
        before.own.get(service) and _parsed(before.of(service)) != _parsed(after.of(service)) for service in services
    )
    new_ones = {new for _, new, _ in changes}
    text = message(
        "CT534",
        "this update changes protocols, and running proxies use the new ones immediately",
        *(line for *_, line in changes),
        *(["A service that does not speak its new protocol stops working."] if new_ones & HTTP_PROTOCOLS else []),
        *(["Envoy does not trace tcp: traces end before such a service."] if DEFAULT_PROTOCOL in new_ones else []),
    )
    return "warn" if is_lost or is_replaced else "info", text


def _parsed(protocol: str) -> str:
    """Return a protocol as proxies use it: each one that is not HTTP is tcp."""
    return protocol if protocol in HTTP_PROTOCOLS else DEFAULT_PROTOCOL
