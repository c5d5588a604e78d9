"""Comparison of JSON in Consul with the same message in a config dump of Envoy.

Envoy omits unset fields and plain zeros, and prints every other value in one form. Consul has the JSON of its users:
snake_case or camelCase, numbers as text, enums in any case or as numbers.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import TYPE_CHECKING

from consul_tracing.inputs.envoy_json import DURATION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

ANY = object()
"""Expected value that equals every value."""

REDACTED = frozenset({"[redacted]", "W3JlZGFjdGVkXQ=="})
"""Text and bytes that Envoy prints instead of a private key or a password. They are not comparable."""

TRUE = frozenset({"true", "t", "yes", "y", "1"})
"""Text that Envoy's JSON parser reads as true, in lower case."""

ENUM_NAME = re.compile(r"[A-Z][A-Za-z0-9_]*")

ENUMS: Mapping[str, tuple[str, ...]] = {
    "api_type": (
        "DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE",
        "REST",
        "GRPC",
        "DELTA_GRPC",
        "AGGREGATED_GRPC",
        "AGGREGATED_DELTA_GRPC",
    ),
    "append_action": (
        "APPEND_IF_EXISTS_OR_ADD",
        "ADD_IF_ABSENT",
        "OVERWRITE_IF_EXISTS_OR_ADD",
        "OVERWRITE_IF_EXISTS",
    ),
    "codec_client_type": ("HTTP1", "HTTP2", "HTTP3"),
    "codec_type": ("AUTO", "HTTP1", "HTTP2", "HTTP3"),
    "collector_endpoint_version": ("DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE", "HTTP_JSON", "HTTP_PROTO", "GRPC"),
    "denominator": ("HUNDRED", "TEN_THOUSAND", "MILLION"),
    "dns_lookup_family": ("AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"),
    "drain_type": ("DEFAULT", "MODIFY_ONLY"),
    "hash_function": ("XX_HASH", "MURMUR_HASH_2"),
    "headers_with_underscores_action": ("ALLOW", "REJECT_REQUEST", "DROP_HEADER"),
    "health_status": ("UNKNOWN", "HEALTHY", "UNHEALTHY", "DRAINING", "TIMEOUT", "DEGRADED"),
    "lb_policy": (
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RING_HASH",
        "RANDOM",
        "MAGLEV",
        "CLUSTER_PROVIDED",
        "LOAD_BALANCING_POLICY_CONFIG",
    ),
    "priority": ("DEFAULT", "HIGH"),
    "protocol": ("TCP", "UDP"),
    "protocol_selection": ("USE_CONFIGURED_PROTOCOL", "USE_DOWNSTREAM_PROTOCOL"),
    "resource_api_version": ("AUTO", "V2", "V3"),
    "san_type": ("SAN_TYPE_UNSPECIFIED", "EMAIL", "DNS", "URI", "IP_ADDRESS", "OTHER_NAME"),
    "state": ("STATE_PREBIND", "STATE_BOUND", "STATE_LISTENING"),
    "tls_maximum_protocol_version": ("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"),
    "tls_minimum_protocol_version": ("TLS_AUTO", "TLSv1_0", "TLSv1_1", "TLSv1_2", "TLSv1_3"),
    "trace_context_option": ("USE_B3", "USE_B3_WITH_W3C_PROPAGATION"),
    "traffic_direction": ("UNSPECIFIED", "INBOUND", "OUTBOUND"),
    "transport_api_version": ("AUTO", "V2", "V3"),
    "trust_chain_verification": ("VERIFY_TRUST_CHAIN", "ACCEPT_UNTRUSTED"),
    "type": ("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"),
}
"""Enumerations in clusters, listeners, sinks and tracers: the names in the order of their numbers. The first is zero.

A test compares them with Envoy's protobuf messages.
"""

SET_ZEROS = frozenset(
    {
        "allow_absolute_url",
        "append",
        "enforce_rsa_key_usage",
        "enforcing_consecutive_5xx",
        "enforcing_consecutive_gateway_failure",
        "enforcing_consecutive_local_origin_failure",
        "enforcing_failure_percentage",
        "enforcing_failure_percentage_local_origin",
        "enforcing_local_origin_success_rate",
        "enforcing_success_rate",
        "max_connections",
        "max_pending_requests",
        "max_requests",
        "max_retries",
        "max_session_keys",
        "reuse_connection",
        "shared_span_context",
        "use_all_default_tags",
        "wait_for_warm_on_init",
    }
)
"""Wrapped fields whose zero is not their default. Envoy prints the zero if it is set."""

