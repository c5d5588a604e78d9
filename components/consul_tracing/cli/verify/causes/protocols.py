"""Services whose requests proxies do not parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence


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
            yield Cause("CT409", proxy.label, seen, _declare(name), frozenset({name}))
        elif not listeners and evidence.consul and trace.services and not evidence.consul.is_http(name):
            yield Cause("CT409", name, f"Consul has no HTTP protocol for the service {name}", _declare(name))


def _services_to_check(evidence: Evidence) -> list[str]:
    """Return the services that may not be HTTP: the missing ones, and the upstream that receives the request.

    The first expected service is the caller, whose own protocol is irrelevant.
    """
    trace, entry = evidence.trace, evidence.entry
    names = [name for name in trace.missing if name not in trace.expected[:1] or entry]
    if entry and not entry[1].is_http and entry[1].is_outbound:
        return [entry[1].upstream]
    return names


def _declare(service: str) -> str:
    return f"declare the protocol: services: {{{service}: {{protocol: http}}}}"
