"""The tracing configuration in Consul's config entries."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consul_tracing.entries.field_paths import InvalidClustersError, split_clusters
from consul_tracing.envoy_messages.json_values import json_objects, snake_case_keys
from consul_tracing.names import CLUSTERS_KEY, HTTP_PROTOCOLS, LISTENER_KEY, TRACER_KEY

from .proxies import Endpoint, Tracer, endpoints, tracer_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.consul import ConsulClient

UNTRACED: JsonObject = {"random_sampling": {}}
"""The tracing block of HTTP listeners that Consul writes if the entry has none."""


@dataclass(frozen=True)
class ConsulConfig:
    """The tracing configuration of a mesh."""

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


def read_config(client: ConsulClient) -> ConsulConfig:
    """Read the config entries of a mesh. Raises CommandError."""
    return config_from(client.get("/v1/config/proxy-defaults/global"), client.get("/v1/config/service-defaults") or [])


def config_from(proxy_defaults: JsonObject | None, service_defaults: list[JsonObject]) -> ConsulConfig:
    """Return the tracing configuration of these entries."""
    config = {key.lower(): value for key, value in ((proxy_defaults or {}).get("Config") or {}).items()}
    protocols = {str(one.get("Name")).lower(): str(one.get("Protocol") or "").lower() for one in service_defaults}
    tracing = _decoded(config.get(TRACER_KEY)).get("http")
    listener = {key: value for key, value in _decoded(config.get(LISTENER_KEY)).items() if key != "@type"}
    return ConsulConfig(
        tracer=tracer_of(tracing) if isinstance(tracing, dict) else None,
        listener=listener or UNTRACED,
        clusters={name: endpoints(_decoded(text)) for name, text in _clusters(config.get(CLUSTERS_KEY)).items()},
        protocols={name: protocol for name, protocol in protocols.items() if protocol},
        default_protocol=str(config.get("protocol") or "tcp").lower(),
    )


def _decoded(text: object) -> JsonObject:
    objects = json_objects(text) or []
    return snake_case_keys(objects[0]) if len(objects) == 1 else {}


def _clusters(text: object) -> dict[str, str]:
    try:
        return split_clusters(text or "")
    except InvalidClustersError:
        return {}
