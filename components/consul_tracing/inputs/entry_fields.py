"""Passthrough fields: further fields that the inputs add to the entries."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator

from consul_tracing.errors import Problem, format_value, with_suggestion
from consul_tracing.names import (
    EXTERNAL_SOURCE_KEY,
    MANAGED_BY_KEY,
    OWNER_KEY,
    STRUCTS,
    TRACING_KEYS,
    JsonObject,
)

from .envoy_json import json_objects
from .static_clusters import static_cluster_problems
from .tracers import listener_problems, upstream_listeners
from .types import Json
from .validation import invalid_members

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from consul_tracing.names import FieldPath

Value = TypeVar("Value")

PROXY_DEFAULTS_FIELDS = (
    "AccessLogs",
    "EnvoyExtensions",
    "Expose",
    "FailoverPolicy",
    "MeshGateway",
    "Meta",
    "Mode",
    "MutualTLSMode",
    "PrioritizeByLocality",
    "TransparentProxy",
)
"""The fields of proxy-defaults that `proxy_defaults` can set. Source: Consul 1.22's `api.ProxyConfigEntry`."""

RESERVED_PROXY_DEFAULTS_FIELDS: Mapping[str, str] = {
    "Config": "is managed by proxy_config",
    "Kind": "is managed by consul-tracing",
    "Name": "is managed by consul-tracing",
    "Namespace": "is not supported: proxy-defaults has no namespace",
    "Partition": "is managed by partition",
    "Protocol": "is managed by default_protocol",
}
"""The fields of proxy-defaults that other inputs set."""

SERVICE_DEFAULTS_FIELDS = (
    "BalanceInboundConnections",
    "Destination",
    "EnvoyExtensions",
    "Expose",
    "ExternalSNI",
    "LocalConnectTimeoutMs",
    "LocalRequestTimeoutMs",
    "MaxInboundConnections",
    "MaxRequestHeadersKB",
    "MeshGateway",
    "Meta",
    "Mode",
    "MutualTLSMode",
    "RateLimits",
    "TransparentProxy",
    "UpstreamConfig",
)
"""The fields of service-defaults that `service_defaults` can set. Source: Consul 1.22's `api.ServiceConfigEntry`."""

RESERVED_SERVICE_DEFAULTS_FIELDS: Mapping[str, str] = {
    "Kind": "is managed by consul-tracing",
    "Name": "is managed by services.<key>.name",
    "Namespace": "is managed by services.<key>.namespace",
    "Partition": "is managed by services.<key>.partition",
    "Protocol": "is managed by services.<key>.protocol",
}
"""The fields of service-defaults that other inputs set."""

OWNERSHIP_KEYS = frozenset({MANAGED_BY_KEY, OWNER_KEY, EXTERNAL_SOURCE_KEY})
OWNERSHIP_KEY_PREFIX = "consul-tracing-"
"""The keys of `Meta` that hold ownership metadata."""


def entry_problems(
    fields: JsonObject, *, kind: str, allowed: Sequence[str], reserved: Mapping[str, str]
) -> Iterator[Problem]:
    """Return the problems of further fields of an entry."""
    for name in fields:
        if name in reserved:
            yield Problem(name, reserved[name])
        elif name not in allowed:
            yield Problem(name, with_suggestion(f"is not a field of {kind}", name, allowed))
    yield from struct_problems(fields)
    for path, text in upstream_listeners(fields):
        yield from listener_problems(json_objects(text), ".".join(path))
    meta = fields.get("Meta", {})
    if not isinstance(meta, dict):
        yield Problem("Meta", f"must be a map, got {format_value(meta)}")
        return
    for key, value in meta.items():
        if key in OWNERSHIP_KEYS or key.startswith(OWNERSHIP_KEY_PREFIX):
            yield Problem(f"Meta.{key}", "is managed by consul-tracing (ownership metadata). Use another key")
        elif not isinstance(value, str):
            yield Problem(f"Meta.{key}", f"must be text, got {format_value(value)}")


def struct_problems(fields: JsonObject, parent: FieldPath = ()) -> Iterator[Problem]:
    """Return the structs of an entry that are not maps, and upstream overrides that are not a list of maps."""
    for name, value in fields.items():
        path = (*parent, name)
        if path == ("UpstreamConfig", "Overrides"):
            if not isinstance(value, list) or not all(isinstance(override, dict) for override in value):
                yield Problem(".".join(path), f"must be a list of maps, got {format_value(value)}")
        elif path in STRUCTS and path not in {("Config",), ("Meta",)}:
            if isinstance(value, dict):
                yield from struct_problems(value, path)
            else:
                yield Problem(".".join(path), f"must be a map, got {format_value(value)}")


def proxy_config_problems(config: JsonObject) -> Iterator[Problem]:
    """Return the problems of further keys of `Config`. Consul ignores the case of its keys."""
    for key, value in config.items():
        lower = key.lower()
        if lower in TRACING_KEYS:
            yield Problem(key, f"is managed by {TRACING_KEYS[lower]}")
        elif lower == "protocol":
            yield Problem(key, "is managed by default_protocol")
        elif lower.startswith("envoy_") and lower.endswith("_json"):
            objects = json_objects(value)
            if objects is None:
                reason = f"must be text with one JSON object, or several separated by commas; got {_kind(value)}"
                yield Problem(key, reason)
            yield from listener_problems(objects, key)


def _kind(value: object) -> str:
    if not isinstance(value, str):
        return format_value(value)
    try:
        return "JSON that is escaped twice" if isinstance(json.loads(value), str) else "other JSON"
    except (ValueError, RecursionError):
        return "invalid JSON"


def without_problems(check: Callable[[Value], Iterable[Problem]]) -> AfterValidator:
    """Return a validator that rejects a value with problems."""

    def validate(value: Value) -> Value:
        if found := list(check(value)):
            raise invalid_members(found)
        return value

    return AfterValidator(validate)


ProxyConfig = Annotated[Json, without_problems(proxy_config_problems)]
ProxyDefaultsFields = Annotated[
    Json,
    without_problems(
        partial(
            entry_problems,
            kind="proxy-defaults",
            allowed=PROXY_DEFAULTS_FIELDS,
            reserved=RESERVED_PROXY_DEFAULTS_FIELDS,
        )
    ),
]
ServiceDefaultsFields = Annotated[
    Json,
    without_problems(
        partial(
            entry_problems,
            kind="service-defaults",
            allowed=SERVICE_DEFAULTS_FIELDS,
            reserved=RESERVED_SERVICE_DEFAULTS_FIELDS,
        )
    ),
]
StaticClusters = Annotated[list[Json], without_problems(static_cluster_problems)]
