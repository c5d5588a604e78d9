"""Further Envoy clusters, compared with Envoy's protobuf messages."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import envoy
import pytest
from envoy.config.cluster.v3 import cluster_pb2
from envoy.extensions.clusters.dns.v3 import dns_cluster_pb2  # noqa: F401 - parsed inside an Any
from envoy.extensions.transport_sockets.tls.v3 import tls_pb2
from envoy.extensions.upstreams.http.v3 import http_protocol_options_pb2
from google.protobuf import descriptor, descriptor_pb2

from consul_tracing import InvalidInputError
from consul_tracing.inputs.cluster_rules import V2_FIELDS, V2_TYPE
from consul_tracing.inputs.static_clusters import CLUSTER, TYPED
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
    cluster(field_of_a_newer_envoy=1, load_assignment={"cluster_name": "a", "field_of_a_newer_envoy": 1}),
]
"""Clusters that Envoy's parser accepts and the stricter one of Python does not. The last one needs a newer Envoy."""

INVALID = [
    (
        cluster(type="STRICT-DNS"),
        "type: must be one of STATIC, STRICT_DNS, LOGICAL_DNS, EDS, ORIGINAL_DST; got",
    ),
    (cluster(connect_timeout=3000), 'connect_timeout: must be a duration in seconds, such as "3s" or "0.250s"; got 30'),
    (cluster(connectTimeout="3000ms"), 'connectTimeout: must be a duration in seconds, such as "3s" or "0.250s"; got'),
    (
        cluster(conect_timeout="3s"),
        "static_clusters.0.conect_timeout: is not a field of this Envoy message; did",
    ),
    (cluster(load_assignment={"cluster_nme": "a"}), "cluster_nme: is not a field of this Envoy message; did you mean"),
    (cluster(load_assignment="a"), 'load_assignment: must be a map, got "a"'),
    (
        cluster(type="STRICT_DNS", load_assignment=endpoint(address="a", port_value="http")),
        'socket_address.port_value: must be a port from 0 to 65535, got "http"',
    ),
    (
        cluster(transport_socket={"typed_config": {"sni": "a"}}),
        'typed_config: must be a map with the text "@type"',
    ),
    (cluster(http2_protocol_options=True), "http2_protocol_options: must be a map, got true"),
    (
        tls(comon_tls_context={}),
        "comon_tls_context: is not a field of this Envoy message; did you mean",
    ),
    (
        tls(common_tls_context={"validation_context": {"trusted_ca": "/etc/ca.pem"}}),
        'validation_context.trusted_ca: must be a map, got "/etc/ca.pem"',
    ),
    (http2(True), "explicit_http_config.http2_protocol_options: must be a map, got true"),  # noqa: FBT003
    (http2({"max_concurrent_streams": "many"}), "max_concurrent_streams: must be a whole number from 0 to 4294967295,"),
    (
        cluster(typed_extension_protocol_options={HTTP2: {"auto_config": {}}}),
        f'{HTTP2}: must be a map with the text "@type", got a map',
    ),
    (cluster(dns_lookup_family="IPV4"), "dns_lookup_family: must be one of AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, ALL"),
    (cluster(respect_dns_ttl="maybe"), 'respect_dns_ttl: must be true or false, got "maybe"'),
    (cluster(per_connection_buffer_limit_bytes=2**33), "must be a whole number from 0 to 4294967295, got 8589934592"),
    (cluster(hosts=[]), "static_clusters.0.hosts: belongs to Envoy's v2 API. Set load_assignment"),
    (cluster(tlsContext={}), "static_clusters.0.tls_context: belongs to Envoy's v2 API. Set transport_socket"),
    (
        cluster(extension_protocol_options={}),
        "extension_protocol_options: belongs to Envoy's v2 API. Set typed_extension_protocol_options",
    ),
    (
        cluster(transport_socket={"name": "envoy.transport_sockets.tls", "config": {}}),
        "transport_socket.config: belongs to Envoy's v2 API. Set typed_config",
    ),
    (
        tls(common_tls_context={"validation_context": {"verify_subject_alt_name": ["a"]}}),
        "verify_subject_alt_name: belongs to Envoy's v2 API. Set match_typed_subject_alt_names",
    ),
    (
        cluster(
            transport_socket={
                "name": "tls",
                "typed_config": {"@type": "type.googleapis.com/envoy.api.v2.auth.UpstreamTlsContext"},
            }
        ),
        "typed_config.@type: must be a type of Envoy's v3 API, got \"type.googleapis.com/envoy.api.v2.auth.UpstreamTl",
    ),
]
"""Clusters that Envoy cannot parse."""

