"""Validation of additional Envoy clusters: field names, and the values of common fields.

Other values are not validated. Protobuf's JSON accepts each field in snake_case and in camelCase.
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from consul_tracing.errors import Problem, format_value, mismatch, with_suggestion
from consul_tracing.names import COLLECTOR_CLUSTER

from .hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from consul_tracing.names import JsonObject

    Check = Callable[[object], str]
    """Function that returns an empty string for a valid value, else a description of the expected value."""

    Schema = Check | list["Schema"] | Mapping[str, "Schema"]
    """The check of a value, the schema of the members of a list, or the schemas of the fields of a message.

    The field `*` is the schema of all fields of a map with any keys.
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
BOOLEANS = frozenset({"true", "t", "yes", "y", "1", "false", "f", "no", "n", "0"})
"""Text that Envoy's JSON parser reads as a boolean, in any case."""

TLS_SOCKET = "envoy.transport_sockets.tls"
MAX_PORT = 65535
MAX_UINT32 = 2**32 - 1

SIMILARITY = 0.85
"""Minimum similarity (0 to 1) at which an unknown field is treated as a misspelling."""


def anything(_value: object) -> str:
    """Accept every value."""
    return ""


def text(value: object) -> str:
    """Accept text."""
    return "" if isinstance(value, str) else "text"


def name(value: object) -> str:
    """Accept non-empty text."""
    return "" if isinstance(value, str) and value else "non-empty text"


def boolean(value: object) -> str:
    """Accept true and false, also as text."""
    is_boolean = isinstance(value, bool) or (isinstance(value, str) and value.lower() in BOOLEANS)
    return "" if is_boolean else "true or false"


def _number(value: object) -> float | None:
    match value:
        case str() if value.isdecimal() and value.isascii() and len(value) <= len(str(MAX_UINT32)):
            return int(value)
        case int() | float() if not isinstance(value, bool) and value % 1 == 0:
            return value
        case _:
            return None


def count(value: object) -> str:
    """Accept a whole number of 32 bits, also as text."""
    number = _number(value)
    return "" if number is not None and 0 <= number <= MAX_UINT32 else "a whole number from 0 to 4294967295"


def port(value: object) -> str:
    """Accept a port, also as text."""
    number = _number(value)
    return "" if number is not None and 0 <= number <= MAX_PORT else "a port from 0 to 65535"


def duration(value: object) -> str:
    """Accept a duration in protobuf's JSON format."""
    is_duration = isinstance(value, str) and DURATION.fullmatch(value)
    return "" if is_duration else 'a duration in seconds, such as "3s" or "0.250s"'


def timeout(value: object) -> str:
    """Accept a duration that is not zero."""
    return duration(value) or ("" if float(str(value)[:-1]) else "a duration greater than 0")


def is_map(value: object) -> str:
    """Accept a map."""
    return "" if isinstance(value, dict) else "a map"


def typed_message(value: object) -> str:
    """Accept a protobuf `Any`."""
    return "" if isinstance(value, dict) and isinstance(value.get("@type"), str) else 'a map with the text "@type"'


def one_of(*names: str) -> Check:
    """Return the check of an enumeration. Envoy accepts names in any case, and numbers."""
    expected = f"one of {', '.join(names)}"

    def check(value: object) -> str:
        return "" if _number(value) is not None or (isinstance(value, str) and value.upper() in names) else expected

    return check


