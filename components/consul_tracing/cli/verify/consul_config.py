"""The configuration of a mesh in Consul, as far as a diagnosis needs it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consul_tracing.entries.tracing_keys import TracingKeys, tracing_keys
from consul_tracing.names import HTTP_PROTOCOLS, JsonObject
from consul_tracing.sources.http import ServerError

from .tracers import Tracer, tracer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.sources.http import HttpClient


@dataclass(frozen=True)
class ConsulConfig:
    """The config entries of a mesh."""

    keys: TracingKeys = field(default_factory=TracingKeys)
    protocols: Mapping[str, str] = field(default_factory=dict)
    """The protocols of services with an entry of their own."""
    default_protocol: str = "tcp"
    services: frozenset[str] = frozenset()
    """The services of the catalog, in lower case. Empty if it cannot be read."""

    def is_http(self, service: str) -> bool:
        """Return whether proxies parse the requests of a service."""
        return self.protocols.get(service, self.default_protocol) in HTTP_PROTOCOLS


def read_config(consul: HttpClient) -> ConsulConfig:
    """Read the config entries of a mesh. Raises CommandError."""
    mesh = consul.get("/v1/config/proxy-defaults/global", JsonObject) or {}
    services = consul.get("/v1/config/service-defaults", list[JsonObject]) or []
    with consul.expected_shape():
        return config_from(mesh, services)


def read_tracer(consul: HttpClient) -> Tracer | None:
    """Return the tracer of a mesh. None without one. Raises CommandError."""
    mesh = consul.get("/v1/config/proxy-defaults/global", JsonObject) or {}
    with consul.expected_shape():
        found = config_from(mesh, []).keys.tracer
        return tracer_of(found) if found else None


def service_names(consul: HttpClient) -> frozenset[str]:
    """Return the names in the catalog, those of gateways included, in lower case. Empty if it cannot be read."""
    try:
        return frozenset(map(str.lower, consul.get("/v1/catalog/services", JsonObject) or {}))
    except ServerError:
        # The entries are sufficient for all but misspelt services.
        return frozenset()


def config_from(proxy_defaults: JsonObject, service_defaults: list[JsonObject]) -> ConsulConfig:
    """Return the configuration in these entries."""
    config = {key.lower(): value for key, value in (proxy_defaults.get("Config") or {}).items()}
    protocols = {str(one.get("Name")).lower(): str(one.get("Protocol") or "").lower() for one in service_defaults}
    return ConsulConfig(
        tracing_keys(config),
        {name: protocol for name, protocol in protocols.items() if protocol},
        str(config.get("protocol") or "tcp").lower(),
    )
