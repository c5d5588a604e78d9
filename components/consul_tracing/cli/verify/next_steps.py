"""What shows more if no cause was found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.errors import CommandError, shortened
from consul_tracing.sources.consul import consul_client, proxied_services

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SECONDS = 2.0
"""Deadline of Consul, whose address may be the default one."""

READ_PROXIES = "--admin HOST:PORT for each proxy, --agent or --kubernetes allows checks of the proxies"

USUAL_CAUSES = (
    "no proxy was read. The usual causes: sidecars have not restarted since the tracer was written (first pulumi up), "
    "or they do not reach the collector"
)


def unread_proxies(environment: Mapping[str, str], expected: Sequence[str]) -> str:
    """Return the usual causes and the next command, for a run that read no proxy and found no cause."""
    services = [name for name in local_services(environment) if not expected or name.lower() in expected]
    option, place = "--agent, --kubernetes or --admin HOST:PORT for each proxy", ""
    if services:
        option, place = "--agent", f". The local Consul agent has the proxies of {shortened(services)}"
    command = "consul-tracing stale --agent" if services else "consul-tracing stale (--agent, --kubernetes)"
    return f"{USUAL_CAUSES}{place}. Run {command}, and repeat this command with {option}"


def local_services(environment: Mapping[str, str]) -> list[str]:
    """Return the services with a proxy of the agent. Empty if it cannot be read."""
    try:
        return proxied_services(replace(consul_client(environment), seconds=SECONDS))
    except CommandError:
        return []
