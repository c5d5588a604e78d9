"""Strict parsers for the Envoy configuration that this package writes, based on Envoy's protobuf messages."""

import json
from typing import Any

from envoy.config.bootstrap.v3 import bootstrap_pb2
from envoy.config.cluster.v3 import cluster_pb2
from envoy.config.trace.v3 import datadog_pb2, http_tracer_pb2, opentelemetry_pb2, zipkin_pb2  # noqa: F401 - Any types
from envoy.extensions.filters.http.lua.v3 import lua_pb2  # noqa: F401 - parsed inside an Any
from envoy.extensions.filters.http.upstream_codec.v3 import upstream_codec_pb2  # noqa: F401 - parsed inside an Any
from envoy.extensions.filters.network.http_connection_manager.v3 import http_connection_manager_pb2 as hcm_pb2
from envoy.extensions.tracers.opentelemetry.resource_detectors.v3 import (
    environment_resource_detector_pb2,  # noqa: F401 - parsed inside an Any
    static_config_resource_detector_pb2,  # noqa: F401 - parsed inside an Any
)
from envoy.extensions.tracers.opentelemetry.samplers.v3 import (
    parent_based_sampler_pb2,  # noqa: F401 - parsed inside an Any
    trace_id_ratio_based_sampler_pb2,  # noqa: F401 - parsed inside an Any
)
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2  # noqa: F401 - parsed inside an Any
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2  # noqa: F401 - parsed inside an Any
from google.protobuf import any_pb2, json_format

Tracing = hcm_pb2.HttpConnectionManager.Tracing


def tracer(text: str) -> http_tracer_pb2.Tracing:
    """Parse `envoy_tracing_json`. An unknown field or a value of another type is an error."""
    return json_format.Parse(text, http_tracer_pb2.Tracing())


def clusters(text: str) -> list[cluster_pb2.Cluster]:
    """Parse `envoy_extra_static_clusters_json` inside a bootstrap, as Consul places it."""
    bootstrap = json_format.Parse(f'{{"static_resources":{{"clusters":[{text}]}}}}', bootstrap_pb2.Bootstrap())
    return list(bootstrap.static_resources.clusters)


def listener(text: str) -> Tracing:
    """Parse `envoy_listener_tracing_json` as the `Any` message that Consul reads."""
    packed = json_format.Parse(text, any_pb2.Any())
    unpacked = Tracing()
    assert packed.Unpack(unpacked), f"not a {Tracing.DESCRIPTOR.full_name}: {packed.type_url}"
    return unpacked


def parse_config(config: dict[str, Any]) -> None:
    """Parse every Envoy value in the `Config` of a proxy-defaults entry."""
    parsers = {
        "envoy_tracing_json": tracer,
        "envoy_extra_static_clusters_json": clusters,
        "envoy_listener_tracing_json": listener,
    }
    for key in parsers.keys() & config.keys():
        parsers[key](config[key])


def as_json(message: Any) -> dict[str, Any]:
    """Return `message` as protobuf JSON with the field names of the .proto files."""
    parsed: dict[str, Any] = json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))
    return parsed
