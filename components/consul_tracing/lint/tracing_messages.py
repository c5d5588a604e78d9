"""The fields of Envoy's tracing messages, with checks of common values. A test compares them with Envoy's protobufs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.inputs.envoy_json import (
    Messages,
    anything,
    boolean,
    count,
    duration,
    is_map,
    name,
    one_of,
    text,
    timeout,
    typed_message,
)
from consul_tracing.inputs.static_clusters import DATA_SOURCE, SOCKET_ADDRESS, TYPED
from consul_tracing.names import SAMPLER_ENVOY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.inputs.envoy_json import Schema
    from consul_tracing.names import EnvoyRelease

TRACE = "envoy.config.trace.v3."

HEADER: Schema = {"key": name, "value": text, "raw_value": text}
GRPC_SERVICE: Schema = {
    "envoy_grpc": {
        "cluster_name": name,
        "authority": text,
        "retry_policy": is_map,
        "max_receive_message_length": count,
        "skip_envoy_headers": boolean,
    },
    "google_grpc": is_map,
    "timeout": duration,
    "initial_metadata": [HEADER],
    "retry_policy": is_map,
}
HTTP_SERVICE: Schema = {
    "http_uri": {"uri": name, "cluster": name, "timeout": duration},
    "request_headers_to_add": [
        {"header": HEADER, "append": boolean, "append_action": anything, "keep_empty_value": boolean}
    ],
}
EXTENSION: Schema = {"name": name, "typed_config": typed_message}

TRACERS: Mapping[str, Schema] = {
    f"{TRACE}ZipkinConfig": {
        "collector_cluster": name,
        "collector_endpoint": name,
        "collector_endpoint_version": one_of("HTTP_JSON", "HTTP_PROTO", "GRPC"),
        "collector_hostname": text,
        "collector_service": HTTP_SERVICE,
        "shared_span_context": boolean,
        "split_spans_for_request": boolean,
        "trace_context_option": one_of("USE_B3", "USE_B3_WITH_W3C_PROPAGATION"),
        "trace_id_128bit": boolean,
    },
    f"{TRACE}OpenTelemetryConfig": {
        "grpc_service": GRPC_SERVICE,
        "http_service": HTTP_SERVICE,
        "max_cache_size": count,
        "resource_detectors": [EXTENSION],
        "sampler": EXTENSION,
        "service_name": text,
    },
    f"{TRACE}DatadogConfig": {
        "collector_cluster": name,
        "collector_hostname": text,
        "remote_config": {"polling_interval": duration},
        "service_name": name,
    },
    f"{TRACE}SkyWalkingConfig": {
        "client_config": {
            "backend_token": text,
            "instance_name": text,
            "max_cache_size": count,
            "service_name": text,
        },
        "grpc_service": GRPC_SERVICE,
    },
    f"{TRACE}XRayConfig": {
        "daemon_endpoint": SOCKET_ADDRESS,
        "sampling_rule_manifest": DATA_SOURCE,
        "segment_fields": {"aws": is_map, "origin": text},
        "segment_name": name,
    },
    "envoy.extensions.tracers.fluentd.v3.FluentdConfig": {
        "buffer_flush_interval": timeout,
        "buffer_size_bytes": count,
        "cluster": name,
        "retry_policy": is_map,
        "stat_prefix": name,
        "tag": name,
    },
}
"""The configuration messages of the tracers in Envoy 1.40."""

REMOVED_TRACERS: Mapping[str, str] = {
    "dynamic_ot": "1.32",
    "dynamicot": "1.32",
    "lightstep": "1.24",
    "opencensus": "1.33",
}
"""Tracers that Envoy no longer has, by parts of their names and messages, with the version that removed them."""

PROVIDER: Schema = {"name": text, "typed_config": typed_message, "config": anything}
"""`config` belongs to Envoy's v2 API and has its own finding."""

TRACING: Schema = {"http": PROVIDER}
"""`envoy_tracing_json`: `config.trace.v3.Tracing`."""

PERCENT: Schema = {"value": anything, "numerator": anything, "denominator": anything}
"""A percentage. The fields of a fraction have their own finding."""

DEFAULTED_SOURCE: Schema = {"name": name, "default_value": text}
LISTENER: Mapping[str, Schema] = {
    "client_sampling": PERCENT,
    "custom_tags": [
        {
            "tag": name,
            "environment": DEFAULTED_SOURCE,
            "literal": {"value": name},
            "metadata": {"default_value": text, "kind": is_map, "metadata_key": is_map},
            "request_header": DEFAULTED_SOURCE,
            "value": text,
        }
    ],
    "max_path_tag_length": count,
    "operation": text,
    "overall_sampling": PERCENT,
    "provider": PROVIDER,
    "random_sampling": PERCENT,
    "spawn_upstream_span": boolean,
    "upstream_operation": text,
    "verbose": boolean,
}
"""`envoy_listener_tracing_json`: the `Tracing` message of the HTTP connection manager."""

REQUIRED: Mapping[str, tuple[str, ...]] = {
    f"{TRACE}ZipkinConfig": ("collector_endpoint_version",),
    f"{TRACE}DatadogConfig": ("collector_cluster", "service_name"),
    f"{TRACE}SkyWalkingConfig": ("grpc_service",),
    f"{TRACE}XRayConfig": ("segment_name",),
    "envoy.extensions.tracers.fluentd.v3.FluentdConfig": ("cluster", "tag", "stat_prefix"),
}
"""Fields without which Envoy rejects the message."""

NEWER_FIELDS: Mapping[str, EnvoyRelease] = {
    "CELSamplerConfig": SAMPLER_ENVOY,
    "EnvironmentResourceDetectorConfig": (1, 29),
    "ParentBasedSamplerConfig": SAMPLER_ENVOY,
    "StaticConfigResourceDetectorConfig": (1, 31),
    "TraceIdRatioBasedSamplerConfig": SAMPLER_ENVOY,
    "collector_service": (1, 36),
    "custom_tags.value": (1, 37),
    "operation": (1, 37),
    "trace_context_option": (1, 36),
    "upstream_operation": (1, 37),
}
"""Fields and messages that are not in each Envoy or Consul, with the first Envoy that has them. The name of a field
includes its parent where another message has a field of the same name."""

CONSUL_MESSAGES: Mapping[tuple[int, int, int], EnvoyRelease] = {(1, 22, 6): (1, 36), (1, 21, 0): (1, 32)}
"""The Envoy whose messages a release of Consul parses, newest first. Source: go-control-plane in Consul's go.mod.

Runs of Consul 1.20.6, 1.22.5 and 1.22.7 agree."""

MESSAGES = Messages({**TYPED, **TRACERS}, similarity=0)
