"""Entries that rely on the protocols that an update changes or removes: Consul would refuse its writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.dependants import RELYING_KINDS, RESOLVER, Protocols, refusals, reliances
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import UnreadableError, fix, message
from consul_tracing.names import HTTP_PROTOCOLS
from consul_tracing.run_errors import ConflictError

from .default_protocol import default_of, protocol_of
from .stack_state import former_outputs
from .value_changes import MAX_REPORTED, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from consul_tracing.entries.dependants import Refusal, Service

    from .base import Backend
    from .live import Planned

MESH = Entry("proxy-defaults", "global", {})


def check_dependants(backend: Backend[Any], planned: Sequence[Planned[Any]]) -> None:
    """Warn of removed protocols on which other entries rely. Raises ConflictError for changed ones.

    The other entries are read only if a protocol changes, and all their kinds only if one for HTTP does. They are not
    read for new entries of services that had no HTTP protocol: a new mesh would cost a read of each service, and only
    chains of several services could rely on tcp. Those that this stack manages cause a warning, because the update may
    change them first.
    """
    if not all(one.live.is_known for one in planned):
        return
    mesh = next((one for one in planned if one.entry.kind == MESH.kind), None)
    declared = {backend.service(one.entry): one for one in planned if one is not mesh}
    removed = _removed(backend, planned) - declared.keys()
    old = {service: protocol_of(one.live.body) for service, one in declared.items()}
    new = {service: protocol_of(one.entry.body) for service, one in declared.items()}
    if mesh is not None:
        defaults = default_of(mesh.live.body), default_of(mesh.plan.body(mesh.entry))
    else:
        live = _existing(backend, MESH.kind, [backend.service(MESH)]) if removed or not all(old.values()) else []
        defaults = (default_of(live[0].body if live else None),) * 2
    before, after = Protocols(old, defaults[0]), Protocols(new, defaults[1])
    changed = {service for service in declared if before.of(service) != after.of(service)}
    if not changed | removed and before.default == after.default:
        return
    is_http = removed or not HTTP_PROTOCOLS.isdisjoint({before.default, *map(before.of, changed)})
    if not is_http and before.default == after.default and all(declared[one].live.body is None for one in changed):
        return
    # `proxy-defaults` selects the partition if the component declares no services.
    services = _with_catalog(backend, removed.union(backend.service(one.entry) for one in planned))
    entries = [one for kind in (RELYING_KINDS if is_http else [RESOLVER]) for one in _existing(backend, kind, services)]
    others = removed.union(*(reliance.services for one in entries for reliance in reliances(one))) - declared.keys()
    own = {backend.service(one): protocol_of(one.body) for one in _existing(backend, "service-defaults", others)}
    before, after = Protocols({**own, **old}, before.default), Protocols({**own, **new}, after.default)
    relying = refusals(entries, before, after)
    if any(not backend.state.holders(one.entry) for one in relying):
        raise ConflictError(_text("CT219", "changes", "refuses the writes", relying))
    rest = Protocols({**after.own, **dict.fromkeys(removed, "")}, after.default)
    for verb, found in (("changes", relying), ("removes", refusals(entries, after, rest))):
        if found:
            effect = "refuses the writes, unless these entries change before"
            pulumi.log.warn(_text("CT533", verb, effect, found), backend.component)


def _removed(backend: Backend[Any], planned: Sequence[Planned[Any]]) -> set[Service]:
    """Return the services that the component declared in the last update, apart from their namespaces."""
    names = former_outputs(backend.urn).get("services") or ()
    partition = planned[0].entry.partition if planned else None
    return {backend.service(Entry("service-defaults", name, {}, partition=partition)) for name in names}


def _with_catalog(backend: Backend[Any], services: Collection[Service]) -> Collection[Service]:
    """Return the services, and the others of the catalog in their namespaces if it can be read."""
    if backend.catalog is None:
        return services
    places = {(namespace, partition) for _, namespace, partition in services}
    try:
        return {*services, *((name, *one) for one in places for name in backend.catalog.service_names(*one))}
    except UnreadableError:
        return services


def _existing(backend: Backend[Any], kind: str, services: Collection[Service]) -> list[Entry]:
    """Return the live entries of a kind, none if they cannot be read: then Consul decides."""
    try:
        return backend.existing(kind, services)
    except UnreadableError as error:
        pulumi.log.debug(f"consul-tracing: {kind} cannot be read: {error}")
        return []


def _text(code: str, verb: str, effect: str, found: Sequence[Refusal]) -> str:
    changes = {f"{one.service[0]}: {one.old} → {one.new}, on which {one.entry.title} relies" for one in found}
    return message(
        code,
        f"this update {verb} protocols on which other entries rely, and Consul {effect}",
        *sorted(changes)[:MAX_REPORTED],
        *fix(
            f"To {verb.removesuffix('s')} them:",
            f"change or remove {listed(sorted({one.entry.title for one in found}))}",
            "pulumi up",
        ),
    )
