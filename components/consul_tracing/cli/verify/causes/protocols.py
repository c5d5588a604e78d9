"""Services whose requests proxies do not parse."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import THE_REQUEST, Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence


def unknown_services(evidence: Evidence) -> Iterator[Cause]:
    """CT422: names in --expect that no service has."""
    known = evidence.consul.services if evidence.consul else frozenset()
    seen = known | {one.service.lower() for one in evidence.proxies} | {*evidence.trace.services}
    for name in evidence.trace.missing if known else ():
        if name not in seen:
            close = get_close_matches(name, seen, 1)
            meant = f"correct --expect: {close[0]}" if close else "correct --expect"
            fix = f"{meant}. For a service of another namespace or partition, set CONSUL_NAMESPACE or CONSUL_PARTITION"
            yield Cause("CT422", name, f"Consul has no service {name}", meant if close else fix)


def services_without_http(evidence: Evidence) -> Iterator[Cause]:
    """CT409: services whose requests are not parsed."""
    trace, entry = evidence.trace, evidence.entry
    for name in _services_to_check(evidence):
        proxies = [one for one in evidence.proxies if one.service.lower() == name]
        listeners = [
            (one, listener) for one in proxies if not one.has_own_listener for listener in one.public_listeners
        ]
        listeners += [
            (one, listener)
            for one in evidence.proxies
            for listener in one.listeners
            if listener.is_outbound and listener.upstream == name
        ]
        found = next((one for one in listeners if one[1].port and not one[1].is_http), None)
        if entry and entry[1].is_http and entry[0] in proxies:
            continue
        if found:
            proxy, listener = found
            seen = f"the listener {listener.name} has no HTTP connection manager"
            yield Cause("CT409", proxy.label, seen, _fix(name), frozenset({name}))
        elif not listeners and trace.services and (consul := evidence.consul) and not consul.is_http(name):
            if consul.services and name not in consul.services:
                continue
            yield Cause("CT409", name, f"Consul has no HTTP protocol for the service {name}", _fix(name))


def _services_to_check(evidence: Evidence) -> list[str]:
    """Return the services that may not be HTTP: the missing ones, and the upstream that receives the request.

    The first expected service is the caller, whose own protocol is irrelevant.
    """
    trace, entry = evidence.trace, evidence.entry
    elsewhere = {name for one in evidence.causes if one.proxy == THE_REQUEST for name in one.explains or ()}
    names = [name for name in trace.missing if name not in elsewhere and (name not in trace.expected[:1] or entry)]
    if entry and not entry[1].is_http and entry[1].is_outbound:
        return [entry[1].upstream]
    return names


def _fix(service: str) -> str:
    return (
        f"if {service} speaks HTTP or gRPC, declare it: services: {{{service}: {{protocol: http}}}}, that is, Protocol "
        f'= "http" in service-defaults/{service}. If not, such as a database, leave {service} out of --expect: it '
        "cannot have spans, and protocol http would break all connections to it"
    )
