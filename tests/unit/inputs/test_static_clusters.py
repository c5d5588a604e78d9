"""Further Envoy clusters, compared with Envoy's protobuf messages."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import envoy
import pytest
from envoy.extensions.clusters.dns.v3 import dns_cluster_pb2  # noqa: F401 - parsed inside an Any
from envoy.extensions.network.dns_resolver.cares.v3 import cares_dns_resolver_pb2  # noqa: F401 - parsed inside an Any

from consul_tracing import InvalidInputError
from consul_tracing.envoy_messages.releases import V2_TYPE
from tests.unit.envoy_messages import clusters
from tests.unit.meshes import settings

HTTP2 = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
TLS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"


def endpoint(**address: Any) -> dict[str, Any]:
    return {
        "cluster_name": "a",
        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"socket_address": address}}}]}],
    }


def cluster(**fields: Any) -> dict[str, Any]:
    return {"name": "a", **fields}


def tls(**fields: Any) -> dict[str, Any]:
    return cluster(transport_socket={"name": "envoy.transport_sockets.tls", "typed_config": {"@type": TLS, **fields}})


def http2(options: Any) -> dict[str, Any]:
    config = {"@type": f"type.googleapis.com/{HTTP2}", "explicit_http_config": {"http2_protocol_options": options}}
    return cluster(typed_extension_protocol_options={HTTP2: config})


def dns(*localities: int, kind: Any = "LOGICAL_DNS") -> dict[str, Any]:
    """A cluster whose localities have these numbers of endpoints."""
    address = {"endpoint": {"address": {"socket_address": {"address": "statsd", "port_value": 8125}}}}
    return cluster(
        type=kind,
        load_assignment={"cluster_name": "a", "endpoints": [{"lb_endpoints": [address] * one} for one in localities]},
    )


DNS = "type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster"


def extension(name: str, **config: Any) -> dict[str, Any]:
    """A cluster with two endpoints whose type is an extension."""
    typed = {"typed_config": {"@type": DNS, **config}} if config else {}
    fields = {key: value for key, value in dns(2).items() if key != "type"}
    return {**fields, "cluster_type": {"name": name, **typed}}


CARES = "type.googleapis.com/envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"


def health_check(**fields: Any) -> dict[str, Any]:
    given = {
        "timeout": "1s",
        "interval": "5s",
        "unhealthy_threshold": 2,
        "healthy_threshold": 1,
        "tcp_health_check": {},
        **fields,
    }
    return {name: value for name, value in given.items() if value is not None}


VALID = [
    cluster(),
    dns(1),
    dns(2, 1, kind="STRICT_DNS"),
    dns(0, kind="STRICT_DNS"),
    extension("envoy.cluster.dns", all_addresses_in_single_endpoint=False),
    cluster(type="ORIGINAL_DST", lb_policy="CLUSTER_PROVIDED"),
    cluster(type="STRICT_DNS", connect_timeout="0.250s", load_assignment=endpoint(address="statsd", port_value=8125)),
    {
        "name": "a",
        "connectTimeout": "1s",
        "loadAssignment": {
            "clusterName": "a",
            "endpoints": [
                {
                    "lbEndpoints": [
                        {"endpoint": {"address": {"socketAddress": {"address": "10.0.0.1", "portValue": 80}}}}
                    ]
                }
            ],
        },
    },
    tls(sni="statsd", common_tls_context={"validation_context": {"trusted_ca": {"filename": "/etc/ca.pem"}}}),
    http2({"max_concurrent_streams": 100, "connection_keepalive": {"interval": "30s", "timeout": "5s"}}),
    cluster(health_checks=[health_check(tcp_health_check=None, http_health_check={"path": "/"})]),
    cluster(circuit_breakers={"thresholds": [{"priority": "HIGH", "max_connections": 0}]}),
    cluster(typed_dns_resolver_config={"name": "cares", "typed_config": {"@type": CARES, "udp_max_queries": 1}}),
    cluster(metadata={"filter_metadata": {"a.b": {"cD": [None, 1]}}}),
]

LENIENT = [
    cluster(type="strict_dns", lb_policy="round_robin", dns_lookup_family="v4_preferred", connect_timeout=None),
    cluster(type=1, respect_dns_ttl="yes", alt_stat_name="", per_connection_buffer_limit_bytes="32768"),
    cluster(
        type="STRICT_DNS",
        load_assignment={
            "cluster_name": "a",
            "endpoints": {
                "locality": None,
                "lb_endpoints": {
                    "load_balancing_weight": "1",
                    "endpoint": {"address": {"socket_address": {"address": "a", "port_value": "8125"}}},
                },
            },
        },
    ),
    tls(sni="", common_tls_context={"alpn_protocols": "h2"}),
    cluster(
        type=2,
        load_assignment={
            "cluster_name": "a",
            "endpoints": {
                "lb_endpoints": {"endpoint": {"address": {"socket_address": {"address": "a", "port_value": 80}}}}
            },
        },
    ),
    cluster(type="STRICT_DNS", health_checks=health_check(reuse_connection="No", unhealthy_threshold="2")),
    cluster(circuit_breakers={"thresholds": [[{"priority": "high"}], {"priority": 0}]}),
    cluster(field_of_a_newer_envoy=1, load_assignment={"cluster_name": "a", "field_of_a_newer_envoy": 1}),
]
"""Clusters that Envoy's parser accepts and the stricter one of Python does not. The last one needs a newer Envoy."""

