"""Settings to the three values that Envoy reads: tracer, clusters, listener. Plain data; no value is joined text."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .fields import JsonObject
    from .settings import Collector, MeshSettings, OpenTelemetry, Sampling, Tag, Tls, Tracer, Zipkin

COLLECTOR_CLUSTER = "tracing_collector"
"""The Envoy cluster of the collector.

A new name would be refused by every running proxy until it restarts, so the name never changes.
"""

HTTP_PROTOCOLS = frozenset({"http", "http2", "grpc"})
"""The protocols whose requests Envoy sees, and so can trace."""

TYPE = "type.googleapis.com/"
HCM_TRACING = f"{TYPE}envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing"
HTTP_PROTOCOL_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
STATIC_RESOURCE = "envoy.tracers.opentelemetry.resource_detectors.static_config"

ENCODINGS: Mapping[str, str] = {"json": "HTTP_JSON", "protobuf": "HTTP_PROTO"}


CLUSTER_FIELDS = frozenset(
    [
        "alt_stat_name",
        "circuit_breakers",
        "cleanup_interval",
        "close_connections_on_host_health_failure",
        "cluster_type",
        "common_http_protocol_options",
        "common_lb_config",
        "connect_timeout",
        "connection_pool_per_downstream_connection",
        "dns_failure_refresh_rate",
        "dns_jitter",
        "dns_lookup_family",
        "dns_refresh_rate",
        "dns_resolution_config",
        "dns_resolvers",
        "eds_cluster_config",
        "filters",
        "health_checks",
        "http2_protocol_options",
        "http_protocol_options",
        "ignore_health_on_host_removal",
        "lb_policy",
        "lb_subset_config",
        "least_request_lb_config",
        "load_assignment",
        "load_balancing_policy",
        "lrs_report_endpoint_metrics",
        "lrs_server",
        "maglev_lb_config",
        "max_requests_per_connection",
        "metadata",
        "name",
        "original_dst_lb_config",
        "outlier_detection",
        "per_connection_buffer_limit_bytes",
        "preconnect_policy",
        "protocol_selection",
        "respect_dns_ttl",
        "ring_hash_lb_config",
        "round_robin_lb_config",
        "track_cluster_stats",
        "track_timeout_budgets",
        "transport_socket",
        "transport_socket_matcher",
        "transport_socket_matches",
        "type",
        "typed_dns_resolver_config",
        "typed_extension_protocol_options",
        "upstream_bind_config",
        "upstream_config",
        "upstream_connection_options",
        "upstream_http_protocol_options",
        "use_tcp_for_dns_lookups",
        "wait_for_warm_on_init",
    ]
)
"""The fields of Envoy's `config.cluster.v3.Cluster`; a test holds them against Envoy's own protobuf messages."""


def bootstrap_tracing(settings: MeshSettings) -> JsonObject:
    """`envoy_tracing_json`: Envoy's `config.trace.v3.Tracing`, which a proxy reads when it starts."""
    return {"http": provider(settings)}


def listener_tracing(settings: MeshSettings) -> JsonObject:
    """`envoy_listener_tracing_json`: the `Tracing` block of Envoy's HTTP connection manager.

    All three percentages are always written: the block replaces Consul's, and a field left out means 100 %.
    With `gateways: skip` it brings its own tracer, which proxies without the collector's cluster would reject.
    """
    block: JsonObject = {"@type": HCM_TRACING, **percentages(settings.sampling)}
    if settings.tags:
        block["custom_tags"] = [custom_tag(name, tag) for name, tag in sorted(settings.tags.items())]
    if settings.gateways == "skip":
        block["provider"] = provider(settings)
    return block


def percentages(sampling: Sampling) -> JsonObject:
    """Envoy's `Percent` messages, which hold one number each."""
    return {
        "client_sampling": {"value": sampling.client},
        "random_sampling": {"value": sampling.random},
        "overall_sampling": {"value": sampling.overall},
    }


def custom_tag(name: str, tag: Tag) -> JsonObject:
    """Envoy's `type.tracing.v3.CustomTag`."""
    if tag.literal is not None:
        return {"tag": name, "literal": {"value": tag.literal}}
    source = "request_header" if tag.request_header is not None else "environment"
    fallback = {} if tag.default is None else {"default_value": tag.default}
    return {"tag": name, source: {"name": tag.request_header or tag.environment, **fallback}}


def provider(settings: MeshSettings) -> JsonObject:
    """The tracer: Envoy's `config.trace.v3.Tracing.Http`."""
    tracer, collector = settings.tracer, settings.collector
    if tracer.opentelemetry is not None:
        return _provider("opentelemetry", "OpenTelemetryConfig", opentelemetry(tracer.opentelemetry, settings))
    if tracer.datadog is not None:
        named = {"service_name": tracer.datadog.service_name, "collector_hostname": authority(collector.host)}
        return _provider("datadog", "DatadogConfig", {"collector_cluster": COLLECTOR_CLUSTER, **named})
    assert tracer.zipkin is not None  # noqa: S101 - Tracer holds exactly one
    return _provider("zipkin", "ZipkinConfig", zipkin(tracer.zipkin, collector))


