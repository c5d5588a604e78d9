"""The three tracing keys of a `Config`: of proxy-defaults, of a registration, or of both merged by Consul."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from consul_tracing.inputs.envoy_json import json_objects, snake_case_keys
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY, JsonObject

if TYPE_CHECKING:
    from collections.abc import Mapping

UNTRACED: JsonObject = {"random_sampling": {}}
"""The tracing block of HTTP listeners that Consul writes without LISTENER_KEY."""


@dataclass(frozen=True)
class TracingKeys:
    """The content of the keys, with fields in snake_case. A missing or an invalid value is empty."""

    bootstrap: JsonObject = field(default_factory=dict)
    """TRACER_KEY: Envoy's `config.trace.v3.Tracing`."""
    listener: JsonObject = field(default_factory=dict)
    """LISTENER_KEY: the tracing block of HTTP listeners."""
    clusters: Mapping[str, JsonObject] = field(default_factory=dict)
    """CLUSTERS_KEY: the static clusters by name."""

    @property
    def listener_block(self) -> JsonObject:
        """The tracing block that Consul writes to HTTP listeners."""
        return {key: value for key, value in self.listener.items() if key != "@type"} or UNTRACED

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
    found = {str(key).lower(): value for key, value in (_map(config) or {}).items()}

    def objects(key: str) -> list[JsonObject]:
        decoded: list[JsonObject] = snake_case_keys(json_objects(found.get(key)) or [])
        return decoded

    bootstrap, listener = (one[0] if len(one := objects(key)) == 1 else {} for key in (TRACER_KEY, LISTENER_KEY))
    return TracingKeys(bootstrap, listener, {str(one.get("name")): one for one in objects(CLUSTERS_KEY)})


def _map(value: Any) -> JsonObject | None:  # noqa: ANN401 - JSON
    return value if isinstance(value, dict) and value else None
