"""The meaning of a config entry: its fields without defaults, and its tracing configuration with Envoy's defaults.

Entries with the same meaning configure proxies identically, whatever the layout of their JSON and the case of its keys.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from consul_tracing.entries.metadata import is_ownership_metadata
from consul_tracing.envoy_messages.comparison import differences
from consul_tracing.envoy_messages.json_values import at, fraction_percent, listed
from consul_tracing.envoy_messages.messages import CLUSTER, HTTP_PROTOCOL_OPTIONS, TRACING
from consul_tracing.envoy_messages.reader import read, read_listener
from consul_tracing.envoy_messages.tracers import CLUSTER_FIELDS, collector_name
from consul_tracing.files.values import Unevaluated
from consul_tracing.inputs.hosts import canonical_host, is_address
from consul_tracing.lint.proxy_config import entry_objects
from consul_tracing.names import (
    CLUSTERS_KEY,
    COLLECTOR_CLUSTER,
    HTTP_PROTOCOLS,
    LISTENER_KEY,
    SAMPLING_RATES,
    TRACER_KEY,
    TRACING_KEYS,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import FieldPath, JsonObject

FREE_FORM = frozenset({"Config", "Meta", "Arguments"})

ENVOY_DEFAULTS: Mapping[str, JsonObject] = {
    "ZipkinConfig": {
        "shared_span_context": True,
        "split_spans_for_request": False,
        "trace_context_option": "USE_B3",
        "trace_id_128bit": False,
    }
}
"""Envoy's defaults by tracer. Source: Envoy 1.36's `config/trace/v3`."""

HOST_AND_PATH = re.compile(r"[^:/]+://([^/]*)(/.*)")
"""The host and the path of a URL."""

LISTENER_DEFAULTS: JsonObject = {
    **{f"{rate}_sampling": {"value": 100} for rate in SAMPLING_RATES},
    "max_path_tag_length": 256,
    "spawn_upstream_span": False,
    "verbose": False,
}
"""Envoy's defaults of `HttpConnectionManager.Tracing`."""

CLUSTER_DEFAULTS: JsonObject = {
    "connect_timeout": "5s",
    "dns_lookup_family": "AUTO",
    "lb_policy": "ROUND_ROBIN",
    "type": "STATIC",
}
"""Envoy's defaults of `config.cluster.v3.Cluster`."""

CONSUL_SAMPLING = {"random_sampling": {"value": 0}}
"""Consul's sampling of listeners without `envoy_listener_tracing_json`."""

HTTP2: JsonObject = {
    HTTP_PROTOCOL_OPTIONS: {
        "@type": HTTP_PROTOCOL_OPTIONS,
        "explicit_http_config": {"http2_protocol_options": {}},
    }
}


def protocol_of(value: object) -> str:
    """Return the protocol that Consul uses: it ignores the case, and an unknown protocol is tcp."""
    protocol = str(value).lower()
    return protocol if protocol in HTTP_PROTOCOLS else "tcp"


def service_meaning(fields: JsonObject, default_protocol: object) -> JsonObject:
    """Return the meaning of a service-defaults entry. Its default protocol is that of the mesh."""
    meaning = entry_meaning(fields)
    if not isinstance(meaning.get("Protocol"), Unevaluated):
        meaning["Protocol"] = protocol_of(meaning.get("Protocol") or default_protocol)
    return meaning


def mesh_meaning(fields: JsonObject) -> JsonObject:
    """Return the meaning of a proxy-defaults entry: the tracing keys are objects, and clusters are maps by name."""
    meaning = entry_meaning(fields)
    config = meaning.get("Config", {})
    if isinstance(config, dict):
        special = {*TRACING_KEYS, "protocol"}
        config = {key.lower() if key.lower() in special else key: value for key, value in config.items()}
        if isinstance(config.get("protocol"), str):
            config["protocol"] = protocol_of(config["protocol"])
        if config := config | tracing_meaning({key: config[key] for key in TRACING_KEYS if config.get(key)}):
            meaning["Config"] = config
    return meaning


def entry_meaning(fields: JsonObject) -> JsonObject:
    """Return the fields of an entry as plain data, without empty values, ownership metadata and its identity."""
    values = {
        name: _compact(value, (name,)) for name, value in fields.items() if name not in {"Namespace", "Partition"}
    }
    # At the top level Consul does not distinguish zero from unset.
    return {name: value for name, value in values.items() if value or isinstance(value, Unevaluated)}


