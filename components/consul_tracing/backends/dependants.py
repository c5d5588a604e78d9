"""Entries that rely on the protocols that an update changes or removes: Consul would refuse its writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.dependants import RELYING_KINDS, RESOLVER, Protocols, refusals, reliances
from consul_tracing.errors import UnreadableError, fix, message
from consul_tracing.run_errors import ConflictError

from .default_protocol import protocol_of
from .value_changes import MAX_REPORTED, listed

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from consul_tracing.entries.dependants import Refusal, Service
    from consul_tracing.entries.entry import Entry

    from .base import Backend


def check_dependants(
    backend: Backend[Any], entries: Sequence[Entry], before: Protocols, after: Protocols, removed: Collection[Service]
) -> None:
    """Warn of removed protocols on which the entries rely. Raises ConflictError for changed ones.

    Entries that this stack manages cause a warning, because the update may change them first.
    """
    others = {service for entry in entries for one in reliances(entry) for service in one.services} - before.own.keys()
    own = {backend.service(one): protocol_of(one.body) for one in existing(backend, "service-defaults", others)}
    before, after = (Protocols({**own, **one.own}, one.default) for one in (before, after))
    relying = refusals(entries, before, after)
    if any(not backend.state.holders(one.entry) for one in relying):
        raise ConflictError(_text("CT219", "changes", "refuses the writes", relying))
    for verb, found in (("changes", relying), ("removes", refusals(entries, after, after.without(removed)))):
        if found:
            effect = "refuses the writes, unless these entries change before"
            pulumi.log.warn(_text("CT533", verb, effect, found), backend.component)


def relying_entries(backend: Backend[Any], services: Collection[Service], *, is_http: bool) -> list[Entry]:
    """Return the live entries that may rely on protocols, of all kinds only if one for HTTP changes."""
    named = {*services, *(catalog_services(backend, services) or ())}
    return [one for kind in (RELYING_KINDS if is_http else [RESOLVER]) for one in existing(backend, kind, named)]


def catalog_services(backend: Backend[Any], services: Collection[Service]) -> set[Service] | None:
    """Return the services of the catalog in the namespaces of these services, None if it cannot be read."""
    if backend.catalog is None:
        return None
    places = {(namespace, partition) for _, namespace, partition in services}
    try:
        return {(name, *one) for one in places for name in backend.catalog.service_names(*one)}
    except UnreadableError as error:
        pulumi.log.debug(f"consul-tracing: the catalog cannot be read: {error}")
        return None


def existing(backend: Backend[Any], kind: str, services: Collection[Service]) -> list[Entry]:
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