SOCKET_ADDRESS: Schema = {
    "address": name,
    "port_value": port,
    "named_port": text,
    "protocol": one_of("TCP", "UDP"),
    "resolver_name": text,
    "ipv4_compat": boolean,
    "network_namespace_filepath": text,
}
ADDRESS: Schema = {
    "socket_address": SOCKET_ADDRESS,
    "pipe": {"path": name, "mode": count},
    "envoy_internal_address": is_map,
}
LOAD_ASSIGNMENT: Schema = {
    "cluster_name": name,
    "named_endpoints": is_map,
    "policy": is_map,
    "endpoints": [
        {
            "lb_endpoints": [
                {
                    "endpoint": {
                        "address": ADDRESS,
                        "health_check_config": is_map,
                        "hostname": anything,
                        "additional_addresses": anything,
                    },
                    "endpoint_name": text,
                    "health_status": anything,
                    "metadata": is_map,
                    "load_balancing_weight": count,
                }
            ],
            "locality": is_map,
            "metadata": is_map,
            "load_balancer_endpoints": is_map,
            "leds_cluster_locality_config": is_map,
            "load_balancing_weight": count,
            "priority": count,
            "proximity": count,
        }
    ],
}
DATA_SOURCE: Schema = {"filename": name, "inline_bytes": text, "inline_string": text, "environment_variable": text}
TYPED: Mapping[str, Schema] = {
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": {
        "common_tls_context": {
            "alpn_protocols": [text],
            "tls_certificates": [{"certificate_chain": DATA_SOURCE, "private_key": DATA_SOURCE}],
            "tls_params": is_map,
            "validation_context": {
                "trusted_ca": DATA_SOURCE,
                "match_typed_subject_alt_names": [is_map],
                "match_subject_alt_names": anything,
            },
        },
        "sni": text,
        "allow_renegotiation": boolean,
        "max_session_keys": count,
    },
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "auto_config": is_map,
        "common_http_protocol_options": is_map,
        "explicit_http_config": {
            "http_protocol_options": is_map,
            "http2_protocol_options": {
                "max_concurrent_streams": count,
                "initial_stream_window_size": count,
                "initial_connection_window_size": count,
                "connection_keepalive": {"interval": duration, "timeout": duration},
            },
            "http3_protocol_options": is_map,
        },
        "upstream_http_protocol_options": is_map,
        "use_downstream_protocol_config": is_map,
    },
}
"""The schemas of messages in an `Any`, by their names."""

