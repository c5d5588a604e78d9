"""The fields of an Envoy cluster."""

from __future__ import annotations

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
"""The fields of Envoy's `config.cluster.v3.Cluster`. A test compares them with Envoy's protobuf messages."""


def snake_case(name: str) -> str:
    """Return the name of a protobuf field. Protobuf's JSON also accepts its camelCase form."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
