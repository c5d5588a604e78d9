"""What callers may write into entries beside our own part, and what is wrong with it."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator

from .entries import TRACING_KEYS
from .envoy import COLLECTOR_CLUSTER
from .errors import Problem, given, unknown_key
from .fields import Json, JsonObject
from .marks import MANAGED_BY, STACK_MARK
from .parts import STRUCTS
from .validation import crossed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from .parts import Part

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
"""The top-level fields of proxy-defaults that are free (Consul's `api.ProxyConfigEntry`)."""

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
"""The top-level fields of service-defaults that are free (Consul's `api.ServiceConfigEntry`)."""

TAKEN_FIELDS: Mapping[str, str] = {
    "Config": "is written from proxy_config",
    "Kind": "is fixed",
    "Name": "is fixed",
    "Namespace": "is written from services.<name>.namespace",
    "Partition": "is written from partition",
    "Protocol": "is written from protocol",
}
"""Fields of an entry that are not free, with what to write instead."""

OWN_META = frozenset({MANAGED_BY, STACK_MARK, "external-source"})
"""`Meta` keys that name the owner of an entry; none of them is free."""

CONSULS_CLUSTERS = frozenset(
    {
        "consul_telemetry_collector_loopback",
        "local_agent",
        "local_app",
        "original-destination",
        "prometheus_backend",
        "self_admin",
    }
)
"""The clusters that Consul itself gives to a proxy. Source: `command/connect/envoy` and `agent/xds` of Consul 1.22."""

OWN_META_KEYS_PREFIX = "consul-tracing-"
"""How every further `Meta` key of ours begins."""


def entry_problems(fields: JsonObject, allowed: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with free fields of an entry: they must exist, be free, and leave our marks alone."""
    for name in fields:
        if name in TAKEN_FIELDS:
            yield Problem(name, TAKEN_FIELDS[name])
        elif name not in allowed:
            yield Problem(name, unknown_key(name, allowed))
    yield from struct_problems(fields)
    meta = fields.get("Meta", {})
    if not isinstance(meta, dict) or not all(isinstance(value, str) for value in meta.values()):
        yield Problem("Meta", "is not a map of text to text")
        return
    for key in meta:
        if key in OWN_META or key.startswith(OWN_META_KEYS_PREFIX):
            yield Problem(f"Meta.{key}", "marks who wrote the entry; choose another key")


def struct_problems(fields: JsonObject, above: Part = ()) -> Iterator[Problem]:
    """The structs of an entry that are not maps, and the overrides of upstreams that are not a list of maps."""
    for name, value in fields.items():
        path = (*above, name)
        if path == ("UpstreamConfig", "Overrides"):
            if not isinstance(value, list) or not all(isinstance(override, dict) for override in value):
                yield Problem(".".join(path), f"must be a list of maps, got {given(value)}")
        elif path in STRUCTS and path not in {("Config",), ("Meta",)}:
            if isinstance(value, dict):
                yield from struct_problems(value, path)
            else:
                yield Problem(".".join(path), f"must be a map, got {given(value)}")


def static_cluster_problems(clusters: list[JsonObject]) -> Iterator[Problem]:
    """What is wrong with further clusters. A proxy with two of one name does not start."""
    seen = {
        COLLECTOR_CLUSTER: "the collector's cluster",
        **dict.fromkeys(CONSULS_CLUSTERS, "a cluster of Consul's own"),
    }
    for index, cluster in enumerate(clusters):
        path = str(index)
        name = cluster.get("name")
        if not isinstance(name, str) or not name:
            yield Problem(f"{path}.name", "is required: text, unique among the proxy's clusters")
        elif name in seen:
            yield Problem(
                f"{path}.name", f"{given(name)} is the name of {seen[name]}; the proxy would not start with two"
            )
        else:
            seen[name] = f"static_clusters.{index}"


def proxy_config_problems(config: JsonObject) -> Iterator[Problem]:
    """What is wrong with further keys of `Config`. Consul reads its keys without regard to case."""
    for key, value in config.items():
        lower = key.lower()
        if lower in TRACING_KEYS:
            yield Problem(key, f"{_as_given(value)}is written by this component: use {TRACING_KEYS[lower]}")
        elif lower == "protocol":
            yield Problem(key, "is written from default_protocol")
        elif lower.startswith("envoy_") and lower.endswith("_json") and not _holds_json_objects(value):
            yield Problem(key, f"{_as_given(value)}must be text that holds one JSON object, or several with commas")


def _as_given(value: object) -> str:
    if isinstance(value, dict | list):
        return f"is {given(value)}, which Consul passes over without a word (it wants text), and "
    try:
        twice = isinstance(value, str) and isinstance(json.loads(value), str)
    except ValueError:
        return "is not JSON, and "
    return "is escaped twice, and " if twice else ""


def _holds_json_objects(value: object) -> bool:
    try:
        return isinstance(value, str) and all(isinstance(member, dict) for member in json.loads(f"[{value}]"))
    except ValueError:
        return False


def refusing(check: Callable[[Value], Iterable[Problem]]) -> AfterValidator:
    """A validator that lets a value pass in which `check` finds nothing."""

    def pass_or_refuse(value: Value) -> Value:
        if found := list(check(value)):
            raise crossed(found)
        return value

    return AfterValidator(pass_or_refuse)


ProxyConfig = Annotated[Json, refusing(proxy_config_problems)]
ProxyDefaultsFields = Annotated[Json, refusing(partial(entry_problems, allowed=PROXY_DEFAULTS_FIELDS))]
ServiceDefaultsFields = Annotated[Json, refusing(partial(entry_problems, allowed=SERVICE_DEFAULTS_FIELDS))]
StaticClusters = Annotated[list[Json], refusing(static_cluster_problems)]