MAPS = frozenset({"filter_metadata", "named_endpoints", "typed_extension_protocol_options", "typed_filter_metadata"})
"""Fields that Envoy omits if they are empty. It prints an empty message."""


def folded(name: str) -> str:
    """Return the name of a field in the form that snake_case and camelCase share: `traceid128bit`."""
    return name.replace("_", "").lower()


_ENUMS = {folded(name): values for name, values in ENUMS.items()}
_SET_ZEROS = frozenset(map(folded, SET_ZEROS))
_MAPS = frozenset(map(folded, MAPS))


def differing_paths(expected: object, actual: object, path: FieldPath = ()) -> Iterator[FieldPath]:
    """Yield the paths of the fields in which a message of a dump differs from the expected JSON."""
    if expected is ANY or (isinstance(actual, str) and actual in REDACTED):
        return
    match expected, actual:
        case dict(), dict():
            yield from _differing_fields(expected, actual, path)
        case list(), list() if len(expected) == len(actual):
            for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from differing_paths(one, other, (*path, str(index)))
        case _, [only] if not isinstance(expected, list):
            # Protobuf's JSON accepts a single value as a list.
            yield from differing_paths(expected, only, path)
        case _ if not _is_equal(_field(path), expected, actual):
            yield path


def _differing_fields(expected: JsonObject, actual: JsonObject, path: FieldPath) -> Iterator[FieldPath]:
    wanted = {folded(name): (name, value) for name, value in expected.items() if value is not None}
    found = {folded(name): (name, value) for name, value in actual.items()}
    for field in sorted(wanted.keys() | found.keys()):
        if field not in wanted:
            yield (*path, found[field][0])
        elif field in found:
            yield from differing_paths(wanted[field][1], found[field][1], (*path, found[field][0]))
        elif not _is_omitted(field, wanted[field][1]):
            yield (*path, wanted[field][0])


def _field(path: FieldPath) -> str:
    """Return the folded name of the field that contains a value."""
    return folded(next((step for step in reversed(path) if not step.isdecimal()), ""))


def _is_omitted(field: str, value: object) -> bool:
    """Return True for a value that Envoy does not print."""
    match value:
        case dict():
            return not value and field in _MAPS
        case bool() | int() | float():
            return not value and field not in _SET_ZEROS
        case str():
            return not value or value.upper() == _ENUMS.get(field, ("",))[0]
        case _:
            return not value


def _is_equal(field: str, expected: object, actual: object) -> bool:
    match expected, actual:
        case bool(), bool():
            return expected == actual
        case str(), bool():
            return (expected.lower() in TRUE) == actual
        case str(), str():
            return expected == actual or _is_same_text(field, expected, actual)
        case int(), str() if ENUM_NAME.fullmatch(actual):
            # The numbers of other enumerations are unknown. A report of each of them would be permanent.
            return actual == dict(enumerate(_ENUMS.get(field, ()))).get(expected, actual)
        case ((int() | float() | str()), (int() | float() | str())):
            return _is_same_number(expected, actual)
        case _:
            return False


def _is_same_text(field: str, expected: str, actual: str) -> bool:
    if field == "@type":
        return expected.rpartition("/")[2] == actual.rpartition("/")[2]
    if DURATION.fullmatch(expected) and DURATION.fullmatch(actual):
        return Decimal(expected[:-1]) == Decimal(actual[:-1])
    return field in _ENUMS and expected.upper() == actual.upper()


def _is_same_number(expected: float | str, actual: float | str) -> bool:
    """Compare numbers, of which one may be text. Envoy prints a float with the precision of 32 bits."""
    try:
        one, other = float(expected), float(actual)
    except ValueError:
        return False
    return one == other or (not (one.is_integer() and other.is_integer()) and math.isclose(one, other, rel_tol=1e-6))
