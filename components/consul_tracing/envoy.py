"""Envoy configuration of a mesh: tracer, cluster, listener and gateway runtime, as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .envoy_messages.credential_filter import Credential, credential_filter
from .envoy_messages.messages import HTTP_PROTOCOL_OPTIONS, LISTENER_TRACING
from .inputs.hosts import is_address
from .names import COLLECTOR_CLUSTER, RESOURCE_ATTRIBUTE_SEPARATORS, SAMPLING_RATES, TEMPLATE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .inputs.mesh_settings import MeshSettings
    from .inputs.tracer_settings import Collector, Datadog, OpenTelemetry, Sampling, Span, Tag, Tls, Tracer, Zipkin
    from .names import JsonObject


TYPE = "type.googleapis.com/"

CALLER_METADATA = "consul"
"""The key of the metadata in which Consul's listeners write the identity of the caller."""

ENCODINGS: Mapping[str, str] = {"json": "HTTP_JSON", "protobuf": "HTTP_PROTO"}

ZIPKIN_TIMEOUT = "5s"
"""Required and without effect. A report has the timeout of Envoy's runtime, `tracing.zipkin.request_timeout`: 5 s."""

MAX_BACKOFF_SECONDS = 10
"""Longest pause before a retry. Envoy waits for a random part of it."""

MAX_RETRIED_EXPORTS = 1000
"""Exports of a proxy that can wait for a retry. Each has five spans by default."""


def bootstrap_tracing(settings: MeshSettings) -> JsonObject:
    """Build `envoy_tracing_json`: Envoy's `config.trace.v3.Tracing`, which proxies read at startup."""
    return {"http": provider(settings)}


def listener_tracing(settings: MeshSettings) -> JsonObject:
    """Build `envoy_listener_tracing_json`: the `Tracing` block of Envoy's HTTP connection manager.

    All three rates are written because the block replaces Consul's defaults and an omitted rate means 100 %. They are
    100 % if the tracer has a sampler, which then decides.
    With `gateways: skip` the block contains the tracer. Proxies without the collector's cluster reject it.
    """
    block: JsonObject = {"@type": TYPE + LISTENER_TRACING, **percentages(listener_sampling(settings))}
    block |= span_fields(settings.spans)
    if settings.tags:
        block["custom_tags"] = [custom_tag(name, tag) for name, tag in sorted(settings.tags.items())]
    if settings.gateways == "skip":
        block["provider"] = provider(settings)
    return block


def listener_sampling(settings: MeshSettings) -> Sampling:
    """Return the rates of listeners and gateways: all requests, if the tracer has a sampler."""
    return settings.sampling.model_copy(update={"random": 100.0}) if settings.has_sampler else settings.sampling


def percentages(sampling: Sampling) -> JsonObject:
    """Build the `Percent` messages of the sampling rates."""
    return {f"{name}_sampling": {"value": exact(getattr(sampling, name))} for name in SAMPLING_RATES}


def exact(percent: float) -> float:
    """Return the rate with which Envoy samples `percent`: it multiplies by 100 and drops what is behind the point.

    0.29 * 100 is 28.999999999999996 in floating point, which would be 0.28 %.
    """
    is_too_low = percent == round(percent, 2) and percent * 100 < round(percent * 100)
    return math.nextafter(percent, math.inf) if is_too_low else percent


def span_fields(spans: Span) -> JsonObject:
    """Build the fields of `SpanArgs`. Omits values that equal Envoy's defaults."""
    return {field: value for field, value in spans if value != type(spans).model_fields[field].default}


def custom_tag(name: str, tag: Tag) -> JsonObject:
    """Build Envoy's `type.tracing.v3.CustomTag`."""
    if tag.literal is not None:
        return {"tag": name, "literal": {"value": tag.literal}}
    fallback = {} if tag.default is None else {"default_value": tag.default}
    if tag.caller is not None:
        # Consul's public listener writes the identity of the client certificate to the metadata of the request.
        key = {"key": CALLER_METADATA, "path": [{"key": tag.caller}]}
        return {"tag": name, "metadata": {"kind": {"request": {}}, "metadata_key": key, **fallback}}
    source = "request_header" if tag.request_header is not None else "environment"
    return {"tag": name, source: {"name": tag.request_header or tag.environment, **fallback}}