INVALID = [
    cluster(type="STRICT-DNS"),
    cluster(connect_timeout=3000),
    cluster(connectTimeout="3000ms"),
    cluster(conect_timeout="3s"),
    cluster(load_assignment={"cluster_nme": "a"}),
    cluster(load_assignment="a"),
    cluster(type="STRICT_DNS", load_assignment=endpoint(address="a", port_value="http")),
    cluster(transport_socket={"typed_config": {"sni": "a"}}),
    cluster(http2_protocol_options=True),
    tls(comon_tls_context={}),
    tls(common_tls_context={"validation_context": {"trusted_ca": "/etc/ca.pem"}}),
    http2(True),  # noqa: FBT003
    http2({"max_concurrent_streams": "many"}),
    cluster(typed_extension_protocol_options={HTTP2: {"auto_config": {}}}),
    cluster(dns_lookup_family="IPV4"),
    cluster(respect_dns_ttl="maybe"),
    cluster(per_connection_buffer_limit_bytes=2**33),
    cluster(circuit_breakers={"tresholds": []}),
    cluster(circuit_breakers={"thresholds": [{"max_conections": 1}]}),
    cluster(circuit_breakers={"thresholds": {"priority": "low"}}),
    cluster(health_checks=[health_check(healthy_treshold=1)]),
    cluster(health_checks=[health_check(interval="1m")]),
    cluster(outlier_detection={"consecutive_5xxs": 3}),
    cluster(type="STATIC", cluster_type={"name": "envoy.cluster.dns"}),
    cluster(typed_dns_resolver_config={"name": "cares", "typed_config": {"@type": CARES, "udp_max_querys": 1}}),
    cluster(typed_extension_protocol_options={"a": {"@type": f"type.googleapis.com/{HTTP2}", "auto_cnfig": {}}}),
    cluster(hosts=[]),
    cluster(tlsContext={}),
    cluster(extension_protocol_options={}),
    cluster(transport_socket={"name": "envoy.transport_sockets.tls", "config": {}}),
    tls(common_tls_context={"validation_context": {"verify_subject_alt_name": ["a"]}}),
    cluster(
        transport_socket={
            "name": "tls",
            "typed_config": {"@type": "type.googleapis.com/envoy.api.v2.auth.UpstreamTlsContext"},
        }
    ),
]
"""Clusters that Envoy cannot parse."""

