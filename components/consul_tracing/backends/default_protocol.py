"""Services that an HTTP `default_protocol` affects.

Proxies then parse each service without a declared protocol as HTTP. A service that is not HTTP stops working
(hashicorp/consul#20064).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.entries.entry import Entry
from consul_tracing.errors import UnreadableError, message
from consul_tracing.names import HTTP_PROTOCOLS

from .base import continue_in_previews

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject

    from .base import Backend
    from .consul_api import ConsulApi

CONSUL_SERVICE = "consul"
"""The service that Consul's servers register."""

GATEWAYS = ("api-gateway", "ingress-gateway", "terminating-gateway")
"""The kinds of the entries that configure gateways."""

MESH_GATEWAY = "mesh-gateway"
"""The service that `consul connect envoy -gateway=mesh` registers. It has no config entry."""


def protocol_of(service: JsonObject | None) -> str:
    """Return the protocol in the body of a `service-defaults`, empty if it declares none."""
    return str((service or {}).get("Protocol") or "")


def default_of(mesh: JsonObject | None) -> str:
    """Return the default protocol in the body of `proxy-defaults`, empty if it declares none."""
    return str(((mesh or {}).get("Config") or {}).get("protocol") or "")


def undeclared_services(catalog: Iterable[str], declared: Iterable[Entry], partition: str | None) -> list[Entry]:
    """Return the service-defaults of the services in the catalog that this stack does not declare."""
    own = {entry.name for entry in declared if entry.kind == "service-defaults"}
    return [
        Entry("service-defaults", name, {}, partition=partition)
        for name in sorted(set(catalog) - own - {CONSUL_SERVICE, MESH_GATEWAY})
    ]


def is_http_elsewhere(backend: Backend[Any], declared: Sequence[Entry], partition: str | None) -> bool:
    """Return whether a service that is not declared has an HTTP protocol, False if that cannot be read."""
    try:
        names = backend.catalog.service_names(partition=partition) if backend.catalog else ()
        services = [backend.service(entry) for entry in undeclared_services(names, declared, partition)]
        found = backend.existing("service-defaults", services)
    except UnreadableError:
        return False
    return any(protocol_of(entry.body) in HTTP_PROTOCOLS for entry in found)


def warn_of_http_default(
    backend: Backend[Any], settings: MeshSettings, declared: Sequence[Entry], live_mesh: JsonObject | None
) -> None:
    """Warn of services in the catalog that an update to an HTTP default affects and for which no stack declares one."""
    is_enabled = settings.default_protocol in HTTP_PROTOCOLS and default_of(live_mesh) not in HTTP_PROTOCOLS
    if backend.catalog is None or not is_enabled:
        return
    try:
        names = services_without_protocol(backend.catalog, declared, settings.partition)
    except UnreadableError as error:
        continue_in_previews(backend, error)
        return
    if names:
        text = message(
            "CT509",
            f"default_protocol makes proxies parse services without a declared protocol as HTTP: {', '.join(names)}",
            "Add those that are not HTTP to tcp_services, and declare the HTTP services in services.",
        )
        pulumi.log.warn(text, backend.component)


def services_without_protocol(catalog: ConsulApi, declared: Iterable[Entry], partition: str | None) -> list[str]:
    """Return the services of the catalog for which no entry declares a protocol. Raises UnreadableError."""
    found = undeclared_services(catalog.service_names(partition=partition), declared, partition)
    live = catalog.entries(found)
    names = [entry.name for entry, body in zip(found, live, strict=True) if not protocol_of(body)]
    # A gateway has no service-defaults.
    gateways = [Entry(kind, name, {}, partition=partition) for name in names for kind in GATEWAYS]
    try:
        live = catalog.entries(gateways)
    except UnreadableError:  # the provider or the token does not support entries of gateways
        return names
    existing = {entry.name for entry, body in zip(gateways, live, strict=True) if body is not None}
    return [name for name in names if name not in existing]
