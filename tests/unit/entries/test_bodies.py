import json
from typing import Any

import pytest

from consul_tracing.entries.bodies import (
    bootstrap_hash,
    canonical_json,
    proxy_defaults,
    service_defaults,
    tracing_config,
)
from consul_tracing.entries.entry import Entry
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.unit import envoy_messages
from tests.unit.meshes import STACK, URN, settings, text_of


def written(entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text_of(entry))
    return body


def hash_of(mesh: MeshSettings) -> str:
    return bootstrap_hash(proxy_defaults(mesh).body)


def test_canonical_json_is_sorted_and_compact() -> None:
    assert canonical_json({"b": 1, "a": [1.0, 0.5, "ü"]}) == '{"a":[1,0.5,"ü"],"b":1}'


def test_fields_that_consul_adds_are_written_explicitly() -> None:
    assert written(proxy_defaults(settings())).keys() >= {"AccessLogs", "Expose", "MeshGateway", "TransparentProxy"}
    web = service_defaults(settings(services={"web": {"protocol": "http"}}))["web"]
    assert written(web).keys() == {"Expose", "MeshGateway", "Meta", "Protocol", "TransparentProxy"}


def test_declared_fields_take_precedence_over_defaults() -> None:
    mesh = settings(proxy_defaults={"MeshGateway": {"Mode": "local"}}, proxy_config={"local_connect_timeout_ms": 900})
    body = written(proxy_defaults(mesh))
    assert body["MeshGateway"] == {"Mode": "local"}
    assert body["Config"]["local_connect_timeout_ms"] == 900


def test_join_writes_the_tracer_into_the_bootstrap() -> None:
    assert tracing_config(settings()).keys() == {
        "envoy_tracing_json",
        "envoy_listener_tracing_json",
        "envoy_extra_static_clusters_json",
    }


def test_skip_writes_no_tracer_into_the_bootstrap() -> None:
    assert tracing_config(settings(gateways="skip")).keys() == {
        "envoy_listener_tracing_json",
        "envoy_extra_static_clusters_json",
    }


def test_disabled_removes_only_the_tracing_keys() -> None:
    given = {"proxy_config": {"local_connect_timeout_ms": 900}, "services": {"web": {"protocol": "http"}}}
    on, off = (settings(enabled=enabled, **given) for enabled in (True, False))
    assert tracing_config(off) == {}
    assert proxy_defaults(off).body == {"Config": {"local_connect_timeout_ms": 900}}
    assert service_defaults(off) == service_defaults(on)


def test_disabled_keeps_the_static_clusters() -> None:
    off = settings(enabled=False, static_clusters=[{"name": "statsd"}])
    assert tracing_config(off) == {"envoy_extra_static_clusters_json": '{"name":"statsd"}'}


def test_empty_config_is_omitted() -> None:
    assert "Config" not in written(proxy_defaults(settings(enabled=False)))


def test_static_clusters_and_the_collector_cluster_are_sorted_by_name() -> None:
    mesh = settings(static_clusters=[{"name": "zeta"}, {"name": "alpha"}])
    clusters = envoy_messages.clusters(tracing_config(mesh)["envoy_extra_static_clusters_json"])
    assert [cluster.name for cluster in clusters] == ["alpha", "tracing_collector", "zeta"]


def test_http_default_protocol_is_written_with_an_entry_per_tcp_service() -> None:
    mesh = settings(default_protocol="http", tcp_services=["mysql"])
    assert written(proxy_defaults(mesh))["Config"]["protocol"] == "http"
    assert service_defaults(mesh)["mysql"] == Entry("service-defaults", "mysql", {"Protocol": "tcp"})


def test_service_entry_has_the_catalog_name() -> None:
    entries = service_defaults(settings(services={"web": {"protocol": "http", "name": "web-v2"}}))
    assert entries["web"].name == "web-v2"


def test_service_partition_defaults_to_the_mesh_partition() -> None:
    services = {"a": {"protocol": "http"}, "b": {"protocol": "http", "partition": "two", "namespace": "n"}}
    entries = service_defaults(settings(partition="one", services=services))
    assert (entries["a"].partition, entries["b"].partition, entries["b"].namespace) == ("one", "two", "n")


def test_entry_metadata_lists_the_stack_and_the_declared_fields() -> None:
    mesh = settings(
        proxy_defaults={"Meta": {"team": "core"}}, static_clusters=[{"name": "a,b"}], default_protocol="tcp"
    )
    meta = written(proxy_defaults(mesh))["Meta"]
    assert meta == {
        "managed-by": "pulumi",
        "pulumi-stack": STACK,
        "team": "core",
        "consul-tracing-resource": URN,
        "consul-tracing-keys": (
            "Config/envoy_extra_static_clusters_json/a%2Cb,Config/envoy_extra_static_clusters_json/tracing_collector,"
            "Config/envoy_listener_tracing_json,Config/envoy_tracing_json,Config/protocol,Meta/team"
        ),
    }


