"""Settings to the bodies of Consul's config entries, in the form in which Consul gives them back."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .envoy import bootstrap_tracing, collector_cluster, listener_tracing
from .parts import CLUSTERS_KEY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fields import JsonObject
    from .settings import MeshSettings, Service

TRACER_KEY = "envoy_tracing_json"
LISTENER_KEY = "envoy_listener_tracing_json"
SERVER_FILLED: Mapping[str, tuple[str, ...]] = {
    "proxy-defaults": ("AccessLogs", "Expose", "MeshGateway", "TransparentProxy"),
    "service-defaults": ("Expose", "MeshGateway", "TransparentProxy"),
}
"""Fields that Consul adds to an entry without them. Left out, every preview would show them as a change."""

BOOTSTRAP_KEYS = (
    "envoy_bootstrap_json_tpl",
    "envoy_dogstatsd_url",
    "envoy_extra_static_clusters_json",
    "envoy_extra_static_listeners_json",
    "envoy_extra_stats_sinks_json",
    "envoy_prometheus_bind_addr",
    "envoy_stats_bind_addr",
    "envoy_stats_config_json",
    "envoy_stats_flush_interval",
    "envoy_stats_tags",
    "envoy_statsd_url",
    "envoy_telemetry_collector_bind_socket_dir",
    "envoy_tracing_json",
)
"""The keys of `Config` that a proxy reads only when it starts. Source: `BootstrapConfig` in Consul 1.22's
`command/connect/envoy/bootstrap_config.go`. Consul ignores their case."""

SHORT_HASH = 12
"""Hexadecimal digits of a hash that people read and put in annotations: 48 bits, enough to tell changes apart."""


TRACING_KEYS: Mapping[str, str] = {
    "envoy_tracing_json": "tracer",
    "envoy_listener_tracing_json": "sampling and tags",
    "envoy_extra_static_clusters_json": "collector and static_clusters",
}
"""The keys of proxy-defaults' `Config` that are ours, with the input that each is written from."""


Identity = tuple[str, str, str, str]
"""Kind, name, namespace, partition."""


@dataclass(frozen=True)
class Entry:
    """One of Consul's config entries, as far as we declare it."""

    kind: str
    """`proxy-defaults` or `service-defaults`."""

    name: str
    """`global`, or the service's name in the catalogue."""

    body: JsonObject
    """Our fields, under Consul's Go names, without kind, name, namespace and partition."""

    namespace: str | None = None
    """Consul Enterprise namespace, None for Consul's own; on Kubernetes the namespace of its custom resource."""

    partition: str | None = None
    """Consul Enterprise admin partition; None for Consul's own."""

    @property
    def identity(self) -> Identity:
        """Identify the entry in Consul. A namespace or partition that is not given is `default`."""
        return self.kind, self.name, self.namespace or "default", self.partition or "default"


def canonical_json(value: object) -> str:
    """`value` as JSON, in one form only: sorted keys, no blanks, whole numbers without a fraction."""
    return json.dumps(_whole_numbers(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _whole_numbers(value: object) -> object:
    match value:
        case dict():
            return {key: _whole_numbers(member) for key, member in value.items()}
        case list():
            return [_whole_numbers(member) for member in value]
        case float() if value.is_integer():
            return int(value)
        case _:
            return value


def proxy_defaults(settings: MeshSettings) -> Entry:
    """The mesh's `proxy-defaults/global`."""
    config = {**settings.proxy_config, **tracing_config(settings)}
    if settings.default_protocol is not None:
        config["protocol"] = settings.default_protocol
    body = {**settings.proxy_defaults, **({"Config": config} if config else {})}
    return Entry("proxy-defaults", "global", body, settings.home_namespace, settings.partition)


def tracing_config(settings: MeshSettings) -> dict[str, str]:
    """The tracing keys of `Config`: text that holds JSON, which Consul does not look into.

    With tracing off, only the clusters that are not the collector's stay.
    """
    clusters = static_clusters(settings)
    config = {CLUSTERS_KEY: canonical_json(clusters)[1:-1]} if clusters else {}
    if settings.enabled:
        config[LISTENER_KEY] = canonical_json(listener_tracing(settings))
    if settings.enabled and settings.gateways == "join":
        config[TRACER_KEY] = canonical_json(bootstrap_tracing(settings))
    return config


def static_clusters(settings: MeshSettings) -> list[JsonObject]:
    """The clusters of every proxy's bootstrap by name, since their order means nothing to Envoy."""
    ours = [collector_cluster(settings)] if settings.enabled else []
    return sorted([*ours, *settings.static_clusters], key=lambda cluster: str(cluster["name"]))


def service_defaults(settings: MeshSettings) -> dict[str, Entry]:
    """The services' entries by the key under which the caller declared each."""
    declared = {key: _service_entry(key, service, settings) for key, service in settings.services.items()}
    tcp = {name: _tcp_entry(name, settings) for name in settings.tcp_services or []}
    return dict(sorted({**declared, **tcp}.items()))


def _service_entry(key: str, service: Service, settings: MeshSettings) -> Entry:
    body = {**service.extra, "Protocol": service.protocol}
    partition = service.partition or settings.partition
    return Entry("service-defaults", service.name or key, body, service.namespace or settings.home_namespace, partition)


def _tcp_entry(name: str, settings: MeshSettings) -> Entry:
    return Entry("service-defaults", name, {"Protocol": "tcp"}, settings.home_namespace, settings.partition)


def config_json(kind: str, body: JsonObject, marks: Mapping[str, str]) -> str:
    """What is written: the fields of `body`, those that Consul would add, and the `marks` of who writes."""
    meta = {**body.get("Meta", {}), **marks}
    # Consul returns no empty `Meta`.
    return canonical_json({**filled_in(kind, body), **({"Meta": meta} if meta else {})})


def filled_in(kind: str, body: JsonObject) -> JsonObject:
    """`body` with the fields that Consul adds where they are left out."""
    fields = {**{field: {} for field in SERVER_FILLED[kind]}, **body}
    if upstreams := fields.get("UpstreamConfig"):
        fields["UpstreamConfig"] = _upstreams_filled_in(upstreams)
    return fields


def _upstreams_filled_in(upstreams: JsonObject) -> JsonObject:
    filled = dict(upstreams)
    if defaults := upstreams.get("Defaults"):
        filled["Defaults"] = {"MeshGateway": {}, **defaults}
    if overrides := upstreams.get("Overrides"):
        filled["Overrides"] = [{"MeshGateway": {}, **override} for override in overrides]
    return filled


def bootstrap_hash(mesh_body: JsonObject) -> str:
    """A short hash of what proxies read only when they start: it changes when, and only when, they must restart.

    Values are compared in meaning: the order of clusters and the layout of JSON do not count.
    """
    config = {key.lower(): value for key, value in mesh_body.get("Config", {}).items()}
    read = {key: _meaning(key, config[key]) for key in BOOTSTRAP_KEYS if config.get(key)}
    # The access log of a proxy's admin interface.
    logs = mesh_body.get("AccessLogs") or {}
    if logs.get("Enabled"):
        read["AccessLogs"] = {field: value for field, value in logs.items() if value}
    return hashlib.sha256(canonical_json(read).encode()).hexdigest()[:SHORT_HASH]


def _meaning(key: str, value: object) -> object:
    if not key.endswith("_json") or not isinstance(value, str):
        return value
    try:
        objects = json.loads(f"[{value}]")
    except ValueError:
        return value
    return sorted(objects, key=canonical_json) if key == CLUSTERS_KEY else objects