def _compact(value: Any, path: FieldPath) -> Any:  # noqa: ANN401 - any value
    match value:
        case dict():
            members = {
                str(key): _compact(member, (*path, key))
                for key, member in value.items()
                if not is_ownership_metadata((*path, key)) and (*path, key) != ("Meta", "external-source")
            }
            is_free = not FREE_FORM.isdisjoint(path)
            return {key: member for key, member in members.items() if is_free or member not in ({}, [], "", None)}
        case list():
            return [_compact(member, path) for member in value]
        case str():
            return str(value)
        case _:
            return value


def tracing_meaning(config: JsonObject) -> JsonObject:
    """Return the meaning of the tracing keys. A value that is not JSON text remains as it is."""
    objects = {key: found for key, value in config.items() if (found := entry_objects(value))}
    bootstrap = read(objects[TRACER_KEY][0], TRACING).value if TRACER_KEY in objects else {}
    listener = read_listener(objects[LISTENER_KEY][0]).value if LISTENER_KEY in objects else None
    provider = at(bootstrap, "http") or at(listener, "provider")
    meaning = {**config}
    if CLUSTERS_KEY in objects:
        meaning[CLUSTERS_KEY] = _clusters(objects[CLUSTERS_KEY], collector_name(at(provider, "typed_config")))
    if TRACER_KEY in objects:
        meaning[TRACER_KEY] = {**bootstrap, "http": _provider(at(bootstrap, "http"))}
    if listener is not None:
        meaning[LISTENER_KEY] = _listener(listener)
        if at(listener, "provider") and meaning[LISTENER_KEY]["provider"] == at(meaning, TRACER_KEY, "http"):
            del meaning[LISTENER_KEY]["provider"]
    elif TRACER_KEY in objects and LISTENER_KEY not in config:
        meaning[LISTENER_KEY] = {**_listener({}), **CONSUL_SAMPLING}
    return meaning


def message_of(provider: object) -> str:
    """Return the name of a tracer's message: `ZipkinConfig`."""
    return str(at(provider, "typed_config", "@type") or "").rpartition(".")[2]


def _provider(provider: object) -> Any:  # noqa: ANN401 - JSON
    """Fill in the defaults of a tracer. Its name has no effect, and its cluster is the collector's."""
    config = at(provider, "typed_config")
    if not isinstance(config, dict):
        return provider
    name = collector_name(config)
    config = {**ENVOY_DEFAULTS.get(message_of(provider), {}), **_in_one_form(config)}
    for *parents, field in CLUSTER_FIELDS:
        if isinstance(holder := at(config, *parents), dict) and field in holder:
            config = _replaced(config, parents, {**holder, field: COLLECTOR_CLUSTER})
    if "collector_cluster" in config:
        config["collector_hostname"] = config.get("collector_hostname") or name
    if isinstance(service := config.get("grpc_service"), dict):
        # Envoy ignores it.
        config = _replaced(config, ["grpc_service"], {key: one for key, one in service.items() if key != "timeout"})
    if isinstance(grpc := at(config, "grpc_service", "envoy_grpc"), dict):
        config = _replaced(config, ["grpc_service", "envoy_grpc"], {**grpc, "authority": grpc.get("authority") or name})
    for path, added in (
        (("grpc_service", "initial_metadata"), ()),
        (("http_service", "request_headers_to_add"), ("header",)),
        (("request_headers_to_add",), ("header",)),
    ):
        if headers := listed(at(config, *path)):
            pairs = [at(one, *added) for one in headers]
            if all(isinstance(pair, dict) and pair.keys() == {"key", "value"} for pair in pairs):
                config = _replaced(config, list(path), {str(pair["key"]).lower(): pair["value"] for pair in pairs})
    return {"typed_config": {**config, **_extensions(config)}}


def _in_one_form(config: JsonObject) -> JsonObject:
    """Return a tracer with the fields of Zipkin's older form in place of its `collector_service`, which wins."""
    service = config.get("collector_service")
    place = HOST_AND_PATH.fullmatch(str(at(service, "http_uri", "uri")))
    if not place or not isinstance(service, dict):
        return config
    own = {key: value for key, value in config.items() if key != "collector_service"}
    rest = {key: value for key, value in service.items() if key != "http_uri"}
    return {
        **own,
        "collector_cluster": at(service, "http_uri", "cluster"),
        "collector_endpoint": place[2],
        "collector_hostname": place[1],
        **rest,
    }


