"""The tracers of Envoy."""

from __future__ import annotations

from .json_values import at

TRACE = "envoy.config.trace.v3."
DATADOG, OPENTELEMETRY, SKYWALKING, XRAY, ZIPKIN = (
    f"{TRACE}{name}Config" for name in ("Datadog", "OpenTelemetry", "SkyWalking", "XRay", "Zipkin")
)
TRACERS = (DATADOG, OPENTELEMETRY, SKYWALKING, XRAY, ZIPKIN, "envoy.extensions.tracers.fluentd.v3.FluentdConfig")
"""The configuration messages of the tracers."""

CLUSTER_FIELDS = (
    ("collector_cluster",),
    ("cluster",),
    ("grpc_service", "envoy_grpc", "cluster_name"),
    ("http_service", "http_uri", "cluster"),
    ("collector_service", "http_uri", "cluster"),
)
"""The fields of tracers with the name of the collector's cluster."""


def collector_name(config: object) -> str | None:
    """Return the name of the collector's cluster in the `typed_config` of a tracer."""
    names = (at(config, *path) for path in CLUSTER_FIELDS)
    return next((name for name in names if isinstance(name, str) and name), None)
