"""Validation of additional Envoy clusters: field names, and the values of common fields.

Other values are not validated. Protobuf's JSON accepts each field in snake_case and in camelCase.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING

from consul_tracing.errors import Problem, format_value, with_suggestion
from consul_tracing.names import COLLECTOR_CLUSTER

from .hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from consul_tracing.names import JsonObject

    Check = Callable[[object], str]
    """Function that returns an empty string for a valid value, else a description of the expected value."""

    Schema = Check | list["Schema"] | Mapping[str, "Schema"]
    """The check of a value, the schema of the members of a list, or the schemas of the fields of a message.

    The field `*` is the schema of fields that are not listed and do not resemble a listed one: newer Envoy
    versions have additional fields.
    """

RESERVED_CLUSTERS = frozenset(
    {
        "consul_telemetry_collector_loopback",
        "local_agent",
        "local_app",
        "original-destination",
        "prometheus_backend",
        "self_admin",
    }
)
"""Clusters that Consul adds to each proxy. Source: `command/connect/envoy` and `agent/xds` of Consul 1.22."""

DURATION = re.compile(r"\d{1,12}(\.\d{1,9})?s", re.ASCII)
MAX_PORT = 65535

SIMILARITY = 0.85
"""Minimum similarity (0 to 1) at which an unknown field is treated as a misspelling."""


def anything(_value: object) -> str:
    """Accept every value."""
    return ""


def text(value: object) -> str:
    """Accept non-empty text."""
    return "" if isinstance(value, str) and value else "non-empty text"


def boolean(value: object) -> str:
    """Accept true and false."""
    return "" if isinstance(value, bool) else "true or false"


def count(value: object) -> str:
    """Accept a whole number that is not negative."""
    is_count = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0 and value == int(value)
    return "" if is_count else "a whole number, 0 or greater"


def port(value: object) -> str:
    """Accept a port."""
    return "" if not count(value) and float(str(value)) <= MAX_PORT else "a port from 0 to 65535"


def duration(value: object) -> str:
    """Accept a duration in protobuf's JSON format."""
    is_duration = isinstance(value, str) and DURATION.fullmatch(value)
    return "" if is_duration else 'a duration in seconds, such as "3s" or "0.250s"'


def message(value: object) -> str:
    """Accept a map."""
    return "" if isinstance(value, dict) else "a map"


def typed_message(value: object) -> str:
    """Accept a protobuf `Any`."""
    return "" if isinstance(value, dict) and isinstance(value.get("@type"), str) else 'a map with "@type"'


def one_of(*names: str) -> Check:
    """Return the check of an enumeration."""
    expected = f"one of {', '.join(names)}"
    return lambda value: "" if value in names else expected


SOCKET_ADDRESS: Schema = {
    "address": text,
    "port_value": port,
    "named_port": text,
    "protocol": one_of("TCP", "UDP"),
    "resolver_name": text,
    "ipv4_compat": boolean,
    "network_namespace_filepath": text,
}
ADDRESS: Schema = {
    "socket_address": SOCKET_ADDRESS,
    "pipe": {"path": text, "mode": count},
    "envoy_internal_address": message,
}
LOAD_ASSIGNMENT: Schema = {
    "cluster_name": text,
    "named_endpoints": message,
    "policy": message,
    "endpoints": [
        {
            "lb_endpoints": [
                {
                    "endpoint": {
                        "address": ADDRESS,
                        "health_check_config": message,
                        "hostname": anything,
                        "additional_addresses": anything,
                    },
                    "endpoint_name": text,
                    "health_status": anything,
                    "metadata": message,
                    "load_balancing_weight": count,
                }
            ],
            "locality": message,
            "metadata": message,
            "load_balancer_endpoints": message,
            "leds_cluster_locality_config": message,
            "load_balancing_weight": count,
            "priority": count,
            "proximity": count,
        }
    ],
}
DATA_SOURCE: Schema = {
    "filename": text,
    "inline_bytes": text,
    "inline_string": text,
    "environment_variable": text,
    "*": anything,
}
TYPED: Mapping[str, Schema] = {
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": {
        "common_tls_context": {
            "alpn_protocols": [text],
            "tls_certificates": [{"certificate_chain": DATA_SOURCE, "private_key": DATA_SOURCE, "*": anything}],
            "tls_params": message,
            "validation_context": {
                "trusted_ca": DATA_SOURCE,
                "match_typed_subject_alt_names": [message],
                "*": anything,
            },
            "*": anything,
        },
        "sni": text,
        "allow_renegotiation": boolean,
        "max_session_keys": count,
        "*": anything,
    },
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "auto_config": message,
        "common_http_protocol_options": message,
        "explicit_http_config": {
            "http_protocol_options": message,
            "http2_protocol_options": {
                "max_concurrent_streams": count,
                "initial_stream_window_size": count,
                "initial_connection_window_size": count,
                "connection_keepalive": {"interval": duration, "timeout": duration, "*": anything},
                "*": anything,
            },
            "http3_protocol_options": message,
        },
        "upstream_http_protocol_options": message,
        "use_downstream_protocol_config": message,
        "*": anything,
    },
}
"""The schemas of messages in an `Any`, by their names."""

