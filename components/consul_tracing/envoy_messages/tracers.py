"""The tracers of Envoy."""

from __future__ import annotations

from .json_values import at, fraction_percent

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


def sampler_percent(config: object) -> float | None:
    """Return the rate of the sampler in the `typed_config` of a tracer, in percent. None without a rate."""
    sampler = at(config, "sampler", "typed_config")
    wrapped = at(sampler, "wrapped_sampler", "typed_config")
    rates = [fraction_percent(at(one, "sampling_percentage")) for one in (sampler, wrapped)]
    return min((rate for rate in rates if rate is not None), default=None)