@pytest.mark.parametrize("upstreams", [{"Defaults": {"ConnectTimeoutMs": 900}}, {"Overrides": [{"Name": "db"}]}])
def test_upstream_fields_that_consul_adds_are_written_explicitly(upstreams: dict[str, Any]) -> None:
    services = {"web": {"protocol": "http", "service_defaults": {"UpstreamConfig": upstreams}}}
    body = written(service_defaults(settings(services=services))["web"])["UpstreamConfig"]
    filled = [body["Defaults"]] if "Defaults" in body else body["Overrides"]
    assert [upstream["MeshGateway"] for upstream in filled] == [{}]


@pytest.mark.parametrize(
    "upstreams",
    [
        {"Defaults": {"MeshGateway": {"Mode": "local"}}},
        {"Overrides": [{"Name": "db", "MeshGateway": {"Mode": "local"}}]},
    ],
)
def test_declared_mesh_gateway_of_upstreams_is_written(upstreams: dict[str, Any]) -> None:
    services = {"web": {"protocol": "http", "service_defaults": {"UpstreamConfig": upstreams}}}
    assert written(service_defaults(settings(services=services))["web"])["UpstreamConfig"] == upstreams


def test_bootstrap_hash_is_equal_for_equivalent_settings() -> None:
    explicit = settings(collector={"host": "zipkin", "port": 9411.0, "connect_timeout_ms": 3000}, tracer={"zipkin": {}})
    assert hash_of(settings()) == hash_of(explicit)
    clusters = [{"name": "a"}, {"name": "b"}]
    assert hash_of(settings(static_clusters=clusters)) == hash_of(settings(static_clusters=clusters[::-1]))


@pytest.mark.parametrize(
    "config",
    [
        {"envoy_prometheus_bind_addr": "0.0.0.0:9102"},
        {"Envoy_Stats_Tags": ["a=b"]},
        {"envoy_extra_static_listeners_json": '{"name":"x"}'},
        {"envoy_bootstrap_json_tpl": "{}"},
        {"envoy_extra_static_clusters_json": '{"name":"foreign"}'},
    ],
    ids=str,
)
def test_bootstrap_hash_changes_with_each_key_of_the_bootstrap(config: dict[str, Any]) -> None:
    assert bootstrap_hash({"Config": config}) != bootstrap_hash({"Config": {}})


@pytest.mark.parametrize(
    "body",
    [
        {"Config": {"protocol": "http", "local_connect_timeout_ms": 1, "envoy_listener_tracing_json": "{}"}},
        {"Config": {"envoy_prometheus_bind_addr": ""}},
        {"AccessLogs": {"Enabled": False, "Path": "/x"}, "MeshGateway": {"Mode": "local"}},
    ],
    ids=str,
)
def test_bootstrap_hash_ignores_fields_delivered_over_xds(body: dict[str, Any]) -> None:
    assert bootstrap_hash(body) == bootstrap_hash({})


@pytest.mark.parametrize("text", ['{"a": NaN}', '{"a": Infinity}', "[" * 100_000, "1"])
def test_bootstrap_hash_of_invalid_text_is_that_of_the_text(text: str) -> None:
    bodies = [{"Config": {"envoy_extra_static_clusters_json": one}} for one in (text, text, f" {text}")]
    one, same, other = map(bootstrap_hash, bodies)
    assert one == same != other


def test_bootstrap_hash_changes_with_the_admin_access_log() -> None:
    enabled, with_zeros = ({"AccessLogs": {"Enabled": True, **zeros}} for zeros in ({}, {"Type": "", "Path": ""}))
    assert bootstrap_hash(enabled) == bootstrap_hash(with_zeros) != bootstrap_hash({})


def test_bootstrap_hash_ignores_the_layout_of_json() -> None:
    compact, spaced = ({"Config": {"envoy_stats_config_json": text}} for text in ('{"a":1}', '{ "a": 1.0 }'))
    assert bootstrap_hash(compact) == bootstrap_hash(spaced)


def test_bootstrap_hash_changes_only_when_proxies_must_restart() -> None:
    same = [settings(sampling={"random": 50}), settings(tags={"a": {"literal": "b"}})]
    other = [
        settings(collector={"host": "other"}),
        settings(tracer={"zipkin": {"path": "/x"}}),
        settings(enabled=False),
    ]
    hashes = {hash_of(mesh) for mesh in other}
    assert {hash_of(mesh) for mesh in same} == {hash_of(settings())}
    assert len(hashes) == len(other)
    assert hash_of(settings()) not in hashes
