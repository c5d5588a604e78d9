"""Rules of `lint` for static clusters, and for the collector of a tracer among them. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.envoy import HTTP_PROTOCOL_OPTIONS
from consul_tracing.errors import format_value, mismatch, with_suggestion
from consul_tracing.files.values import Unevaluated, expressions
from consul_tracing.inputs.cluster_rules import newer_problems, start_problems, v2_problems
from consul_tracing.inputs.collector_address import loopback_reason, mesh_reason, namespace_reason, port_reason
from consul_tracing.inputs.envoy_json import maps_in, snake_case, snake_case_keys
from consul_tracing.inputs.envoy_json import port as port_mismatch
from consul_tracing.inputs.hosts import canonical_host, host_reason
from consul_tracing.inputs.static_clusters import CLUSTER, RESERVED_CLUSTERS
from consul_tracing.names import CLUSTERS_KEY

from .findings import Issue
from .proxy_config import known, maps, members
from .tracer_rules import problem_issues, schema_issues
from .tracing_messages import TRACE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

    from .tracer_rules import Tracer


def collector_issues(tracer: Tracer, listed: object, *, on_kubernetes: bool) -> Iterator[Issue]:
    """Yield the mistakes in the clusters of a tracer. `listed`: the content of the key of the static clusters."""
    clusters = {str(one.get("name")): one for one in maps(listed)}
    are_known = not any(path[1:] in {(), ("name",)} for path, _ in expressions(listed))
    for path, name in tracer.clusters:
        if name not in clusters and name not in RESERVED_CLUSTERS:
            if not are_known:
                continue
            reason = with_suggestion(
                f"is not a cluster of {CLUSTERS_KEY}: {format_value(name)}", name, sorted(clusters)
            )
            yield Issue("CT310", path, reason if clusters else reason.partition(". Allowed")[0])
            continue
        cluster = snake_case_keys(known(clusters.get(name, {})))
        yield from _destination_issues(cluster, name, tracer, on_kubernetes=on_kubernetes)
        if name == tracer.grpc_cluster and cluster and not _speaks_http2(cluster):
            place = ("Config", CLUSTERS_KEY)
            yield Issue("CT313", place, f"cluster {format_value(name)} must use HTTP/2, which gRPC requires")


def _destination_issues(cluster: JsonObject, name: str, tracer: Tracer, *, on_kubernetes: bool) -> Iterator[Issue]:
    """Yield the addresses in the cluster of a collector at which spans are probably lost."""
    found: dict[str, str] = {}
    for host, port in _addresses(cluster):
        reasons = {
            "CT317": loopback_reason(host, on_kubernetes=on_kubernetes),
            "CT340": port_reason(port, _own_port(tracer), has_tls="transport_socket" in cluster),
            "CT343": mesh_reason(host),
            "CT344": namespace_reason(host) if on_kubernetes else "",
        }
        for code, reason in reasons.items():
            if reason:
                found.setdefault(code, reason)
    for code, reason in found.items():
        yield Issue(code, ("Config", CLUSTERS_KEY), f"cluster {format_value(name)}: {reason}")


def _own_port(tracer: Tracer) -> int:
    """Return the default port of a tracer's protocol. 0 if it is not known."""
    if tracer.message == f"{TRACE}OpenTelemetryConfig":
        return 4317 if tracer.grpc_cluster else 4318
    return {f"{TRACE}ZipkinConfig": 9411, f"{TRACE}DatadogConfig": 8126}.get(tracer.message, 0)


def _speaks_http2(cluster: JsonObject) -> bool:
    options = members(members(cluster.get("typed_extension_protocol_options")).get(snake_case(HTTP_PROTOCOL_OPTIONS)))
    explicit = members(options.get("explicit_http_config"))
    chosen = {"http2_protocol_options", "http3_protocol_options"}
    return bool(
        "http2_protocol_options" in cluster
        or chosen & explicit.keys()
        or {"auto_config", "use_downstream_protocol_config"} & options.keys()
    )