NOT_STARTED = [
    cluster(load_assignment=endpoint(address="statsd", port_value=80)),
    cluster(type="strict_dns", loadAssignment={"endpoints": []}),
    cluster(type="STRICT_DNS", load_assignment=endpoint(address="a", port=80)),
    cluster(connect_timeout="0s"),
    cluster(transport_socket={"name": "envoy.transport_sockets.tls"}),
    dns(2),
    dns(1, 1),
    dns(1, 0),
    dns(0),
    dns(2, kind=2),
    cluster(type="logical_dns"),
    extension("envoy.cluster.logical_dns"),
    extension("envoy.cluster.dns", all_addresses_in_single_endpoint=True),
    cluster(type="EDS"),
    cluster(type="ORIGINAL_DST"),
    cluster(health_checks=[health_check(http_health_check={})]),
    cluster(health_checks=[health_check(timeout=None)]),
    cluster(health_checks=[health_check(), health_check()]),
    cluster(health_checks=[health_check(tcp_health_check=None)]),
    cluster(outlier_detection={"max_ejection_percent": 101}),
    cluster(
        upstream_connection_options={"tcp_keepalive": {}, "happy_eyeballs_config": {"first_address_family_count": 0}}
    ),
    {"type": "STRICT_DNS"},
]
"""Clusters that Envoy rejects at startup."""


@pytest.mark.parametrize("valid", VALID)
def test_valid_cluster_is_accepted(valid: dict[str, Any]) -> None:
    assert settings(static_clusters=[valid]).static_clusters == [valid]
    assert clusters(json.dumps(valid))[0].name == "a"


@pytest.mark.parametrize("valid", LENIENT)
def test_cluster_that_only_envoy_parses_is_accepted(valid: dict[str, Any]) -> None:
    assert settings(static_clusters=[valid]).static_clusters == [valid]


def rejection(invalid: dict[str, Any]) -> str:
    with pytest.raises(InvalidInputError) as error:
        settings(static_clusters=[invalid])
    return str(error.value).split("\n", 1)[1].strip()


def test_messages_about_clusters_match_the_golden_file(golden: Callable[[str, Any], None]) -> None:
    golden("rejected-clusters", [rejection(one) for one in [*INVALID, *NOT_STARTED]])


NEWER = [
    (cluster(type="STRICT_DNS", transport_socket_matcher={}), "1.37"),
    (cluster(type="STRICT_DNS", transportSocketMatcher={}), "1.37"),
    *[
        (
            cluster(
                typed_extension_protocol_options={
                    HTTP2: {
                        "@type": f"type.googleapis.com/{HTTP2}",
                        "explicit_http_config": {"http_protocol_options": {}},
                        field: value,
                    }
                }
            ),
            version,
        )
        for field, value, version in (
            ("hash_policy", {"header": {"header_name": "a"}}, "1.37"),
            ("outlier_detection", {"error_matcher": {"any_match": True}}, "1.36"),
            ("request_mirror_policies", {"cluster": "b"}, "1.37"),
            ("retry_policy", {}, "1.37"),
        )
    ],
]
"""Clusters with a field that is newer than Envoy 1.34, and the first version that has it."""


@pytest.mark.parametrize(("newer", "version"), NEWER)
def test_field_that_is_newer_than_the_envoy_of_the_mesh_is_rejected(newer: dict[str, Any], version: str) -> None:
    with pytest.raises(InvalidInputError, match=f"requires Envoy {version}, got 1.35"):
        settings(static_clusters=[newer], envoy_version="1.35")
    assert settings(static_clusters=[newer], envoy_version=version).static_clusters == [newer]


def test_field_of_the_v2_api_is_reported_once() -> None:
    with pytest.raises(InvalidInputError) as error:
        settings(static_clusters=[cluster(extensionProtocolOptions={}, hosts=[])])
    assert len(error.value.problems) == 2


def test_very_long_number_is_described() -> None:
    with pytest.raises(InvalidInputError, match="got a number with more than 20 digits"):
        settings(static_clusters=[cluster(load_assignment=endpoint(address="10.0.0.1", port_value=10**5000))])


def test_types_of_the_v3_api_are_not_those_of_the_v2_api() -> None:
    packages = Path(envoy.__path__[0]).rglob("*_pb2.py")
    names = {".".join(("envoy", *file.relative_to(envoy.__path__[0]).parts)) for file in packages}
    is_old = {name: any(re.fullmatch(r"v2(alpha\d?)?", part) for part in name.split(".")) for name in names}
    assert {name: bool(V2_TYPE.fullmatch(name)) for name in names} == is_old
    assert {True, False} == set(is_old.values())
