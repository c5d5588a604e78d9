"""Rules of `lint` for static clusters, and for the collector of a tracer among them. Pure functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.json_values import at, maps_in, members
from consul_tracing.envoy_messages.messages import CLUSTER, HTTP_PROTOCOL_OPTIONS
from consul_tracing.envoy_messages.reader import is_json, read
from consul_tracing.envoy_messages.tracers import DATADOG, OPENTELEMETRY, ZIPKIN
from consul_tracing.errors import format_value, with_suggestion
from consul_tracing.files.values import expressions
from consul_tracing.inputs.collector_address import loopback_reason, mesh_reason, namespace_reason, port_reason
from consul_tracing.inputs.hosts import canonical_host, host_reason
from consul_tracing.inputs.static_clusters import RESERVED_CLUSTERS, start_mistakes
from consul_tracing.names import CLUSTERS_KEY

from .findings import Issue
from .tracer_rules import mistake_issues, newer_issues

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

    from .tracer_rules import Tracer


def collector_issues(tracer: Tracer, listed: Sequence[object], *, on_kubernetes: bool) -> Iterator[Issue]:
    """Yield the mistakes in the clusters of a tracer. `listed`: the content of the key of the static clusters."""
    canonical = [read(one, CLUSTER).value for one in listed]
    clusters = {str(at(one, "name")): one for one in canonical if isinstance(one, dict)}
    are_known = all(is_json(one) and is_json(at(one, "name")) for one in canonical)
    for path, name in tracer.clusters:
        if name not in clusters and name not in RESERVED_CLUSTERS:
            if not are_known:
                continue
            reason = with_suggestion(
                f"is not a cluster of {CLUSTERS_KEY}: {format_value(name)}", name, sorted(clusters)
            )
            yield Issue("CT310", path, reason if clusters else reason.partition(". Allowed")[0])
            continue
        cluster = clusters.get(name, {})
        yield from _destination_issues(cluster, name, tracer, on_kubernetes=on_kubernetes)
        if name == tracer.grpc_cluster and cluster and not _speaks_http2(cluster):
            place = ("Config", CLUSTERS_KEY)
            yield Issue("CT313", place, f"cluster {format_value(name)} must use HTTP/2, which gRPC requires")


def with_replaced_cluster(issue: Issue, tracer: Tracer, replaced: Sequence[object]) -> Issue:
    """Return the issue of a missing cluster with its cause, if a registration replaces the clusters of proxy-defaults.

    `replaced`: these clusters.
    """
    name = dict(tracer.clusters).get(issue.path, "")
    if issue.code != "CT310" or name not in [at(one, "name") for one in replaced]:
        return issue
    reason = f"replaces the clusters of proxy-defaults: the tracer has no cluster {format_value(name)}"
    fix = f"Add the cluster {format_value(name)} of proxy-defaults, or remove the key from the registration."
    return Issue("CT310", ("Config", CLUSTERS_KEY), reason, fix=fix)


def _destination_issues(cluster: JsonObject, name: str, tracer: Tracer, *, on_kubernetes: bool) -> Iterator[Issue]:
    """Yield the addresses in the cluster of a collector at which spans are probably lost."""
    found: dict[str, str] = {}
    for host, port in _addresses(cluster):
        reasons = {
            "CT317": loopback_reason(host, on_kubernetes=on_kubernetes),
            "CT340": port_reason(port, _own_port(tracer), has_tls="transport_socket" in cluster),
            "CT343": mesh_reason(host),
            "CT344": namespace_reason(host) if on_kubernetes else "",
            "CT348": "" if port else "an endpoint has port 0",
        }
        for code, reason in reasons.items():
            if reason:
                found.setdefault(code, reason)
    if _has_no_endpoint(cluster):
        found["CT348"] = "has no endpoint"
    for code, reason in found.items():
        yield Issue(code, ("Config", CLUSTERS_KEY), f"cluster {format_value(name)}: {reason}")


def _has_no_endpoint(cluster: JsonObject) -> bool:
    """Return whether a cluster with endpoints of its own has none. Expressions are accepted."""
    assignment = cluster.get("load_assignment")
    has_own = cluster.get("type", "STATIC") in ("STATIC", "STRICT_DNS") and "cluster_type" not in cluster
    has_address = any({"socket_address", "pipe"} & one.keys() for _, one in maps_in(assignment, ""))
    return bool(cluster) and has_own and not has_address and not any(expressions(assignment))


def _own_port(tracer: Tracer) -> int:
    """Return the default port of a tracer's protocol. 0 if it is not known."""
    if tracer.message == OPENTELEMETRY:
        return 4317 if tracer.grpc_cluster else 4318
    return {ZIPKIN: 9411, DATADOG: 8126}.get(tracer.message, 0)