def provider(settings: MeshSettings) -> JsonObject:
    """Build the tracer: Envoy's `config.trace.v3.Tracing.Http`."""
    tracer, collector = settings.tracer, settings.collector
    if tracer.opentelemetry is not None:
        return _provider("opentelemetry", "OpenTelemetryConfig", opentelemetry(tracer.opentelemetry, settings))
    if tracer.datadog is not None:
        return _provider("datadog", "DatadogConfig", datadog(tracer.datadog, collector))
    assert tracer.zipkin is not None  # noqa: S101 - exactly one tracer is set
    return _provider("zipkin", "ZipkinConfig", zipkin(tracer.zipkin, collector))


def _provider(name: str, message: str, config: JsonObject) -> JsonObject:
    return {
        "name": f"envoy.tracers.{name}",
        "typed_config": {"@type": f"{TYPE}envoy.config.trace.v3.{message}", **config},
    }


def datadog(tracer: Datadog, collector: Collector) -> JsonObject:
    """Build the fields of Envoy's `DatadogConfig`."""
    return {
        "collector_cluster": COLLECTOR_CLUSTER,
        "service_name": tracer.service_name,
        "collector_hostname": authority(collector.host),
    }


def zipkin(tracer: Zipkin, collector: Collector) -> JsonObject:
    """Build the fields of Envoy's `ZipkinConfig`. Defaults that differ between versions of Envoy are written."""
    host = tracer.hostname or authority(collector.host)
    config: JsonObject = {
        "collector_endpoint_version": ENCODINGS[tracer.encoding],
        "trace_id_128bit": tracer.trace_id_128bit,
        "shared_span_context": tracer.shared_span_context,
    }
    if tracer.headers:
        uri = f"{scheme(collector)}://{host}{tracer.path}"
        http = {"uri": uri, "cluster": COLLECTOR_CLUSTER, "timeout": ZIPKIN_TIMEOUT}
        config["collector_service"] = {"http_uri": http, "request_headers_to_add": added_headers(tracer.headers)}
    else:
        config["collector_cluster"] = COLLECTOR_CLUSTER
        config["collector_endpoint"] = tracer.path
        config["collector_hostname"] = host
    if tracer.propagation == "b3+w3c":
        config["trace_context_option"] = "USE_B3_WITH_W3C_PROPAGATION"
    return config


def opentelemetry(tracer: OpenTelemetry, settings: MeshSettings) -> JsonObject:
    """Build the fields of Envoy's `OpenTelemetryConfig`."""
    config: JsonObject = {}
    timeout = duration(settings.collector.export_timeout_ms)
    if tracer.transport == "grpc":
        # The default authority is the name of the cluster. A reverse proxy of the collector cannot route it.
        grpc = {"cluster_name": COLLECTOR_CLUSTER, "authority": authority(settings.collector.host)}
        config["grpc_service"] = {"envoy_grpc": grpc, "timeout": timeout}
        if tracer.headers:
            config["grpc_service"]["initial_metadata"] = header_values(tracer.headers)
        if tracer.retry_seconds:
            config["grpc_service"]["retry_policy"] = retry_policy(tracer.retry_seconds)
    else:
        http = {"uri": collector_url(settings), "cluster": COLLECTOR_CLUSTER, "timeout": timeout}
        config["http_service"] = {"http_uri": http}
        if tracer.headers:
            config["http_service"]["request_headers_to_add"] = added_headers(tracer.headers)
    if tracer.max_cache_size is not None:
        config["max_cache_size"] = tracer.max_cache_size
    if tracer.service_name is not None:
        config["service_name"] = tracer.service_name
    # Attributes of later detectors replace those of earlier ones.
    kind, attributes = "resource_detectors", tracer.resource_attributes
    static = extension(kind, "static_config", "StaticConfigResourceDetectorConfig", attributes=attributes)
    environment = extension(kind, "environment", "EnvironmentResourceDetectorConfig")
    config[kind] = [*([static] if attributes else []), environment]
    if settings.has_sampler:
        config["sampler"] = sampler(settings.sampling.random)
    return config


def header_values(headers: Mapping[str, str]) -> list[JsonObject]:
    """Build Envoy's `HeaderValue` of each header."""
    return [{"key": name, "value": value} for name, value in sorted(headers.items())]


def added_headers(headers: Mapping[str, str]) -> list[JsonObject]:
    """Build Envoy's `HeaderValueOption` of each header."""
    return [{"header": header} for header in header_values(headers)]


