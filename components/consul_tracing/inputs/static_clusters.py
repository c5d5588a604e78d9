"""Validation of additional Envoy clusters: field names, and the values of common fields.

Other values are not validated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.errors import Problem, format_value
from consul_tracing.names import COLLECTOR_CLUSTER

from .cluster_rules import start_problems, v2_problems
from .envoy_json import (
    Messages,
    anything,
    boolean,
    count,
    duration,
    is_map,
    name,
    one_of,
    port,
    snake_case,
    snake_case_keys,
    text,
    timeout,
    typed_message,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import JsonObject

    from .envoy_json import Check, Schema

RESERVED_CLUSTERS = frozenset(
    {
        "consul_telemetry_collector_loopback",
        "local_agent",
        "local_app",
        "original-destination",
        "prometheus_backend",
        "self_admin",
    }
)
"""Clusters that Consul adds to each proxy. Source: `command/connect/envoy` and `agent/xds` of Consul 1.22."""


def others(*names: str) -> dict[str, Check]:
    """Return the fields of a message whose values are not validated."""
    return dict.fromkeys(names, anything)


SOCKET_ADDRESS: Schema = {
    "address": name,
    "port_value": port,
    "named_port": text,
    "protocol": one_of("TCP", "UDP"),
    "resolver_name": text,
    "ipv4_compat": boolean,
    "network_namespace_filepath": text,
}
ADDRESS: Schema = {
    "socket_address": SOCKET_ADDRESS,
    "pipe": {"path": name, "mode": count},
    "envoy_internal_address": is_map,
}
LOAD_ASSIGNMENT: Schema = {
    "cluster_name": name,
    "named_endpoints": is_map,
    "policy": is_map,
    "endpoints": [
        {
            "lb_endpoints": [
                {
                    "endpoint": {
                        "address": ADDRESS,
                        "health_check_config": is_map,
                        "hostname": anything,
                        "additional_addresses": anything,
                    },
                    "endpoint_name": text,
                    "health_status": anything,
                    "metadata": is_map,
                    "load_balancing_weight": count,
                }
            ],
            "locality": is_map,
            "metadata": is_map,
            "load_balancer_endpoints": is_map,
            "leds_cluster_locality_config": is_map,
            "load_balancing_weight": count,
            "priority": count,
            "proximity": count,
        }
    ],
}
DATA_SOURCE: Schema = {
    "watched_directory": is_map,
    "filename": name,
    "inline_bytes": text,
    "inline_string": text,
    "environment_variable": text,
}
TYPED: Mapping[str, Schema] = {
    "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext": {
        "common_tls_context": {
            "alpn_protocols": [text],
            "combined_validation_context": is_map,
            "tls_certificates": [
                {
                    "certificate_chain": DATA_SOURCE,
                    "private_key": DATA_SOURCE,
                    **others(
                        "ocsp_staple",
                        "password",
                        "pkcs12",
                        "private_key_provider",
                        "signed_certificate_timestamp",
                        "watched_directory",
                    ),
                }
            ],
            "tls_params": is_map,
            "validation_context": {
                "trusted_ca": DATA_SOURCE,
                "match_typed_subject_alt_names": [is_map],
                "match_subject_alt_names": anything,
                **others(
                    "allow_expired_certificate",
                    "ca_certificate_provider_instance",
                    "crl",
                    "custom_validator_config",
                    "max_verify_depth",
                    "only_verify_leaf_cert_crl",
                    "require_signed_certificate_timestamp",
                    "system_root_certs",
                    "trust_chain_verification",
                    "verify_certificate_hash",
                    "verify_certificate_spki",
                    "watched_directory",
                ),
            },
            **others(
                "custom_handshaker",
                "custom_tls_certificate_selector",
                "key_log",
                "tls_certificate_certificate_provider",
                "tls_certificate_certificate_provider_instance",
                "tls_certificate_provider_instance",
                "tls_certificate_sds_secret_configs",
                "validation_context_certificate_provider",
                "validation_context_certificate_provider_instance",
                "validation_context_sds_secret_config",
            ),
        },
        "sni": text,
        **others("auto_host_sni", "auto_sni_san_validation", "enforce_rsa_key_usage"),
        "allow_renegotiation": boolean,
        "max_session_keys": count,
    },
    "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
        "auto_config": is_map,
        "common_http_protocol_options": is_map,
        "explicit_http_config": {
            "http_protocol_options": is_map,
            "http2_protocol_options": {
                "max_concurrent_streams": count,
                "initial_stream_window_size": count,
                "initial_connection_window_size": count,
                "connection_keepalive": {
                    "interval": duration,
                    "timeout": duration,
                    **others("connection_idle_interval", "interval_jitter"),
                },
                **others(
                    "allow_connect",
                    "allow_metadata",
                    "custom_settings_parameters",
                    "hpack_table_size",
                    "max_consecutive_inbound_frames_with_empty_payload",
                    "max_inbound_priority_frames_per_stream",
                    "max_inbound_window_update_frames_per_data_frame_sent",
                    "max_metadata_size",
                    "max_outbound_control_frames",
                    "max_outbound_frames",
                    "override_stream_error_on_invalid_http_message",
                    "stream_error_on_invalid_http_messaging",
                    "use_oghttp2_codec",
                ),
            },
            "http3_protocol_options": is_map,
        },
        "upstream_http_protocol_options": is_map,
        "use_downstream_protocol_config": is_map,
        **others(
            "hash_policy",
            "header_validation_config",
            "http_filters",
            "outlier_detection",
            "request_mirror_policies",
            "retry_policy",
        ),
    },
}
"""The schemas of messages in an `Any`, by their names."""

MESSAGES = Messages(TYPED)

CLUSTER: Mapping[str, Schema] = {
    "alt_stat_name": text,
    "circuit_breakers": is_map,
    "cleanup_interval": duration,
    "close_connections_on_host_health_failure": boolean,
    "cluster_type": is_map,
    "common_http_protocol_options": is_map,
    "common_lb_config": is_map,
    "connect_timeout": timeout,
    "connection_pool_per_downstream_connection": boolean,
    "dns_failure_refresh_rate": is_map,
    "dns_jitter": duration,
    "dns_lookup_family": one_of("AUTO", "V4_ONLY", "V6_ONLY", "V4_PREFERRED", "ALL"),
    "dns_refresh_rate": duration,
    "dns_resolution_config": is_map,
    "dns_resolvers": anything,
    "eds_cluster_config": is_map,
    "filters": anything,
    "health_checks": [is_map],
    "http2_protocol_options": is_map,
    "http_protocol_options": is_map,
    "ignore_health_on_host_removal": boolean,
    "lb_policy": one_of(
        "ROUND_ROBIN",
        "LEAST_REQUEST",
        "RING_HASH",
        "RANDOM",
        "MAGLEV",
        "CLUSTER_PROVIDED",
        "LOAD_BALANCING_POLICY_CONFIG",
    ),
    "lb_subset_config": is_map,
    "least_request_lb_config": is_map,
    "load_assignment": LOAD_ASSIGNMENT,
    "load_balancing_policy": is_map,
    "lrs_report_endpoint_metrics": anything,
    "lrs_server": is_map,
    "maglev_lb_config": is_map,
    "max_requests_per_connection": count,
    "metadata": is_map,
    "name": name,
    "original_dst_lb_config": is_map,
    "outlier_detection": is_map,
    "per_connection_buffer_limit_bytes": count,
    "preconnect_policy": is_map,
    "protocol_selection": one_of("USE_CONFIGURED_PROTOCOL", "USE_DOWNSTREAM_PROTOCOL"),
    "respect_dns_ttl": boolean,
    "ring_hash_lb_config": is_map,
    "round_robin_lb_config": is_map,
    "track_cluster_stats": is_map,
    "track_timeout_budgets": boolean,
    "transport_socket": {"name": text, "typed_config": typed_message},
    "transport_socket_matcher": is_map,
    "transport_socket_matches": [is_map],
    "type": one_of("STATIC", "STRICT_DNS", "LOGICAL_DNS", "EDS", "ORIGINAL_DST"),
    "typed_dns_resolver_config": {"name": text, "typed_config": typed_message},
    "typed_extension_protocol_options": {"*": typed_message},
    "upstream_bind_config": is_map,
    "upstream_config": is_map,
    "upstream_connection_options": is_map,
    "upstream_http_protocol_options": is_map,
    "use_tcp_for_dns_lookups": boolean,
    "wait_for_warm_on_init": boolean,
}
"""The fields of Envoy's `config.cluster.v3.Cluster`. A test compares them with Envoy's protobuf messages."""


def static_cluster_problems(clusters: list[JsonObject]) -> Iterator[Problem]:
    """Return the problems of additional clusters. A proxy with an invalid cluster does not start."""
    owners = {COLLECTOR_CLUSTER: "the collector's cluster", **dict.fromkeys(RESERVED_CLUSTERS, "a cluster of Consul")}
    for index, cluster in enumerate(clusters):
        match cluster.get("name"):
            case None:
                yield Problem(f"{index}.name", "is required")
            case str(known) if known in owners:
                reason = f"conflicts with {owners[known]}, which has the same name ({format_value(known)})"
                yield Problem(f"{index}.name", reason)
            case known:
                owners[str(known)] = f"static_clusters.{index}"
        fields = snake_case_keys(cluster)
        removed = {problem.path: problem for problem in v2_problems(fields, str(index))}
        misspelt = MESSAGES.problems(cluster, CLUSTER, str(index))
        yield from removed.values()
        yield from (problem for problem in misspelt if snake_case(problem.path) not in removed)
        yield from start_problems(fields, str(index))
