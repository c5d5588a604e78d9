"""Which services a `default_protocol` of the HTTP kind would reach that nobody declared.

From the moment in which it is written, proxies parse what such a service speaks as HTTP; one that speaks something else
stops working (consul#20064).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .entries import Entry
from .envoy import HTTP_PROTOCOLS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .fields import JsonObject
    from .settings import MeshSettings

# The service that Consul's servers register, and the one that each sidecar is registered as.
CONSULS_OWN = "consul"
SIDECAR_SUFFIX = "-sidecar-proxy"
GATEWAYS = ("api-gateway", "ingress-gateway", "terminating-gateway")
MESH_GATEWAY = "mesh-gateway"
"""The name under which `consul connect envoy -gateway=mesh` registers a mesh gateway, which has no entry of its own."""


def switches_over(settings: MeshSettings, live_mesh: JsonObject | None) -> bool:
    """Whether what is written makes an HTTP protocol the mesh's default, which it is not yet."""
    before = ((live_mesh or {}).get("Config") or {}).get("protocol")
    return settings.default_protocol in HTTP_PROTOCOLS and before not in HTTP_PROTOCOLS


def candidates(catalogued: Iterable[str], declared: Iterable[Entry], settings: MeshSettings) -> list[Entry]:
    """The entries that would hold the protocol of services that this stack does not declare."""
    known = {entry.name for entry in declared} | {CONSULS_OWN, MESH_GATEWAY}
    names = (name for name in catalogued if name not in known and not name.endswith(SIDECAR_SUFFIX))
    return [Entry("service-defaults", name, {}, partition=settings.partition) for name in sorted(names)]


def gateways(names: Iterable[str], settings: MeshSettings) -> list[Entry]:
    """The entries that exist where one of the services is a gateway; its protocol is not a service's."""
    return [Entry(kind, name, {}, partition=settings.partition) for name in names for kind in GATEWAYS]


def undeclared(live: Mapping[str, JsonObject | None]) -> list[str]:
    """The services whose live entry, by their name, declares no protocol."""
    return [name for name, entry in live.items() if not (entry or {}).get("Protocol")]


def switch_over_text(names: list[str]) -> str:
    """The warning that names the services."""
    return (
        f"default_protocol makes proxies parse these services as HTTP, which nobody declared: {', '.join(names)}. "
        "Name those that are not HTTP in tcp_services, and declare the others in services."
    )
