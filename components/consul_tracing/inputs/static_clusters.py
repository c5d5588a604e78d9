"""Validation of additional Envoy clusters. The inputs and `lint` share the rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import at, listed, maps_in, members
from consul_tracing.envoy_messages.messages import CLUSTER, HTTP_PROTOCOL_OPTIONS
from consul_tracing.envoy_messages.reader import Kind, Mistake, is_json, read
from consul_tracing.errors import Problem, format_value, mismatch
from consul_tracing.names import COLLECTOR_CLUSTER

from .hosts import is_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

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

QUIC = "QuicUpstreamTransport"

NAME_CHECKS = frozenset({"auto_sni_san_validation", "match_subject_alt_names", "match_typed_subject_alt_names"})
"""Fields that verify the name in a certificate."""

ONE_ENDPOINT = ("load_assignment", "endpoints")


def static_cluster_problems(clusters: list[JsonObject]) -> Iterator[Problem]:
    """Return the problems of additional clusters. A proxy with an invalid cluster does not start.

    Fields that may be new in the Envoy of the mesh have warnings.
    """
    owners = {COLLECTOR_CLUSTER: "the collector's cluster", **dict.fromkeys(RESERVED_CLUSTERS, "a cluster of Consul")}
    for index, cluster in enumerate(clusters):
        name = cluster.get("name")
        if isinstance(name, str) and name in owners:
            reason = f"conflicts with {owners[name]}, which has the same name ({format_value(name)})"
            yield Problem(f"{index}.name", reason)
        elif isinstance(name, str):
            owners[name] = f"static_clusters.{index}"
        reading = read(cluster, CLUSTER)
        for mistake in (*reading.mistakes, *start_mistakes(reading.value)):
            if mistake.kind is not Kind.UNKNOWN:
                yield Problem(".".join((str(index), *mistake.path)), mistake.reason)


def unknown_fields(cluster: JsonObject) -> Iterator[Mistake]:
    """Return the fields of a cluster that may be new in the Envoy of the mesh."""
    return (one for one in read(cluster, CLUSTER).mistakes if one.kind is Kind.UNKNOWN)


def newer_problems(cluster: JsonObject, path: str, envoy: EnvoyRelease) -> Iterator[Problem]:
    """Return the fields that this Envoy does not support."""
    for place, since in read(cluster, CLUSTER, (path,)).newer:
        if envoy < since:
            reason = f"requires Envoy {since[0]}.{since[1]}, got {envoy[0]}.{envoy[1]} (the oldest of the mesh)"
            yield Problem(".".join(place), reason)


def start_mistakes(cluster: object) -> Iterator[Mistake]:
    """Return the values of a canonical cluster that Envoy parses and rejects at startup. Expressions are accepted."""
    if not isinstance(cluster, dict):
        return
    kind, assignment = cluster.get("type", "STATIC"), cluster.get("load_assignment")
    is_static = kind == "STATIC" and "cluster_type" not in cluster
    for place, holder in maps_in(assignment, "load_assignment"):
        host = at(holder, "socket_address", "address")
        if is_static and isinstance(host, str) and host and not is_address(host):
            reason = mismatch("an IP address if type is STATIC (Envoy's default)", host)
            yield Mistake((*place.split("."), "socket_address", "address"), f"{reason}. Set type: STRICT_DNS")
        yield from _endpoint_mistakes(holder.get("lb_endpoints"), (*place.split("."), "lb_endpoints"))
    if _takes_one_endpoint(cluster) and (found := _endpoints(assignment)):
        reason = f"must be one locality with one endpoint if type is LOGICAL_DNS, got {found}"
        yield Mistake(ONE_ENDPOINT, f"{reason}. Set type: STRICT_DNS")
    if kind == "EDS" and "eds_cluster_config" not in cluster:
        yield Mistake(("eds_cluster_config",), "is required if type is EDS")
    if isinstance(checks := cluster.get("health_checks"), list) and len(checks) > 1:
        yield Mistake(("health_checks",), f"must be one health check, got {len(checks)}")
    policy = cluster.get("lb_policy", "ROUND_ROBIN")
    if kind == "ORIGINAL_DST" and isinstance(policy, str) and policy != "CLUSTER_PROVIDED":
        yield Mistake(("lb_policy",), mismatch("CLUSTER_PROVIDED if type is ORIGINAL_DST", policy))
    yield from _socket_mistakes(cluster)
    socket = cluster.get("transport_socket")
    if isinstance(socket, dict) and not {"typed_config", "config"} & socket.keys():
        yield Mistake(("transport_socket", "typed_config"), "is required")


def _endpoint_mistakes(endpoints: object, path: FieldPath) -> Iterator[Mistake]:
    for index, one in enumerate(listed(endpoints)):
        endpoint = at(one, "endpoint")
        if isinstance(one, dict) and is_json(endpoint) and not endpoint and "endpoint_name" not in one:
            yield Mistake((*path, str(index), "endpoint"), "is required")


def _socket_mistakes(cluster: JsonObject) -> Iterator[Mistake]:
    """Return the values of TLS that Envoy rejects, and protocols that the transport socket does not support."""
    config, place = at(cluster, "transport_socket", "typed_config"), ("transport_socket", "typed_config")
    name = str(at(config, "@type") or "").rpartition(".")[2]
    if name.startswith("Downstream"):
        yield Mistake((*place, "@type"), mismatch("UpstreamTlsContext", name))
    for path, holder in maps_in(config, ".".join(place)):
        for key in holder:
            if "sds_secret_config" in key and any("sds_config" not in one for one in map(members, listed(holder[key]))):
                yield Mistake((*path.split("."), key, "sds_config"), "is required: the bootstrap has no static secret")
    tls = members(at(config, "common_tls_context"))
    validation = members(tls.get("validation_context"))
    names = NAME_CHECKS & {*validation, *(members(config).keys() & {"auto_sni_san_validation"})}
    is_elsewhere = any("validation_context" in key and key != "validation_context" for key in tls)
    if names and "trusted_ca" not in validation and not is_elsewhere and is_json(tls.get("validation_context")):
        required = (*place, "common_tls_context", "validation_context", "trusted_ca")
        yield Mistake(required, f"is required with {min(names)}")
    options = at(cluster, "typed_extension_protocol_options", HTTP_PROTOCOL_OPTIONS)
    if "transport_socket_matches" in cluster or (config is not None and not name) or at(options, "@type") is None:
        return
    place = ("typed_extension_protocol_options", HTTP_PROTOCOL_OPTIONS)
    if "http3_protocol_options" in members(at(options, "explicit_http_config")) and name != QUIC:
        yield Mistake((*place, "explicit_http_config"), f"http3_protocol_options requires {QUIC} in transport_socket")
    elif "auto_config" in options and name not in {"UpstreamTlsContext", QUIC}:
        yield Mistake((*place, "auto_config"), "requires a transport_socket with TLS, which negotiates the protocol")


def _takes_one_endpoint(cluster: JsonObject) -> bool:
    """Return whether the type of a cluster is LOGICAL_DNS, also as an extension."""
    extension = cluster.get("cluster_type")
    is_single = at(extension, "typed_config", "all_addresses_in_single_endpoint") is True
    return cluster.get("type") == "LOGICAL_DNS" or at(extension, "name") == "envoy.cluster.logical_dns" or is_single


def _endpoints(assignment: object) -> str:
    """Return the number of endpoints, or of localities. Empty if there is exactly one of each, or an expression."""
    localities = assignment.get("endpoints", []) if isinstance(assignment, dict) else assignment or []
    if not isinstance(localities, list) or not all(isinstance(one, dict) for one in localities):
        return ""
    endpoints = [one.get("lb_endpoints", []) for one in localities]
    if not all(isinstance(one, list) for one in endpoints):
        return ""
    count = sum(map(len, endpoints))
    if count != 1:
        return f"{count} endpoints"
    return "" if len(localities) == 1 else f"{len(localities)} localities"
