"""Entries of other kinds that rely on the protocols of services.

Consul checks each write on its own, and refuses one after which such an entry cannot work (run on Consul 1.22.7). It
never checks the routes of API gateways.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from consul_tracing.names import HTTP_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from .entry import Entry

Service = tuple[str, str, str]
"""Name, namespace, partition."""

RESOLVER = "service-resolver"
CHAIN_KINDS = ("service-router", "service-splitter", RESOLVER)
"""The kinds that send the requests of a service to other services. Such a service needs no instances."""

RELYING_KINDS = (*CHAIN_KINDS, "ingress-gateway", "service-intentions")
"""The kinds that rely on protocols."""

DEFAULT_PROTOCOL = "tcp"
"""Consul's protocol of a service if neither its entry nor `proxy-defaults` has one."""


@dataclass(frozen=True)
class Protocols:
    """The protocols that entries declare."""

    own: Mapping[Service, str]
    """By service, from its entry. Empty or missing if it declares none."""

    default: str
    """From `proxy-defaults`; empty if it declares none."""

    def of(self, service: Service) -> str:
        """Return the protocol of a service."""
        return self.own.get(service) or self.default or DEFAULT_PROTOCOL

    def without(self, services: Iterable[Service]) -> Protocols:
        """Return the protocols after the entries of these services are deleted."""
        return Protocols({**self.own, **dict.fromkeys(services, "")}, self.default)


@dataclass(frozen=True)
class Reliance:
    """Services that must have one protocol."""

    entry: Entry
    """The entry that relies on it."""

    services: frozenset[Service]

    allowed: frozenset[str] = frozenset()
    """The protocols with which the entry works; empty for all."""

    def is_met(self, protocols: Protocols) -> bool:
        """Return whether Consul accepts the protocols."""
        used = {protocols.of(service) for service in self.services}
        return len(used) == 1 and (not self.allowed or used <= self.allowed)

    def is_refused(self, before: Protocols, after: Protocols) -> bool:
        """Return whether Consul refuses a change of protocols: its result, or a write that may be the first."""
        if not self.is_met(before):
            return False
        steps = [
            Protocols({**before.own, service: after.own.get(service, "")}, before.default)
            for service in self.services
            if before.own.get(service, "") != after.own.get(service, "")
        ]
        if before.default != after.default and not all(before.own.get(service) for service in self.services):
            steps.append(Protocols(before.own, after.default))
        return not all(self.is_met(step) for step in [after, *steps])


def reliances(entry: Entry) -> list[Reliance]:
    """Return what an entry of one of RELYING_KINDS relies on."""
    body, own = entry.body, _service(entry, {})
    match entry.kind:
        case "service-router":
            routes = (route.get("Destination") or {} for route in body.get("Routes") or [])
            return [Reliance(entry, frozenset({own, *(_service(entry, one) for one in routes)}), HTTP_PROTOCOLS)]
        case "service-splitter":
            splits = frozenset(_service(entry, one) for one in body.get("Splits") or [])
            return [Reliance(entry, splits, HTTP_PROTOCOLS)]
        case "service-resolver":
            targets = (_service(entry, one) for one in _targets(body) if not one.get("Peer"))
            return [Reliance(entry, frozenset({own, *targets}))]
        case "ingress-gateway":
            return [
                Reliance(entry, frozenset({_service(entry, service, "Name")}), frozenset({listener["Protocol"]}))
                for listener in body.get("Listeners") or []
                if listener.get("Protocol", DEFAULT_PROTOCOL) != DEFAULT_PROTOCOL
                for service in listener.get("Services") or []
                if service.get("Name") != "*"
            ]
        case _:
            has_http = any(source.get("Permissions") for source in body.get("Sources") or [])
            return [Reliance(entry, frozenset({own}), HTTP_PROTOCOLS)] if has_http else []


def _targets(resolver: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if redirect := resolver.get("Redirect"):
        yield redirect
    for failover in (resolver.get("Failover") or {}).values():
        yield from failover.get("Targets") or [failover]


def _service(entry: Entry, reference: Mapping[str, Any], name: str = "Service") -> Service:
    """Return the service of a reference. What it does not contain is that of the entry."""
    _, own, namespace, partition = entry.identity
    return (
        reference.get(name) or own,
        reference.get("Namespace") or namespace,
        reference.get("Partition") or partition,
    )


class Refusal(NamedTuple):
    """A change of a protocol that Consul refuses."""

    entry: Entry
    """The entry that relies on the protocol."""

    service: Service
    old: str
    new: str


def refusals(entries: Iterable[Entry], before: Protocols, after: Protocols) -> list[Refusal]:
    """Return the changes that Consul refuses because of these entries."""
    return [
        Refusal(entry, service, before.of(service), after.of(service))
        for entry in entries
        for service in sorted(set().union(*(one.services for one in reliances(entry) if one.is_refused(before, after))))
        if before.of(service) != after.of(service)
    ]
