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
from .validation import crossed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

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

OWN_META = frozenset({"managed-by", "pulumi-stack", "external-source"})
"""`Meta` keys by which writers of entries know each other's; none of them is free."""

OWN_META_KEYS_PREFIX = "consul-tracing-"
"""How every further `Meta` key of ours begins."""

CLUSTER_FIELDS = frozenset(
    [
        "alt_stat_name",
        "circuit_breakers",
        "cleanup_interval",
        "close_connections_on_host_health_failure",
        "cluster_type",
        "common_http_protocol_options",
        "common_lb_config",
        "connect_timeout",
        "connection_pool_per_downstream_connection",
        "dns_failure_refresh_rate",
        "dns_jitter",
        "dns_lookup_family",
        "dns_refresh_rate",
        "dns_resolution_config",
        "dns_resolvers",
        "eds_cluster_config",
        "filters",
        "health_checks",
        "http2_protocol_options",
        "http_protocol_options",
        "ignore_health_on_host_removal",
        "lb_policy",
        "lb_subset_config",
        "least_request_lb_config",
        "load_assignment",
        "load_balancing_policy",
        "lrs_report_endpoint_metrics",
        "lrs_server",
        "maglev_lb_config",
        "max_requests_per_connection",
        "metadata",
        "name",
        "original_dst_lb_config",
        "outlier_detection",
        "per_connection_buffer_limit_bytes",
        "preconnect_policy",
        "protocol_selection",
        "respect_dns_ttl",
        "ring_hash_lb_config",
        "round_robin_lb_config",
        "track_cluster_stats",
        "track_timeout_budgets",
        "transport_socket",
        "transport_socket_matcher",
        "transport_socket_matches",
        "type",
        "typed_dns_resolver_config",
        "typed_extension_protocol_options",
        "upstream_bind_config",
        "upstream_config",
        "upstream_connection_options",
        "upstream_http_protocol_options",
        "use_tcp_for_dns_lookups",
        "wait_for_warm_on_init",
    ]
)
"""The fields of Envoy's `config.cluster.v3.Cluster`; a test holds them against Envoy's own protobuf messages."""


def entry_problems(fields: JsonObject, allowed: Sequence[str]) -> Iterator[Problem]:
    """What is wrong with free fields of an entry: they must exist, be free, and leave our marks alone."""
    for name in fields:
        if name in TAKEN_FIELDS:
            yield Problem(name, TAKEN_FIELDS[name])
        elif name not in allowed:
            yield Problem(name, unknown_key(name, allowed))
    meta = fields.get("Meta", {})
    if not isinstance(meta, dict) or not all(isinstance(value, str) for value in meta.values()):
        yield Problem("Meta", "is not a map of text to text")
        return
    for key in meta:
        if key in OWN_META or key.startswith(OWN_META_KEYS_PREFIX):
            yield Problem(f"Meta.{key}", "marks who wrote the entry; choose another key")


def static_cluster_problems(clusters: list[JsonObject]) -> Iterator[Problem]:
    """What is wrong with further clusters. A proxy with two of one name, or an unknown field, does not start."""
    seen = {COLLECTOR_CLUSTER: "the collector's cluster"}
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
        for field in cluster:
            if snake_case(field) not in CLUSTER_FIELDS:
                yield Problem(f"{path}.{field}", unknown_key(field, sorted(CLUSTER_FIELDS)))


def snake_case(name: str) -> str:
    """A protobuf field's own name, for one that may be written in camelCase: protobuf's JSON takes both."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


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
