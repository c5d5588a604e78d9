"""Envoy configuration of a mesh: tracer, cluster, listener and gateway runtime, as plain data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from .envoy_messages.messages import HTTP_PROTOCOL_OPTIONS, LISTENER_TRACING
from .inputs.hosts import is_address
from .names import COLLECTOR_CLUSTER, RESOURCE_ATTRIBUTE_SEPARATORS, SAMPLING_RATES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .inputs.mesh_settings import MeshSettings
    from .inputs.tracer_settings import Collector, Datadog, OpenTelemetry, Sampling, Span, Tag, Tls, Tracer, Zipkin
    from .names import JsonObject


TYPE = "type.googleapis.com/"

CALLER_METADATA = "consul"
"""The key of the metadata in which Consul's listeners write the identity of the caller."""

ENCODINGS: Mapping[str, str] = {"json": "HTTP_JSON", "protobuf": "HTTP_PROTO"}


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
    config: JsonObject = {
        "collector_cluster": COLLECTOR_CLUSTER,
        "collector_endpoint": tracer.path,
        "collector_endpoint_version": ENCODINGS[tracer.encoding],
        "collector_hostname": tracer.hostname or authority(collector.host),
        "trace_id_128bit": tracer.trace_id_128bit,
        "shared_span_context": tracer.shared_span_context,
    }
    if tracer.propagation == "b3+w3c":
        config["trace_context_option"] = "USE_B3_WITH_W3C_PROPAGATION"
    return config


def opentelemetry(tracer: OpenTelemetry, settings: MeshSettings) -> JsonObject:
    """Build the fields of Envoy's `OpenTelemetryConfig`."""
    config: JsonObject = {}
    timeout, headers = duration(settings.collector.export_timeout_ms), sorted(tracer.headers.items())
    if tracer.transport == "grpc":
        # The default authority is the name of the cluster. A reverse proxy of the collector cannot route it.
        grpc = {"cluster_name": COLLECTOR_CLUSTER, "authority": authority(settings.collector.host)}
        config["grpc_service"] = {"envoy_grpc": grpc, "timeout": timeout}
        if headers:
            config["grpc_service"]["initial_metadata"] = [{"key": name, "value": value} for name, value in headers]
    else:
        http = {"uri": collector_url(settings), "cluster": COLLECTOR_CLUSTER, "timeout": timeout}
        config["http_service"] = {"http_uri": http}
        if headers:
            added = [{"header": {"key": name, "value": value}} for name, value in headers]
            config["http_service"]["request_headers_to_add"] = added
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
        for variable, value in proxy_environment.get("*", {}).items()
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
    if settings.tracer.speaks_http2:
        options = {"@type": TYPE + HTTP_PROTOCOL_OPTIONS, "explicit_http_config": {"http2_protocol_options": {}}}
        cluster["typed_extension_protocol_options"] = {HTTP_PROTOCOL_OPTIONS: options}
    if collector.tls is not None:
        cluster["transport_socket"] = tls_socket(collector.tls, collector.host, settings.tracer)
    return cluster


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
    scheme = "http" if collector.tls is None else "https"
    path = ""
    if tracer.zipkin is not None:
        path = tracer.zipkin.path
    elif tracer.opentelemetry is not None and tracer.opentelemetry.transport == "http":
        path = tracer.opentelemetry.path
    return f"{scheme}://{authority(collector.host)}:{settings.collector_port}{path}"


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
