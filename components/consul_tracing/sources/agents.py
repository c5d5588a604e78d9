"""The agent of a proxy: several Consuls on one machine can have proxies with the same ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import at, listed, maps_in
from consul_tracing.names import JsonObject

from .http import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .http import HttpClient

XDS_CLUSTER = "local_agent"
"""The cluster of the agent in the bootstrap of `consul connect envoy`. That of consul-dataplane has another name."""


@dataclass(frozen=True)
class Agent:
    """What identifies an agent for its proxies."""

    ports: frozenset[int] = frozenset()
    """Its ports for proxies. Empty if they are not known."""
    roots: frozenset[str] = frozenset()
    """The root certificates of its mesh in PEM, also the former ones. Empty if they are not known."""

    def is_foreign(self, dump: JsonObject) -> bool:
        """Return whether a proxy belongs to another agent for certain, by its config dump.

        Neither its port nor its certificates are those of this agent. One of them is not sufficient: a port can be
        forwarded, and an agent that starts without its data has another root certificate.
        """
        ports, roots = ports_of(dump), roots_of(dump)
        is_known = self.ports and self.roots and ports and roots
        return bool(is_known) and self.ports.isdisjoint(ports) and self.roots.isdisjoint(roots)


def agent_of(consul: HttpClient) -> Agent:
    """Return what identifies an agent, as far as its token can read it."""
    try:
        own = consul.get("/v1/agent/self", JsonObject) or {}
        mesh = consul.get("/v1/agent/connect/ca/roots", JsonObject) or {}
    except ServerError:
        return Agent()
    ports = [at(own, "xDS", "Port"), *(at(own, "xDS", "Ports") or {}).values()]
    roots = [str(at(one, "RootCert")).strip() for one in listed(at(mesh, "Roots"))]
    return Agent(frozenset(one for one in ports if isinstance(one, int) and one > 0), frozenset(roots))


def ports_of(dump: JsonObject) -> frozenset[int]:
    """Return the ports of the agent in the bootstrap of a proxy. Empty for a Unix socket and for consul-dataplane."""
    sections = _sections(dump, bootstrap=True)
    clusters = [one for section in sections for one in listed(at(section, "bootstrap", "static_resources", "clusters"))]
    agents = (one for one in clusters if at(one, "name") == XDS_CLUSTER)
    ports = (at(one, "port_value") for agent in agents for _, one in maps_in(agent, ""))
    return frozenset(port for port in ports if isinstance(port, int))


def roots_of(dump: JsonObject) -> frozenset[str]:
    """Return the certificates in PEM that a proxy trusts in the configuration from its agent."""
    texts = (
        at(one, "trusted_ca", "inline_string")
        for section in _sections(dump, bootstrap=False)
        for _, one in maps_in(section, "")
    )
    end = "-----END CERTIFICATE-----"
    return frozenset(f"{one}{end}".strip() for text in texts if text for one in str(text).split(end)[:-1])


def _sections(dump: JsonObject, *, bootstrap: bool) -> Iterator[JsonObject]:
    return (
        one
        for one in listed(at(dump, "configs"))
        if str(at(one, "@type")).endswith(".BootstrapConfigDump") is bootstrap
    )