CLUSTER: Mapping[str, Schema] = {
    "alt_stat_name": text,
    "circuit_breakers": message,
    "cleanup_interval": duration,
    "close_connections_on_host_health_failure": boolean,
    "cluster_type": message,
    "common_http_protocol_options": message,
    "common_lb_config": message,
    "connect_timeout": duration,
    "connection_pool_per_downstream_connection": boolean,
    "dns_failure_refresh_rate": message,
    "dns_jitter": duration,
    "dns_lookup_family": one_of("AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"),
    "dns_refresh_rate": duration,
    "dns_resolution_config": message,
    "dns_resolvers": anything,
    "eds_cluster_config": message,
    "filters": anything,
    "health_checks": [message],
    "http2_protocol_options": message,
    "http_protocol_options": message,
    "ignore_health_on_host_removal": boolean,
    "lb_policy": one_of(
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RING_HASH",
        "RANDOM",
        "MAGLEV",
        "CLUSTER_PROVIDED",
        "LOAD_BALANCING_POLICY_CONFIG",
    ),
    "lb_subset_config": message,
    "least_request_lb_config": message,
    "load_assignment": LOAD_ASSIGNMENT,
    "load_balancing_policy": message,
    "lrs_report_endpoint_metrics": anything,
    "lrs_server": message,
    "maglev_lb_config": message,
    "max_requests_per_connection": count,
    "metadata": message,
    "name": text,
    "original_dst_lb_config": message,
    "outlier_detection": message,
    "per_connection_buffer_limit_bytes": count,
    "preconnect_policy": message,
    "protocol_selection": one_of("USE_CONFIGURED_PROTOCOL", "USE_DOWNSTREAM_PROTOCOL"),
    "respect_dns_ttl": boolean,
    "ring_hash_lb_config": message,
    "round_robin_lb_config": message,
    "track_cluster_stats": message,
    "track_timeout_budgets": boolean,
    "transport_socket": {"name": text, "typed_config": typed_message},
    "transport_socket_matcher": message,
    "transport_socket_matches": [message],
    "type": one_of("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"),
    "typed_dns_resolver_config": {"name": text, "typed_config": typed_message},
    "typed_extension_protocol_options": {"*": typed_message},
    "upstream_bind_config": message,
    "upstream_config": message,
    "upstream_connection_options": message,
    "upstream_http_protocol_options": message,
    "use_tcp_for_dns_lookups": boolean,
    "wait_for_warm_on_init": boolean,
}
"""The fields of Envoy's `config.cluster.v3.Cluster`. A test compares them with Envoy's protobuf messages."""


def snake_case(name: str) -> str:
    """Return the name of a protobuf field. Protobuf's JSON also accepts its camelCase form."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def static_cluster_problems(clusters: list[JsonObject]) -> Iterator[Problem]:
    """Return the problems of additional clusters. A proxy with an invalid cluster does not start."""
    owners = {COLLECTOR_CLUSTER: "the collector's cluster", **dict.fromkeys(RESERVED_CLUSTERS, "a cluster of Consul")}
    for index, cluster in enumerate(clusters):
        match cluster.get("name"):
            case None:
                yield Problem(f"{index}.name", "is required")
            case str(name) if name in owners:
                reason = f"conflicts with {owners[name]}, which has the same name ({format_value(name)})"
                yield Problem(f"{index}.name", reason)
            case str(name) if name:
                owners[name] = f"static_clusters.{index}"
        # Unknown fields of a cluster cause a warning, because newer Envoy versions have additional fields.
        known = {field: value for field, value in cluster.items() if snake_case(field) in CLUSTER}
        yield from value_problems(known, CLUSTER, str(index))
        yield from _meaning_problems(cluster, str(index))


def value_problems(value: object, schema: Schema, path: str) -> Iterator[Problem]:
    """Return the problems of a value and its members."""
    if callable(schema):
        if expected := schema(value):
            yield Problem(path, f"must be {expected}, got {format_value(value)}")
        elif schema is typed_message and isinstance(value, dict):
            fields = {field: member for field, member in value.items() if field != "@type"}
            yield from value_problems(fields, TYPED.get(value["@type"].rpartition("/")[2], message), path)
    elif isinstance(schema, list):
        if not isinstance(value, list):
            yield Problem(path, f"must be a list, got {format_value(value)}")
            return
        for index, member in enumerate(value):
            yield from value_problems(member, schema[0], f"{path}.{index}")
    elif not isinstance(value, dict):
        yield Problem(path, f"must be a map, got {format_value(value)}")
    else:
        for field, member in value.items():
            name, known = snake_case(field), sorted(schema.keys() - {"*"})
            if name not in schema and ("*" not in schema or get_close_matches(name, known, n=1, cutoff=SIMILARITY)):
                yield Problem(f"{path}.{field}", with_suggestion("is not a field of this Envoy message", field, known))
            else:
                yield from value_problems(member, schema.get(name) or schema["*"], f"{path}.{field}")


def _meaning_problems(cluster: JsonObject, path: str) -> Iterator[Problem]:
    fields = {snake_case(field): value for field, value in cluster.items()}
    for field, address in _addresses(fields.get("load_assignment"), f"{path}.load_assignment"):
        if fields.get("type", "STATIC") == "STATIC" and "cluster_type" not in fields and not is_address(address):
            reason = f"must be an IP address if type is STATIC (Envoy's default), got {format_value(address)}"
            yield Problem(field, f"{reason}. Set type: STRICT_DNS")
    assignment = fields.get("load_assignment")
    if isinstance(assignment, dict) and not {"cluster_name", "clusterName"} & assignment.keys():
        yield Problem(f"{path}.load_assignment.cluster_name", "is required")


def _addresses(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield the socket addresses in a load assignment, with their paths."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key in {"socket_address", "socketAddress"} and isinstance(member, dict):
            if isinstance(address := member.get("address"), str):
                yield f"{path}.{key}.address", address
        else:
            yield from _addresses(member, f"{path}.{key}")
