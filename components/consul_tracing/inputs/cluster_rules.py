"""Clusters that have the fields of Envoy's message and with which a proxy does not start.

The inputs and `lint` share these rules. Keys are in snake_case.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consul_tracing.errors import Problem, mismatch

from .envoy_json import is_true, maps_in, snake_case
from .hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

TLS_SOCKET = "envoy.transport_sockets.tls"
HTTP_OPTIONS = (
    "typed_extension_protocol_options",
    snake_case("envoy.extensions.upstreams.http.v3.HttpProtocolOptions"),
)

V2_FIELDS: Mapping[FieldPath, str] = {
    ("extension_protocol_options",): "typed_extension_protocol_options",
    ("hosts",): "load_assignment",
    ("tls_context",): "transport_socket",
    ("transport_socket", "config"): "typed_config",
    (
        "transport_socket",
        "typed_config",
        "common_tls_context",
        "validation_context",
        "verify_subject_alt_name",
    ): "match_typed_subject_alt_names",
}
"""Fields of Envoy's v2 API, each with its replacement. A test compares them with the reserved names of Envoy's
messages."""

V2_TYPE = re.compile(r"(.*/)?envoy\.([a-z0-9_]+\.)+v2(alpha\d?)?\..+")

NEWER_FIELDS: Mapping[FieldPath, tuple[int, int]] = {
    ("transport_socket_matcher",): (1, 37),
    (*HTTP_OPTIONS, "hash_policy"): (1, 37),
    (*HTTP_OPTIONS, "outlier_detection"): (1, 36),
    (*HTTP_OPTIONS, "request_mirror_policies"): (1, 37),
    (*HTTP_OPTIONS, "retry_policy"): (1, 37),
}
"""Fields that are newer than Envoy 1.34, with the first version that supports them."""


def v2_problems(cluster: JsonObject, path: str) -> Iterator[Problem]:
    """Return the fields and types of Envoy's v2 API, which no supported Envoy reads."""
    for field, replacement in V2_FIELDS.items():
        if _is_set(cluster, field):
            yield Problem(".".join((path, *field)), f"belongs to Envoy's v2 API. Set {replacement}")
    for place, message in maps_in(cluster, path):
        if isinstance(name := message.get("@type"), str) and V2_TYPE.fullmatch(name):
            yield Problem(f"{place}.@type", mismatch("a type of Envoy's v3 API", name))


def newer_problems(cluster: JsonObject, path: str, envoy: tuple[int, int]) -> Iterator[Problem]:
    """Return the fields that this Envoy does not support."""
    for field, since in NEWER_FIELDS.items():
        if envoy < since and _is_set(cluster, field):
            reason = f"requires Envoy {since[0]}.{since[1]}, got {envoy[0]}.{envoy[1]} (the oldest of the mesh)"
            yield Problem(".".join((path, *field)), reason)


def start_problems(cluster: JsonObject, path: str) -> Iterator[Problem]:
    """Return the values that Envoy parses and rejects at startup."""
    is_static = _is(cluster.get("type", "STATIC"), "STATIC", 0) and "cluster_type" not in cluster
    assignment = cluster.get("load_assignment")
    for place, holder in maps_in(assignment, f"{path}.load_assignment"):
        address, field = holder.get("socket_address"), f"{place}.socket_address"
        if not isinstance(address, dict):
            continue
        host = address.get("address")
        if is_static and isinstance(host, str) and host and not is_address(host):
            reason = mismatch("an IP address if type is STATIC (Envoy's default)", host)
            yield Problem(f"{field}.address", f"{reason}. Set type: STRICT_DNS")
        if not {"port_value", "named_port"} & address.keys():
            yield Problem(f"{field}.port_value", "is required")
    if isinstance(assignment, dict) and "cluster_name" not in assignment:
        yield Problem(f"{path}.load_assignment.cluster_name", "is required")
    yield from _type_problems(cluster, path)
    socket = cluster.get("transport_socket")
    if isinstance(socket, dict) and socket.get("name") == TLS_SOCKET and not {"typed_config", "config"} & socket.keys():
        yield Problem(f"{path}.transport_socket.typed_config", "is required")


def _type_problems(cluster: JsonObject, path: str) -> Iterator[Problem]:
    """Return what the type of a cluster requires."""
    kind, policy = cluster.get("type"), cluster.get("lb_policy", "ROUND_ROBIN")
    if _takes_one_endpoint(cluster) and (found := _endpoints(cluster.get("load_assignment"))):
        reason = f"must be one locality with one endpoint if type is LOGICAL_DNS, got {found}"
        yield Problem(f"{path}.load_assignment.endpoints", f"{reason}. Set type: STRICT_DNS")
    if _is(kind, "EDS", 3) and "eds_cluster_config" not in cluster:
        yield Problem(f"{path}.eds_cluster_config", "is required if type is EDS")
    if _is(kind, "ORIGINAL_DST", 4) and not _is(policy, "CLUSTER_PROVIDED", 6):
        yield Problem(f"{path}.lb_policy", mismatch("CLUSTER_PROVIDED if type is ORIGINAL_DST", policy))


def _takes_one_endpoint(cluster: JsonObject) -> bool:
    """Return whether the type of a cluster is LOGICAL_DNS, also as an extension."""
    extension = cluster.get("cluster_type")
    if isinstance(extension, dict):
        config = extension.get("typed_config")
        in_one = config.get("all_addresses_in_single_endpoint") if isinstance(config, dict) else None
        return extension.get("name") == "envoy.cluster.logical_dns" or is_true(in_one)
    return _is(cluster.get("type"), "LOGICAL_DNS", 2)


def _endpoints(assignment: object) -> str:
    """Return the number of endpoints, or of localities. Empty if there is exactly one of each."""
    localities = _listed(assignment.get("endpoints") if isinstance(assignment, dict) else None)
    endpoints = [_listed(one.get("lb_endpoints") if isinstance(one, dict) else None) for one in localities]
    count = sum(map(len, endpoints))
    if count != 1:
        return f"{count} endpoints"
    return "" if len(localities) == 1 else f"{len(localities)} localities"


def _listed(value: object) -> list[object]:
    """Return the members of a list. Protobuf's JSON also accepts a single member."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _is(value: object, name: str, number: int) -> bool:
    """Return whether a value of an enumeration has this name. Envoy accepts names in any case, and numbers."""
    return str(value).upper() in {name, str(number)}


def _is_set(value: object, path: FieldPath) -> bool:
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    return value is not None