def _provider(name: str, message: str, config: JsonObject) -> JsonObject:
    return {
        "name": f"envoy.tracers.{name}",
        "typed_config": {"@type": f"{TYPE}envoy.config.trace.v3.{message}", **config},
    }


def zipkin(tracer: Zipkin, collector: Collector) -> JsonObject:
    """The fields of Envoy's `ZipkinConfig`. Those whose default differs between Envoy's releases are all written."""
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
    """The fields of Envoy's `OpenTelemetryConfig`."""
    config: JsonObject = {}
    if tracer.transport == "grpc":
        # Without an authority Envoy sends its cluster's name, which a proxy before the collector would not know.
        grpc = {"cluster_name": COLLECTOR_CLUSTER, "authority": authority(settings.collector.host)}
        config["grpc_service"] = {"envoy_grpc": grpc, "timeout": timeout(settings.collector)}
    else:
        http = {"uri": collector_url(settings), "cluster": COLLECTOR_CLUSTER, "timeout": timeout(settings.collector)}
        config["http_service"] = {"http_uri": http}
    if tracer.service_name is not None:
        config["service_name"] = tracer.service_name
    if tracer.resource_attributes:
        message = (
            f"{TYPE}envoy.extensions.tracers.opentelemetry.resource_detectors.v3.StaticConfigResourceDetectorConfig"
        )
        detector = {"@type": message, "attributes": tracer.resource_attributes}
        config["resource_detectors"] = [{"name": STATIC_RESOURCE, "typed_config": detector}]
    return config


def timeout(collector: Collector) -> str:
    """The connect timeout as protobuf's JSON writes a duration."""
    return f"{collector.connect_timeout_ms / 1000:.3f}s"


def collector_cluster(settings: MeshSettings) -> JsonObject:
    """The cluster that holds the collector: Envoy's `config.cluster.v3.Cluster`.

    STRICT_DNS, because Envoy's default, STATIC, takes IP addresses alone. IPv4 is looked up first: Envoy's default
    prefers IPv6, which many collectors announce and few networks carry.
    """
    collector = settings.collector
    address = {"socket_address": {"address": collector.host, "port_value": settings.collector_port}}
    cluster: JsonObject = {
        "name": COLLECTOR_CLUSTER,
        "type": "STRICT_DNS",
        "connect_timeout": timeout(collector),
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
    """TLS to the collector: Envoy's `UpstreamTlsContext`.

    Envoy verifies nothing by itself: neither the certificate, without `trusted_ca`, nor its name, without a matcher.
    """
    name = tls.server_name or host
    by_address = is_address(name)
    verified = {
        "trusted_ca": {"filename": tls.ca_file},
        "match_typed_subject_alt_names": [
            {"san_type": "IP_ADDRESS" if by_address else "DNS", "matcher": {"exact": name.rstrip(".")}}
        ],
    }
    common: JsonObject = {"validation_context": verified}
    if tracer.speaks_http2:
        # gRPC servers close a TLS connection that does not agree on h2, and Envoy offers nothing by itself.
        common["alpn_protocols"] = ["h2"]
    if tls.certificate_file is not None:
        files = {"certificate_chain": {"filename": tls.certificate_file}, "private_key": {"filename": tls.key_file}}
        common["tls_certificates"] = [files]
    context: JsonObject = {
        "@type": f"{TYPE}envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": common,
    }
    if not by_address:
        # TLS knows no server name that is an address (RFC 6066, section 3).
        context["sni"] = name.rstrip(".")
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def authority(host: str) -> str:
    """`host` as URLs and `Host` headers write it: an IPv6 address stands in brackets."""
    return f"[{host}]" if ":" in host else host


def is_address(name: str) -> bool:
    """Whether `name` is an IP address, so no name in DNS."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def collector_url(settings: MeshSettings) -> str:
    """Where spans are sent, for people and for OTLP over HTTP: `http://zipkin:9411/api/v2/spans`."""
    collector, tracer = settings.collector, settings.tracer
    scheme = "http" if collector.tls is None else "https"
    path = ""
    if tracer.zipkin is not None:
        path = tracer.zipkin.path
    elif tracer.opentelemetry is not None and tracer.opentelemetry.transport == "http":
        path = tracer.opentelemetry.path
    return f"{scheme}://{authority(collector.host)}:{settings.collector_port}{path}"


def gateway_runtime(sampling: Sampling) -> JsonObject:
    """Envoy's runtime values with which a gateway starts traces itself.

    Consul gives the listener of a gateway 0 %, and no entry changes that; a runtime layer overrides it. Both values are
    fractions, because Envoy takes a plain number as a percentage, and above 100 as always (envoyproxy/envoy#24180).
    """
    static: JsonObject = {"tracing.random_sampling": fraction(sampling.random)}
    if sampling.overall != 100:  # noqa: PLR2004 - 100 % is Consul's own, and needs no layer
        static["tracing.global_enabled"] = fraction(sampling.overall)
    return {"layered_runtime": {"layers": [{"name": "tracing", "static_layer": static}]}}


def fraction(percent: float) -> JsonObject:
    """Envoy's `type.v3.FractionalPercent`."""
    return {"numerator": round(percent * 100), "denominator": "TEN_THOUSAND"}


def snake_case(name: str) -> str:
    """A protobuf field's own name, for one that may be written in camelCase: protobuf's JSON takes both."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