def _extensions(config: JsonObject) -> JsonObject:
    """Return the sampler and the resource detectors of a tracer without their names, which have no effect."""
    found: JsonObject = {"sampler": _sampler(config["sampler"])} if "sampler" in config else {}
    if isinstance(detectors := config.get("resource_detectors"), list):
        found["resource_detectors"] = [at(detector, "typed_config") or detector for detector in detectors]
    return found


def _sampler(extension: object) -> object:
    """Return the configuration of a sampler, with rates in percent."""
    config = at(extension, "typed_config")
    if not isinstance(config, dict):
        return extension
    wrapped = {"wrapped_sampler": _sampler(config["wrapped_sampler"])} if "wrapped_sampler" in config else {}
    rate = fraction_percent(config.get("sampling_percentage"))
    return {**config, **wrapped, **({} if rate is None else {"sampling_percentage": rate})}


def _replaced(value: JsonObject, path: list[str], member: object) -> JsonObject:
    if not path:
        return member  # type: ignore[return-value]
    return {**value, path[0]: _replaced(value[path[0]], path[1:], member) if len(path) > 1 else member}


def _listener(listener: JsonObject) -> JsonObject:
    filled = {**LISTENER_DEFAULTS, **listener}
    for rate in SAMPLING_RATES:
        if isinstance(percent := filled[f"{rate}_sampling"], dict):
            filled[f"{rate}_sampling"] = {"value": 0, **percent}
    if tags := listed(filled.pop("custom_tags", None)):
        filled["custom_tags"] = {str(at(tag, "tag")): _tag(tag) for tag in tags}
    if "provider" in filled:
        filled["provider"] = _provider(filled["provider"])
    return filled


def _tag(tag: object) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(tag, dict):
        return tag
    fields = {key: value for key, value in tag.items() if key != "tag"}
    if isinstance(name := at(fields, "request_header", "name"), str):
        fields["request_header"]["name"] = name.lower()
    return fields


def _clusters(clusters: list[JsonObject], collector: str | None) -> JsonObject:
    """Return the clusters by name. The collector's has its defaults filled in, and others remain as they are."""
    meaning: JsonObject = {}
    for index, cluster in enumerate(clusters):
        name = str(cluster.get("name", f"#{index}"))
        if name == collector and COLLECTOR_CLUSTER not in meaning:
            meaning[COLLECTOR_CLUSTER] = _collector_cluster(read(cluster, CLUSTER).value)
        else:
            meaning[name if name != COLLECTOR_CLUSTER else f"{name} (unused)"] = cluster
    return meaning


def _collector_cluster(cluster: JsonObject) -> JsonObject:
    filled = {**CLUSTER_DEFAULTS, **{key: value for key, value in cluster.items() if key != "name"}}
    if isinstance(assignment := filled.get("load_assignment"), dict):
        filled["load_assignment"] = {key: value for key, value in assignment.items() if key != "cluster_name"}
    if filled.get("http2_protocol_options") == {}:
        del filled["http2_protocol_options"]
        filled["typed_extension_protocol_options"] = HTTP2
    address = socket_address(filled)
    if isinstance(address, dict):
        host = address.get("address")
        if isinstance(host, str):
            address["address"] = canonical_host(host) or host
            if is_address(host) and filled["type"] in ("STATIC", "STRICT_DNS", "LOGICAL_DNS"):
                # An address needs no resolution.
                filled |= {"type": "STRICT_DNS", "dns_lookup_family": "V4_PREFERRED"}
    if filled["dns_lookup_family"] == "V4_ONLY":
        # The same for each host that has an IPv4 address, and V4_ONLY does not resolve others.
        filled["dns_lookup_family"] = "V4_PREFERRED"
    return filled


def socket_address(cluster: object) -> Any:  # noqa: ANN401 - JSON
    """Return the address of the first endpoint of a cluster."""
    return at(cluster, "load_assignment", "endpoints", 0, "lb_endpoints", 0, "endpoint", "address", "socket_address")


def meaning_differences(old: object, new: object) -> Iterator[tuple[FieldPath, object, object]]:
    """Yield the paths at which two meanings differ, with both values. A missing value is UNSET."""
    return differences(
        old, new, divided={("Config",), ("Config", CLUSTERS_KEY), ("Config", LISTENER_KEY, "custom_tags")}
    )
