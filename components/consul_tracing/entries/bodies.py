"""Conversion of settings to the bodies of config entries, in the normal form in which Consul returns them.

The arguments of gateways are here too, because no entry configures their sampling.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from consul_tracing.access_logs import log_format
from consul_tracing.entry_structs import SERVER_FILLED
from consul_tracing.envoy import (
    bootstrap_tracing,
    collector_cluster,
    gateway_runtime,
    listener_sampling,
    listener_tracing,
)
from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.names import CLUSTERS_KEY, LISTENER_KEY, TRACER_KEY

from .entry import Entry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.inputs.entry_settings import EntrySettings, Service
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject

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
"""The keys of `Config` that a proxy reads only at startup. Source: `BootstrapConfig` in Consul 1.22's
`command/connect/envoy/bootstrap_config.go`. Consul ignores their case."""

SHORT_HASH = 12
"""Hexadecimal digits of a hash in annotations and messages. 48 bits distinguish all changes."""


def canonical_json(value: object) -> str:
    """Return a value as JSON in its canonical form: sorted keys, no blanks, whole numbers without a fraction."""
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
    """Return `proxy-defaults/global`."""
    config = {**settings.proxy_config, **tracing_config(settings)}
    if settings.default_protocol is not None:
        config["protocol"] = settings.default_protocol
    body = {**settings.proxy_defaults, **({"Config": config} if config else {})}
    if logs := access_logs(settings):
        body["AccessLogs"] = {**(body.get("AccessLogs") or {}), **logs}
    return Entry("proxy-defaults", "global", body, *_place(settings))


def tracing_config(settings: MeshSettings) -> dict[str, str]:
    """Return the tracing keys of `Config`, whose values are JSON as text. Consul does not validate them.

    Without tracing, only the clusters of `static_clusters` remain.
    """
    clusters = static_clusters(settings)
    config = {CLUSTERS_KEY: canonical_json(clusters)[1:-1]} if clusters else {}
    if settings.enabled:
        config[LISTENER_KEY] = canonical_json(listener_tracing(settings))
    if settings.enabled and settings.gateways == "join":
        config[TRACER_KEY] = canonical_json(bootstrap_tracing(settings))
    return config


def access_logs(settings: MeshSettings) -> JsonObject:
    """Return the fields of `AccessLogs` with the trace id. Empty without tracing, where requests have none."""
    if not settings.enabled or not settings.access_logs.trace_id:
        return {}
    return {"Enabled": True, "JSONFormat": canonical_json(log_format(settings.tracer.name, settings.oldest_envoy))}


def static_clusters(settings: MeshSettings) -> list[JsonObject]:
    """Return the clusters of the bootstrap, sorted by name: Envoy ignores their order."""
    collector = [collector_cluster(settings)] if settings.enabled else []
    return sorted([*collector, *settings.static_clusters], key=lambda cluster: str(cluster["name"]))


def service_resources(settings: EntrySettings) -> dict[str, Entry]:
    """Return the entries of the services by the names of their resources, after that of the component."""
    return {f"service-{key}": entry for key, entry in service_defaults(settings).items()}


def service_defaults(settings: EntrySettings) -> dict[str, Entry]:
    """Return the entries of the services by the key in `services`."""
    declared = {key: _service_entry(key, service, settings) for key, service in settings.services.items()}
    tcp = {name: Entry("service-defaults", name, {"Protocol": "tcp"}, *_place(settings)) for name in settings.tcp_names}
    return dict(sorted({**declared, **tcp}.items()))


def _service_entry(key: str, service: Service, settings: EntrySettings) -> Entry:
    body = {**service.service_defaults, "Protocol": service.protocol}
    return Entry("service-defaults", service.name or key, body, *_place(settings, service.namespace, service.partition))


def _place(
    settings: EntrySettings, namespace: str | None = None, partition: str | None = None
) -> tuple[str | None, str | None]:
    """Return the namespace and the partition of an entry, by default those of the settings.

    Consul's default ones are unset: their name would be another value for Pulumi, which then replaces the entry.
    """
    named = namespace or settings.home_namespace, partition or settings.partition
    if settings.target == "kubernetes":
        return named
    return None if named[0] == "default" else named[0], None if named[1] == "default" else named[1]


def gateway_arguments(settings: MeshSettings) -> list[str]:
    """Return the arguments with which a gateway's Envoy starts traces. Empty if a gateway has no tracer."""
    if not settings.enabled or settings.gateways == "skip":
        return []
    return ["--config-yaml", canonical_json(gateway_runtime(listener_sampling(settings)))]


def config_json(kind: str, body: JsonObject, ownership: Mapping[str, str]) -> str:
    """Return the written entry: the fields of the body, the fields that Consul adds, and the ownership metadata."""
    meta = {**body.get("Meta", {}), **ownership}
    # Consul returns no empty `Meta`.
    return canonical_json({**filled_in(kind, body), **({"Meta": meta} if meta else {})})


def filled_in(kind: str, body: JsonObject) -> JsonObject:
    """Add the fields that Consul adds."""
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
    """Return a short hash of the configuration that proxies read at startup.

    It changes if and only if proxies must restart: the order of clusters and the layout of JSON have no effect.
    """
    config = {key.lower(): value for key, value in (mesh_body.get("Config") or {}).items()}
    read = {key: _meaning(key, config[key]) for key in BOOTSTRAP_KEYS if config.get(key)}
    # The access log of the admin interface is in the bootstrap.
    logs = mesh_body.get("AccessLogs") or {}
    if logs.get("Enabled"):
        read["AccessLogs"] = {field: value for field, value in logs.items() if value}
    return hashlib.sha256(canonical_json(read).encode()).hexdigest()[:SHORT_HASH]


def _meaning(key: str, value: object) -> object:
    if not key.endswith("_json") or (objects := json_objects(value)) is None:
        return value
    return sorted(objects, key=canonical_json) if key == CLUSTERS_KEY else objects


EMPTY_BOOTSTRAP = bootstrap_hash({})
"""The hash of an entry without a key that proxies read at startup."""