CLUSTER: Mapping[str, Schema] = {
    "alt_stat_name": text,
    "circuit_breakers": is_map,
    "cleanup_interval": duration,
    "close_connections_on_host_health_failure": boolean,
    "cluster_type": is_map,
    "common_http_protocol_options": is_map,
    "common_lb_config": is_map,
    "connect_timeout": timeout,
    "connection_pool_per_downstream_connection": boolean,
    "dns_failure_refresh_rate": is_map,
    "dns_jitter": duration,
    "dns_lookup_family": one_of("AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"),
    "dns_refresh_rate": duration,
    "dns_resolution_config": is_map,
    "dns_resolvers": anything,
    "eds_cluster_config": is_map,
    "filters": anything,
    "health_checks": [is_map],
    "http2_protocol_options": is_map,
    "http_protocol_options": is_map,
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
    "lb_subset_config": is_map,
    "least_request_lb_config": is_map,
    "load_assignment": LOAD_ASSIGNMENT,
    "load_balancing_policy": is_map,
    "lrs_report_endpoint_metrics": anything,
    "lrs_server": is_map,
    "maglev_lb_config": is_map,
    "max_requests_per_connection": count,
    "metadata": is_map,
    "name": name,
    "original_dst_lb_config": is_map,
    "outlier_detection": is_map,
    "per_connection_buffer_limit_bytes": count,
    "preconnect_policy": is_map,
    "protocol_selection": one_of("USE_CONFIGURED_PROTOCOL", "USE_DOWNSTREAM_PROTOCOL"),
    "respect_dns_ttl": boolean,
    "ring_hash_lb_config": is_map,
    "round_robin_lb_config": is_map,
    "track_cluster_stats": is_map,
    "track_timeout_budgets": boolean,
    "transport_socket": {"name": text, "typed_config": typed_message},
    "transport_socket_matcher": is_map,
    "transport_socket_matches": [is_map],
    "type": one_of("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"),
    "typed_dns_resolver_config": {"name": text, "typed_config": typed_message},
    "typed_extension_protocol_options": {"*": typed_message},
    "upstream_bind_config": is_map,
    "upstream_config": is_map,
    "upstream_connection_options": is_map,
    "upstream_http_protocol_options": is_map,
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
            case str(known) if known in owners:
                reason = f"conflicts with {owners[known]}, which has the same name ({format_value(known)})"
                yield Problem(f"{index}.name", reason)
            case known:
                owners[str(known)] = f"static_clusters.{index}"
        yield from value_problems(cluster, CLUSTER, str(index))
        yield from _start_problems(_snake_case_keys(cluster), str(index))


def value_problems(value: object, schema: Schema, path: str) -> Iterator[Problem]:
    """Return the problems of a value and its members, by the rules of Envoy's JSON parser.

    null is an unset field, and a single value of a list is a list with one member.
    """
    if value is None:
        return
    if callable(schema):
        if expected := schema(value):
            yield Problem(path, mismatch(expected, value))
        elif schema is typed_message and isinstance(value, dict):
            fields = {field: member for field, member in value.items() if field != "@type"}
            yield from value_problems(fields, TYPED.get(value["@type"].rpartition("/")[2], is_map), path)
    elif isinstance(schema, list):
        members = value if isinstance(value, list) else [value]
        for index, member in enumerate(members):
            yield from value_problems(member, schema[0], f"{path}.{index}" if isinstance(value, list) else path)
    elif isinstance(value, dict):
        for field, member in value.items():
            yield from _field_problems(field, member, schema, f"{path}.{field}")
    else:
        yield Problem(path, mismatch("a map", value))


def _field_problems(field: str, value: object, schema: Mapping[str, Schema], path: str) -> Iterator[Problem]:
    """Return the problems of a field. A field that resembles no known one may be new in the Envoy of the mesh."""
    if one := schema.get(snake_case(field), schema.get("*")):
        yield from value_problems(value, one, path)
    elif get_close_matches(snake_case(field), schema, n=1, cutoff=SIMILARITY):
        yield Problem(path, with_suggestion("is not a field of this Envoy message", field, sorted(schema)))


def _snake_case_keys(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a JSON value with all keys in snake_case and without null."""
    match value:
        case dict():
            return {snake_case(key): _snake_case_keys(member) for key, member in value.items() if member is not None}
        case list():
            return [_snake_case_keys(member) for member in value]
        case _:
            return value


def _start_problems(cluster: JsonObject, path: str) -> Iterator[Problem]:
    """Return the problems of a cluster that Envoy parses but rejects at startup. Keys are in snake_case."""
    is_static = str(cluster.get("type", "STATIC")).upper() in {"STATIC", "0"} and "cluster_type" not in cluster
    assignment = cluster.get("load_assignment")
    for field, address in _socket_addresses(assignment, f"{path}.load_assignment"):
        host = address.get("address")
        if is_static and isinstance(host, str) and host and not is_address(host):
            reason = mismatch("an IP address if type is STATIC (Envoy's default)", host)
            yield Problem(f"{field}.address", f"{reason}. Set type: STRICT_DNS")
        if not {"port_value", "named_port"} & address.keys():
            yield Problem(f"{field}.port_value", "is required")
    if isinstance(assignment, dict) and "cluster_name" not in assignment:
        yield Problem(f"{path}.load_assignment.cluster_name", "is required")
    socket = cluster.get("transport_socket")
    if isinstance(socket, dict) and socket.get("name") == TLS_SOCKET and "typed_config" not in socket:
        yield Problem(f"{path}.transport_socket.typed_config", "is required")


def _socket_addresses(value: object, path: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield the socket addresses in a load assignment, with their paths."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        if key == "socket_address" and isinstance(member, dict):
            yield f"{path}.{key}", member
        else:
            yield from _socket_addresses(member, f"{path}.{key}")
