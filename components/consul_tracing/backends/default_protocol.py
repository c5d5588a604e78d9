"""Services that an HTTP `default_protocol` affects.

Proxies then parse each service without a declared protocol as HTTP. A service that is not HTTP stops working
(hashicorp/consul#20064).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.entry import Entry
from consul_tracing.errors import message
from consul_tracing.names import HTTP_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject

CONSUL_SERVICE = "consul"
"""The service that Consul's servers register."""

SIDECAR_SUFFIX = "-sidecar-proxy"

GATEWAYS = ("api-gateway", "ingress-gateway", "terminating-gateway")
"""The kinds of the entries that configure gateways."""

MESH_GATEWAY = "mesh-gateway"
"""The service that `consul connect envoy -gateway=mesh` registers. It has no config entry."""


def default_of(mesh: JsonObject | None) -> str:
    """Return the default protocol in the body of `proxy-defaults`, empty if it declares none."""
    return str(((mesh or {}).get("Config") or {}).get("protocol") or "")


def enables_http_default(settings: MeshSettings, live_mesh: JsonObject | None) -> bool:
    """Return whether the update changes the default protocol of the mesh to an HTTP protocol."""
    return settings.default_protocol in HTTP_PROTOCOLS and default_of(live_mesh) not in HTTP_PROTOCOLS


def undeclared_services(catalog: Iterable[str], declared: Iterable[Entry], settings: MeshSettings) -> list[Entry]:
    """Return the service-defaults of the services in the catalog that this stack does not declare."""
    known = {entry.name for entry in declared} | {CONSUL_SERVICE, MESH_GATEWAY}
    names = (name for name in catalog if name not in known and not name.endswith(SIDECAR_SUFFIX))
    return [Entry("service-defaults", name, {}, partition=settings.partition) for name in sorted(names)]


def gateways(names: Iterable[str], settings: MeshSettings) -> list[Entry]:
    """Return the entries that exist if one of the services is a gateway. A gateway has no service-defaults."""
    return [Entry(kind, name, {}, partition=settings.partition) for name in names for kind in GATEWAYS]


def without_protocol(live: Mapping[str, JsonObject | None]) -> list[str]:
    """Return the services whose live entry declares no protocol."""
    return [name for name, entry in live.items() if not (entry or {}).get("Protocol")]


def http_default_text(names: list[str]) -> str:
    """Return the warning that lists the affected services."""
    return message(
        "CT509",
        f"default_protocol makes proxies parse services without a declared protocol as HTTP: {', '.join(names)}",
        "Add those that are not HTTP to tcp_services, and declare the HTTP services in services.",
    )
