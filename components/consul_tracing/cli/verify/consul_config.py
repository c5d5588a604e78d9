"""The tracing configuration in Consul: of the mesh, or of one proxy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.names import HTTP_PROTOCOLS, JsonObject

from .tracers import Endpoint, Tracer, endpoints, tracer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.sources.http import JsonClient

UNTRACED: JsonObject = {"random_sampling": {}}
"""The tracing block of HTTP listeners that Consul writes if the entry has none."""


@dataclass(frozen=True)
class ConsulConfig:
    """The tracing configuration of a mesh, or of a proxy with its registration."""

    tracer: Tracer | None = None
    """The tracer with which proxies start."""
    listener: JsonObject = field(default_factory=lambda: UNTRACED)
    """The tracing block of HTTP listeners."""
    clusters: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """Static clusters and their endpoints."""
    protocols: Mapping[str, str] = field(default_factory=dict)
    """The protocols of services with an entry of their own."""
    default_protocol: str = "tcp"

    def is_http(self, service: str) -> bool:
        """Return whether proxies parse the requests of a service."""
        return self.protocols.get(service, self.default_protocol) in HTTP_PROTOCOLS


def read_config(consul: JsonClient) -> ConsulConfig:
    """Read the config entries of a mesh. Raises CommandError."""
    mesh = consul.get("/v1/config/proxy-defaults/global", JsonObject) or {}
    services = consul.get("/v1/config/service-defaults", list[JsonObject]) or []
    with consul.expected_shape():
        return config_from(mesh, services)


def config_from(proxy: JsonObject, service_defaults: list[JsonObject]) -> ConsulConfig:
    """Return the tracing configuration of proxy-defaults, or of the block `Proxy` of a registration."""
    config = {key.lower(): value for key, value in (proxy.get("Config") or {}).items()}
    protocols = {str(one.get("Name")).lower(): str(one.get("Protocol") or "").lower() for one in service_defaults}
    keys = tracing_keys(config)
    return ConsulConfig(
        tracer=tracer_of(keys.bootstrap_tracer) if keys.bootstrap_tracer else None,
        listener={key: value for key, value in keys.listener.items() if key != "@type"} or UNTRACED,
        clusters={name: endpoints(cluster) for name, cluster in keys.clusters.items()},
        protocols={name: protocol for name, protocol in protocols.items() if protocol},
        default_protocol=str(config.get("protocol") or "tcp").lower(),
    )