def _addresses(value: object) -> Iterator[tuple[str, int]]:
    """Yield the hosts and ports in a cluster. The port is 0 if it is not known."""
    for _, holder in maps_in(value, ""):
        if isinstance(socket := holder.get("socket_address"), dict):
            port = socket.get("port_value", 0)
            yield str(socket.get("address", "")), 0 if port_mismatch(port) else int(port)


def cluster_issues(clusters: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in static clusters."""
    if not isinstance(clusters, list):
        return
    names: dict[str, int] = {}
    for index, cluster in enumerate(clusters):
        path = ("Config", CLUSTERS_KEY, str(index))
        if isinstance(cluster, Unevaluated):
            continue
        if not isinstance(cluster, dict):
            yield Issue("CT308", path, mismatch("a map", cluster))
            continue
        fields = snake_case_keys(known(cluster))
        unknown = [tuple(map(snake_case, place)) for place, _ in expressions(cluster)]
        outdated = list(problem_issues("CT306", v2_problems(fields, ""), unknown))
        places = {issue.path for issue in outdated}
        current = (one for one in schema_issues(cluster, CLUSTER, ()) if tuple(map(snake_case, one.path)) not in places)
        newer = problem_issues("CT323", newer_problems(fields, "", envoy) if envoy else (), unknown)
        for issue in (*outdated, *current, *newer, *_start_issues(fields, unknown)):
            yield replace(issue, path=(*path, *issue.path))
        yield from _name_issues(cluster, names, path, index)
        yield from _host_issues(fields, path)
        yield from _tls_issues(fields, path)


def _name_issues(cluster: JsonObject, names: dict[str, int], path: FieldPath, index: int) -> Iterator[Issue]:
    name = cluster.get("name")
    if name is None:
        yield Issue("CT308", (*path, "name"), "is required")
    elif str(name) in RESERVED_CLUSTERS:
        yield Issue("CT311", (*path, "name"), f"conflicts with a cluster of Consul: {format_value(name)}")
    elif isinstance(name, str) and names.setdefault(name, index) != index:
        yield Issue("CT311", (*path, "name"), f"conflicts with another cluster of the same name: {format_value(name)}")


def _start_issues(fields: JsonObject, unknown: Sequence[FieldPath]) -> Iterator[Issue]:
    for issue in problem_issues("CT308", start_problems(fields, ""), unknown):
        yield replace(issue, code="CT312") if issue.path[-1] == "address" else issue


def _host_issues(fields: JsonObject, path: FieldPath) -> Iterator[Issue]:
    if str(fields.get("type", "STATIC")).upper() in {"STATIC", "0"}:
        return
    for host, _ in _addresses(fields.get("load_assignment")):
        if host and canonical_host(host) is None:
            yield Issue("CT312", (*path, "load_assignment"), host_reason(host, "address"))


def _tls_issues(fields: JsonObject, path: FieldPath) -> Iterator[Issue]:
    socket = members(fields.get("transport_socket"))
    config = members(socket.get("typed_config"))
    if not str(config.get("@type", "")).endswith("UpstreamTlsContext"):
        return
    common = members(config.get("common_tls_context"))
    validation = members(common.get("validation_context"))
    elsewhere = any(key != "validation_context" and "validation_context" in key for key in common)
    place = (*path, "transport_socket", "typed_config")
    if (
        not elsewhere
        and not {"trusted_ca", "system_root_certs", "ca_certificate_provider_instance"} & validation.keys()
    ):
        yield Issue("CT316", place, "does not verify the certificate of the collector: trusted_ca is not set")
    elif not elsewhere and not (
        {"match_typed_subject_alt_names", "match_subject_alt_names"} & validation.keys()
        or config.get("auto_sni_san_validation")
    ):
        reason = "does not verify the name in the collector's certificate: match_typed_subject_alt_names is not set"
        yield Issue("CT316", place, reason)