def _speaks_http2(cluster: JsonObject) -> bool:
    options = at(cluster, "typed_extension_protocol_options", HTTP_PROTOCOL_OPTIONS)
    explicit = at(options, "explicit_http_config")
    chosen = {"http2_protocol_options", "http3_protocol_options"}
    return bool(
        not is_json(options)
        or not is_json(explicit)
        or "http2_protocol_options" in cluster
        or chosen & members(explicit).keys()
        or {"auto_config", "use_downstream_protocol_config"} & members(options).keys()
    )


def _addresses(cluster: object) -> Iterator[tuple[str, int]]:
    """Yield the hosts and ports in a canonical cluster. They are empty and -1 if they are not known."""
    for _, holder in maps_in(cluster, ""):
        if isinstance(socket := holder.get("socket_address"), dict):
            host, port = socket.get("address"), socket.get("port_value", -1 if "named_port" in socket else 0)
            yield host if isinstance(host, str) else "", port if isinstance(port, int) else -1


def cluster_issues(clusters: object, envoy: EnvoyRelease | None) -> Iterator[Issue]:
    """Yield the mistakes in static clusters."""
    names: dict[str, int] = {}
    for index, cluster in enumerate(clusters if isinstance(clusters, list) else []):
        path = ("Config", CLUSTERS_KEY, str(index))
        reading = read(cluster, CLUSTER, path)
        yield from mistake_issues(reading.mistakes)
        yield from newer_issues(reading.newer, envoy)
        if not isinstance(reading.value, dict):
            continue
        for issue in mistake_issues(start_mistakes(reading.value), path):
            yield replace(issue, code="CT312") if issue.path[-1] == "address" else issue
        yield from _name_issues(reading.value.get("name"), names, path, index)
        yield from _host_issues(reading.value, path)
        yield from _tls_issues(reading.value, path)


def _name_issues(name: object, names: dict[str, int], path: FieldPath, index: int) -> Iterator[Issue]:
    if not isinstance(name, str):
        return
    if name in RESERVED_CLUSTERS:
        yield Issue("CT311", (*path, "name"), f"conflicts with a cluster of Consul: {format_value(name)}")
    elif names.setdefault(name, index) != index:
        yield Issue("CT311", (*path, "name"), f"conflicts with another cluster of the same name: {format_value(name)}")


def _host_issues(cluster: JsonObject, path: FieldPath) -> Iterator[Issue]:
    if cluster.get("type", "STATIC") == "STATIC":
        return
    for host, _ in _addresses(cluster.get("load_assignment")):
        if host and canonical_host(host) is None:
            yield Issue("CT312", (*path, "load_assignment"), host_reason(host, "address"))


def _tls_issues(cluster: JsonObject, path: FieldPath) -> Iterator[Issue]:
    config = members(at(cluster, "transport_socket", "typed_config"))
    if not str(config.get("@type", "")).endswith("UpstreamTlsContext"):
        return
    common = members(config.get("common_tls_context"))
    validation = members(common.get("validation_context"))
    elsewhere = any(key != "validation_context" and "validation_context" in key for key in common)
    place = (*path, "transport_socket", "typed_config")
    has_names = {"match_typed_subject_alt_names", "match_subject_alt_names"} & validation.keys()
    if elsewhere:
        return
    if "trusted_ca" not in validation:
        if not has_names and not config.get("auto_sni_san_validation"):
            yield Issue("CT316", place, "does not verify the certificate of the collector: trusted_ca is not set")
    elif not has_names and not config.get("auto_sni_san_validation"):
        reason = "does not verify the name in the collector's certificate: match_typed_subject_alt_names is not set"
        yield Issue("CT316", place, reason)
