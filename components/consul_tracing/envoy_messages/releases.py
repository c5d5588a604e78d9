"""The releases of Envoy and Consul that know a field or a message of Envoy, and what replaces a former one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consul_tracing.names import SAMPLER_ENVOY

from .messages import CLUSTER, HTTP_PROTOCOL_OPTIONS, LISTENER_TRACING
from .tracers import ZIPKIN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import EnvoyRelease

SAMPLERS = "envoy.extensions.tracers.opentelemetry.samplers.v3."
DETECTORS = "envoy.extensions.tracers.opentelemetry.resource_detectors.v3."

SINCE: Mapping[str, EnvoyRelease] = {
    f"{SAMPLERS}CELSamplerConfig": SAMPLER_ENVOY,
    f"{SAMPLERS}ParentBasedSamplerConfig": SAMPLER_ENVOY,
    f"{SAMPLERS}TraceIdRatioBasedSamplerConfig": SAMPLER_ENVOY,
    f"{DETECTORS}EnvironmentResourceDetectorConfig": (1, 29),
    f"{DETECTORS}StaticConfigResourceDetectorConfig": (1, 31),
    f"{CLUSTER}.transport_socket_matcher": (1, 37),
    f"{ZIPKIN}.collector_service": (1, 36),
    f"{ZIPKIN}.trace_context_option": (1, 36),
    "envoy.type.tracing.v3.CustomTag.value": (1, 37),
    f"{HTTP_PROTOCOL_OPTIONS}.hash_policy": (1, 37),
    f"{HTTP_PROTOCOL_OPTIONS}.outlier_detection": (1, 36),
    f"{HTTP_PROTOCOL_OPTIONS}.request_mirror_policies": (1, 37),
    f"{HTTP_PROTOCOL_OPTIONS}.retry_policy": (1, 37),
    f"{LISTENER_TRACING}.operation": (1, 37),
    f"{LISTENER_TRACING}.upstream_operation": (1, 37),
}
"""Messages and fields that are not in each Envoy or Consul, with the first Envoy that has them."""

CONSUL_MESSAGES: Mapping[tuple[int, int, int], EnvoyRelease] = {(1, 22, 6): (1, 36), (1, 21, 0): (1, 32)}
"""The Envoy whose messages a release of Consul parses, newest first. Source: go-control-plane in Consul's go.mod.

Runs of Consul 1.20.6, 1.22.5 and 1.22.7 agree."""

REPLACED: Mapping[str, str] = {
    "config": "typed_config",
    "extension_protocol_options": "typed_extension_protocol_options",
    "hosts": "load_assignment",
    "per_filter_config": "typed_per_filter_config",
    "regex": "safe_regex",
    "tls_context": "transport_socket",
    "verify_subject_alt_name": "match_typed_subject_alt_names",
}
"""Fields of Envoy's v2 API, each with its replacement in the same message."""

V2_TYPE = re.compile(r"(.*/)?envoy\.([a-z0-9_]+\.)+v2(alpha\d?)?\..+")
"""Types of Envoy's v2 API, which no supported Envoy reads."""

REMOVED_TRACERS: Mapping[str, str] = {
    "dynamic_ot": "1.32",
    "dynamicot": "1.32",
    "lightstep": "1.24",
    "opencensus": "1.33",
}
"""Tracers that Envoy no longer has, by parts of their names and messages, with the version that removed them."""