NOT_STARTED = [
    (
        cluster(load_assignment=endpoint(address="statsd", port_value=80)),
        'address: must be an IP address if type is STATIC (Envoy\'s default), got "statsd". Set type: STRICT_DNS',
    ),
    (
        cluster(type="strict_dns", loadAssignment={"endpoints": []}),
        "static_clusters.0.load_assignment.cluster_name: is required",
    ),
    (
        cluster(type="STRICT_DNS", load_assignment=endpoint(address="a", port=80)),
        "load_assignment.endpoints.0.lb_endpoints.0.endpoint.address.socket_address.port_value: is required",
    ),
    (cluster(connect_timeout="0s"), 'connect_timeout: must be a duration greater than 0, got "0s"'),
    (
        cluster(transport_socket={"name": "envoy.transport_sockets.tls"}),
        "transport_socket.typed_config: is required",
    ),
    (
        dns(2),
        "endpoints: must be one locality with one endpoint if type is LOGICAL_DNS, got 2 endpoints. Set type: STR",
    ),
    (dns(1, 1), "if type is LOGICAL_DNS, got 2 endpoints"),
    (dns(1, 0), "if type is LOGICAL_DNS, got 2 localities"),
    (dns(0), "if type is LOGICAL_DNS, got 0 endpoints"),
    (dns(2, kind=2), "if type is LOGICAL_DNS, got 2 endpoints"),
    (cluster(type="logical_dns"), "if type is LOGICAL_DNS, got 0 endpoints"),
    (extension("envoy.cluster.logical_dns"), "if type is LOGICAL_DNS, got 2 endpoints"),
    (
        extension("envoy.cluster.dns", all_addresses_in_single_endpoint=True),
        "if type is LOGICAL_DNS, got 2 endpoints",
    ),
    (cluster(type="EDS"), "eds_cluster_config: is required if type is EDS"),
    (
        cluster(type="ORIGINAL_DST"),
        'lb_policy: must be CLUSTER_PROVIDED if type is ORIGINAL_DST, got "ROUND_ROBIN"',
    ),
]
"""Clusters that Envoy rejects at startup."""


@pytest.mark.parametrize("valid", VALID)
def test_valid_cluster_is_accepted(valid: dict[str, Any]) -> None:
    assert settings(static_clusters=[valid]).static_clusters == [valid]
    assert clusters(json.dumps(valid))[0].name == "a"


@pytest.mark.parametrize("valid", LENIENT)
def test_cluster_that_only_envoy_parses_is_accepted(valid: dict[str, Any]) -> None:
    assert settings(static_clusters=[valid]).static_clusters == [valid]


@pytest.mark.parametrize(
    ("invalid", "reason"), [*INVALID, *NOT_STARTED], ids=[reason[:30] for _, reason in [*INVALID, *NOT_STARTED]]
)
def test_cluster_with_which_envoy_does_not_start_is_rejected(invalid: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        settings(static_clusters=[invalid])
    assert reason in str(error.value)


NEWER = [
    (cluster(type="STRICT_DNS", transport_socket_matcher={}), "1.37"),
    (cluster(type="STRICT_DNS", transportSocketMatcher={}), "1.37"),
    *[
        (
            cluster(typed_extension_protocol_options={HTTP2: {"@type": f"type.googleapis.com/{HTTP2}", field: {}}}),
            version,
        )
        for field, version in (
            ("hash_policy", "1.37"),
            ("outlier_detection", "1.36"),
            ("request_mirror_policies", "1.37"),
            ("retry_policy", "1.37"),
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


def messages(schema: Any, message: descriptor.Descriptor) -> Iterator[tuple[dict[str, Any], descriptor.Descriptor]]:
    """Yield the schema of each checked message, with Envoy's descriptor of the message."""
    yield schema, message
    for name, one in schema.items():
        if name == "typed_extension_protocol_options":
            continue
        nested = one[0] if isinstance(one, list) else one
        if isinstance(nested, dict):
            yield from messages(nested, message.fields_by_name[name].message_type)


def test_schema_lists_the_fields_of_each_checked_envoy_message() -> None:
    typed = (tls_pb2.UpstreamTlsContext.DESCRIPTOR, http_protocol_options_pb2.HttpProtocolOptions.DESCRIPTOR)
    assert {message.full_name for message in typed} == TYPED.keys()
    known = [messages(CLUSTER, cluster_pb2.Cluster.DESCRIPTOR), *(messages(TYPED[one.full_name], one) for one in typed)]
    reserved = set()
    for schema, message in chain(*known):
        assert set(schema) == set(message.fields_by_name), message.full_name
        proto = descriptor_pb2.DescriptorProto()
        message.CopyToProto(proto)
        reserved |= set(proto.reserved_name)
    assert {field[-1] for field in V2_FIELDS} == reserved - {"disable_overprovisioning"}


def test_types_of_the_v3_api_are_not_those_of_the_v2_api() -> None:
    packages = Path(envoy.__path__[0]).rglob("*_pb2.py")
    names = {".".join(("envoy", *file.relative_to(envoy.__path__[0]).parts)) for file in packages}
    is_old = {name: any(re.fullmatch(r"v2(alpha\d?)?", part) for part in name.split(".")) for name in names}
    assert {name: bool(V2_TYPE.fullmatch(name)) for name in names} == is_old
    assert {True, False} == set(is_old.values())