def retry_policy(seconds: int) -> JsonObject:
    """Build the retries of an export over gRPC: Envoy's `config.core.v3.RetryPolicy`.

    The pauses are random, on average half of the longest one. Twice the number for an outage of average pauses, and
    three short ones at the start, hold for almost every export.
    """
    return {
        "retry_on": "connect-failure,reset,5xx,unavailable",
        "num_retries": 2 * math.ceil(2 * seconds / MAX_BACKOFF_SECONDS) + 3,
        "retry_back_off": {"base_interval": "1s", "max_interval": f"{MAX_BACKOFF_SECONDS}s"},
    }


def retried_seconds(retries: int) -> int:
    """Return the longest outage for which `retry_policy` has this number of retries."""
    return max(0, (retries - 3) * MAX_BACKOFF_SECONDS // 4)


def sampler(percent: float) -> JsonObject:
    """Build a sampler that follows the caller's decision, and decides by the trace id if there is none.

    The decision of a trace id is the same in every proxy. The listener's rate depends on `x-request-id` instead, and
    Envoy 1.39 and newer apply it again in each proxy (envoyproxy/envoy#45830).
    """
    ratio = extension("samplers", "trace_id_ratio_based", "TraceIdRatioBasedSamplerConfig")
    ratio["typed_config"]["sampling_percentage"] = fraction(percent)
    parent_based = extension("samplers", "parent_based", "ParentBasedSamplerConfig")
    parent_based["typed_config"]["wrapped_sampler"] = ratio
    return parent_based


def extension(kind: str, name: str, message: str, **config: object) -> JsonObject:
    """Build an extension of Envoy's OpenTelemetry tracer: a sampler or a resource detector."""
    return {
        "name": f"envoy.tracers.opentelemetry.{kind}.{name}",
        "typed_config": {"@type": f"{TYPE}envoy.extensions.tracers.opentelemetry.{kind}.v3.{message}", **config},
    }


RESOURCE_ATTRIBUTES = "OTEL_RESOURCE_ATTRIBUTES"
"""The variable with the attributes of the resource, from which Envoy reads the service name."""


def environment_of(service: str, proxy_environment: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the environment variables for the proxies of one service, from the output `proxy_environment` of a mesh.

    `service` is a name in Consul's catalog. A service of another stack gets the variables of the template `*`.
    """
    if service in proxy_environment:
        return dict(proxy_environment[service])
    return {
        variable: value.replace("{service}", service)
        for variable, value in proxy_environment.get(TEMPLATE, {}).items()
        if variable != RESOURCE_ATTRIBUTES or is_attribute_value(service)
    }


def is_attribute_value(service: str) -> bool:
    """Return whether the name can be a value in OTEL_RESOURCE_ATTRIBUTES."""
    return RESOURCE_ATTRIBUTE_SEPARATORS.isdisjoint(service)


def proxy_environment(tracer: Tracer, service: str) -> dict[str, str]:
    """Return the environment variables that set the service name in the spans of a service's proxies.

    The Zipkin tracer needs none: Consul sets the name in the bootstrap.
    """
    if tracer.opentelemetry is not None:
        return {RESOURCE_ATTRIBUTES: f"service.name={service}"} if is_attribute_value(service) else {}
    return {"DD_SERVICE": service} if tracer.datadog is not None else {}


def duration(milliseconds: int) -> str:
    """Return a duration in protobuf's JSON format."""
    return f"{milliseconds / 1000:.3f}s"


def collector_cluster(settings: MeshSettings) -> JsonObject:
    """Build the cluster of the collector: Envoy's `config.cluster.v3.Cluster`.

    The type is STRICT_DNS because the default, STATIC, accepts only IP addresses. IPv4 is preferred because many
    networks do not route the IPv6 addresses that Envoy prefers by default.
    """
    collector = settings.collector
    address = {"socket_address": {"address": collector.host, "port_value": settings.collector_port}}
    cluster: JsonObject = {
        "name": COLLECTOR_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": duration(collector.connect_timeout_ms),
        "dns_lookup_family": "V4_PREFERRED",
        "load_assignment": {
            "cluster_name": COLLECTOR_CLUSTER,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if options := http_options(settings):
        options = {"@type": TYPE + HTTP_PROTOCOL_OPTIONS, **options}
        cluster["typed_extension_protocol_options"] = {HTTP_PROTOCOL_OPTIONS: options}
    if settings.tracer.opentelemetry is not None and settings.tracer.opentelemetry.retry_seconds:
        # Envoy's default allows three retries at a time.
        cluster["circuit_breakers"] = {"thresholds": [{"max_retries": MAX_RETRIED_EXPORTS}]}
    if collector.tls is not None:
        cluster["transport_socket"] = tls_socket(collector.tls, collector.host, settings.tracer)
    return cluster


def http_options(settings: MeshSettings) -> JsonObject:
    """Build the protocol and the filters of requests to the collector. Empty for HTTP/1.1 without filters."""
    auth = settings.collector.auth
    if auth is None and not settings.tracer.speaks_http2:
        return {}
    protocol = "http2_protocol_options" if settings.tracer.speaks_http2 else "http_protocol_options"
    options: JsonObject = {"explicit_http_config": {protocol: {}}}
    if auth is not None:
        codec = f"{TYPE}envoy.extensions.filters.http.upstream_codec.v3.UpstreamCodec"
        options["http_filters"] = [
            credential_filter(Credential(auth.header, auth.file)),
            # The last filter sends the request.
            {"name": "envoy.filters.http.upstream_codec", "typed_config": {"@type": codec}},
        ]
    return options


def tls_socket(tls: Tls, host: str, tracer: Tracer) -> JsonObject:
    """Build the TLS configuration to the collector: Envoy's `UpstreamTlsContext`.

    Envoy verifies the certificate only with `trusted_ca`, and its name only with a matcher.
    """
    name = (tls.server_name or host).rstrip(".")
    has_address = is_address(name)
    validation: JsonObject = {
        "trusted_ca": {"filename": tls.ca_file},
        "match_typed_subject_alt_names": [
            {"san_type": "IP_ADDRESS" if has_address else "DNS", "matcher": {"exact": name}}
        ],
    }
    common: JsonObject = {"validation_context": validation}
    if tracer.speaks_http2:
        # gRPC servers close TLS connections without the protocol h2, and Envoy offers no protocol by default.
        common["alpn_protocols"] = ["h2"]
    if tls.certificate_file is not None:
        files = {"certificate_chain": {"filename": tls.certificate_file}, "private_key": {"filename": tls.key_file}}
        common["tls_certificates"] = [files]
    context: JsonObject = {
        "@type": f"{TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": common,
    }
    if not has_address:
        # RFC 6066, section 3: a server name in TLS is not an address.
        context["sni"] = name
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def authority(host: str) -> str:
    """Return a host for URLs and `Host` headers: an IPv6 address is in brackets."""
    return f"[{host}]" if ":" in host else host


def collector_url(settings: MeshSettings) -> str:
    """Return the URL to which spans are sent: `http://zipkin:9411/api/v2/spans`."""
    collector, tracer = settings.collector, settings.tracer
    path = ""
    if tracer.zipkin is not None:
        path = tracer.zipkin.path
    elif tracer.opentelemetry is not None and tracer.opentelemetry.transport == "http":
        path = tracer.opentelemetry.path
    return f"{scheme(collector)}://{authority(collector.host)}:{settings.collector_port}{path}"


def scheme(collector: Collector) -> str:
    """Return the scheme of URLs of the collector."""
    return "http" if collector.tls is None else "https"


def gateway_runtime(sampling: Sampling) -> JsonObject:
    """Build the runtime layer with which a gateway starts traces.

    Consul sets the sampling of gateways to 0 %, and no config entry overrides it. Both values are fractions, because
    Envoy reads a plain number as a whole percentage (envoyproxy/envoy#24180).
    """
    static: JsonObject = {"tracing.random_sampling": fraction(sampling.random)}
    if sampling.overall != 100:  # noqa: PLR2004 - Consul's default of 100 %
        static["tracing.global_enabled"] = fraction(sampling.overall)
    return {"layered_runtime": {"layers": [{"name": "tracing", "static_layer": static}]}}


def fraction(percent: float) -> JsonObject:
    """Build Envoy's `type.v3.FractionalPercent`: in hundredths of a percent if the rate is a whole number of them."""
    hundredths = round(percent * 100, 2)
    if hundredths.is_integer():
        return {"numerator": int(hundredths), "denominator": "TEN_THOUSAND"}
    return {"numerator": round(hundredths * 100), "denominator": "MILLION"}
