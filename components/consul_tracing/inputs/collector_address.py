"""Addresses of collectors at which spans are probably lost. The inputs and `lint` share these rules."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from consul_tracing.errors import format_value

from .hosts import is_address, is_loopback

if TYPE_CHECKING:
    from collections.abc import Mapping

HTTPS_PORT = 443
PORTS: Mapping[int, str] = {
    HTTPS_PORT: "HTTPS",
    4317: "OTLP over gRPC",
    4318: "OTLP over HTTP",
    8126: "Datadog",
    9411: "Zipkin",
    14250: "Jaeger's model over gRPC",
    14268: "Jaeger's Thrift over HTTP",
}
"""The protocols of ports at which collectors listen by default."""

LOOKUPS = frozenset({"connect", "ingress", "node", "query", "service", "virtual"})
"""The labels after the name of a service or a node in Consul's DNS."""

VIRTUAL_ADDRESSES = ipaddress.ip_network("240.0.0.0/4")
"""The range of Consul's virtual addresses. No other network routes it."""


def loopback_reason(host: str, *, on_kubernetes: bool) -> str:
    """Return why a shared collector is not at a host: it is the local machine. Empty for other hosts."""
    place = "pod" if on_kubernetes else "host"
    return f"{format_value(host)} is the own {place} of each proxy" if is_loopback(host) else ""


def port_reason(port: int, own: int, *, has_tls: bool) -> str:
    """Return why spans are lost at a port: it belongs to another protocol. Empty if it does not.

    `own`: the default port of the tracer's protocol, 0 if it is not known.
    """
    if port == own or port not in PORTS:
        return ""
    if port == HTTPS_PORT:
        return "" if has_tls else f"{port} is the port of HTTPS, and spans are sent without TLS"
    return f"{port} is the port of {PORTS[port]}, and the protocol of the tracer is {PORTS.get(own, 'another one')}"


def mesh_reason(host: str) -> str:
    """Return why spans do not reach a name or an address of the mesh. Empty for other hosts.

    Consul's domain is taken to be `consul`. Whether the collector of another name has a sidecar is not known.
    """
    labels = host.rstrip(".").lower().split(".")
    lookup = next((label for label in labels[1:-1] if label in LOOKUPS), "")
    is_name = labels[-1] == "consul" and lookup in {"connect", "virtual"}
    if not is_name and not (is_address(host) and ipaddress.ip_address(host) in VIRTUAL_ADDRESSES):
        return ""
    return (
        f"{format_value(host)} is an address for connections through the mesh, and proxies send spans outside of it: "
        "they do not reach a virtual address, and a sidecar accepts mutual TLS only"
    )


def namespace_reason(host: str) -> str:
    """Return why pods of other namespaces do not find a host on Kubernetes. Empty for other hosts."""
    if not host or "." in host or is_address(host) or is_loopback(host):
        return ""
    return f"{format_value(host)} has no dot, so each pod looks for it in the pod's own namespace"
