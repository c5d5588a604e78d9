"""The three tracing keys of a `Config`: of proxy-defaults, of a registration, or of both merged by Consul."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.envoy_messages.messages import CLUSTER, TRACING
from consul_tracing.envoy_messages.reader import read, read_listener
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY, JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTRACED: JsonObject = {"random_sampling": {}}
"""The tracing block of HTTP listeners that Consul writes without LISTENER_KEY."""


@dataclass(frozen=True)
class TracingKeys:
    """The canonical content of the keys. A missing or an invalid value is empty."""

    bootstrap: JsonObject = field(default_factory=dict)
    """TRACER_KEY: Envoy's `config.trace.v3.Tracing`."""
    listener: JsonObject = field(default_factory=dict)
    """LISTENER_KEY: the tracing block of HTTP listeners."""
    clusters: Mapping[str, JsonObject] = field(default_factory=dict)
    """CLUSTERS_KEY: the static clusters by name."""

    @property
    def listener_block(self) -> JsonObject:
        """The tracing block that Consul writes to HTTP listeners."""
        return self.listener or UNTRACED

    @property
    def bootstrap_tracer(self) -> JsonObject | None:
        """The tracer with which a proxy starts."""
        return _map(self.bootstrap.get("http"))

    @property
    def tracer(self) -> JsonObject | None:
        """The tracer of a proxy. Envoy prefers that of the listener."""
        return _map(self.listener.get("provider")) or self.bootstrap_tracer


def tracing_keys(config: object) -> TracingKeys:
    """Read the keys of a `Config`. Consul ignores their case."""
    found = {str(key).lower(): json_objects(value) or [] for key, value in (_map(config) or {}).items()}
    bootstrap, listener = (one[0] if len(one := found.get(key, [])) == 1 else {} for key in (TRACER_KEY, LISTENER_KEY))
    clusters = {str(one.get("name")): read(one, CLUSTER).value for one in found.get(CLUSTERS_KEY, [])}
    return TracingKeys(read(bootstrap, TRACING).value, read_listener(listener).value, clusters)


def _map(value: Any) -> JsonObject | None:  # noqa: ANN401 - JSON
    return value if isinstance(value, dict) and value else None
