import json
from typing import Any

import pytest

from consul_tracing.entries import (
    Entry,
    bootstrap_hash,
    canonical_json,
    proxy_defaults,
    service_defaults,
    tracing_config,
)
from consul_tracing.settings import MeshSettings
from tests.unit import envoy_messages
from tests.unit.meshes import STACK, URN, settings, text_of


def written(entry: Entry) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(text_of(entry))
    return body


def hash_of(mesh: MeshSettings) -> str:
    return bootstrap_hash(proxy_defaults(mesh).body)


def test_canonical_json_sorts_keys_and_holds_no_blanks() -> None:
    assert canonical_json({"b": 1, "a": [1.0, 0.5, "ü"]}) == '{"a":[1,0.5,"ü"],"b":1}'


def test_every_field_that_consul_would_add_is_written_out() -> None:
    assert written(proxy_defaults(settings())).keys() >= {"AccessLogs", "Expose", "MeshGateway", "TransparentProxy"}
    web = service_defaults(settings(services={"web": {"protocol": "http"}}))["web"]
    assert written(web).keys() == {"Expose", "MeshGateway", "Meta", "Protocol", "TransparentProxy"}


def test_what_the_caller_gives_stands_before_the_filled_in() -> None:
    mesh = settings(proxy_defaults={"MeshGateway": {"Mode": "local"}}, proxy_config={"local_connect_timeout_ms": 900})
    body = written(proxy_defaults(mesh))
    assert body["MeshGateway"] == {"Mode": "local"}
    assert body["Config"]["local_connect_timeout_ms"] == 900


def test_with_join_the_tracer_stands_in_the_bootstrap() -> None:
    assert tracing_config(settings()).keys() == {
        "envoy_tracing_json",
        "envoy_listener_tracing_json",
        "envoy_extra_static_clusters_json",
    }


def test_with_skip_the_bootstrap_has_the_cluster_and_no_tracer() -> None:
    assert tracing_config(settings(gateways="skip")).keys() == {
        "envoy_listener_tracing_json",
        "envoy_extra_static_clusters_json",
    }


def test_disabled_takes_the_tracing_keys_out_and_nothing_else() -> None:
    given = {"proxy_config": {"local_connect_timeout_ms": 900}, "services": {"web": {"protocol": "http"}}}
    on, off = (settings(enabled=enabled, **given) for enabled in (True, False))
    assert tracing_config(off) == {}
    assert proxy_defaults(off).body == {"Config": {"local_connect_timeout_ms": 900}}
    assert service_defaults(off) == service_defaults(on)


def test_disabled_keeps_the_clusters_that_are_not_the_collectors() -> None:
    off = settings(enabled=False, static_clusters=[{"name": "statsd"}])
    assert tracing_config(off) == {"envoy_extra_static_clusters_json": '{"name":"statsd"}'}


def test_an_empty_config_is_left_out_as_consul_does() -> None:
    assert "Config" not in written(proxy_defaults(settings(enabled=False)))


def test_further_clusters_stand_beside_the_collectors_by_name() -> None:
    mesh = settings(static_clusters=[{"name": "zeta"}, {"name": "alpha"}])
    clusters = envoy_messages.clusters(tracing_config(mesh)["envoy_extra_static_clusters_json"])
    assert [cluster.name for cluster in clusters] == ["alpha", "tracing_collector", "zeta"]


def test_an_http_default_protocol_stands_in_config_and_tcp_services_get_their_own_entry() -> None:
    mesh = settings(default_protocol="http", tcp_services=["mysql"])
    assert written(proxy_defaults(mesh))["Config"]["protocol"] == "http"
    assert service_defaults(mesh)["mysql"] == Entry("service-defaults", "mysql", {"Protocol": "tcp"})


def test_a_services_entry_is_named_after_the_catalogue() -> None:
    entries = service_defaults(settings(services={"web": {"protocol": "http", "name": "web-v2"}}))
    assert entries["web"].name == "web-v2"


def test_a_services_partition_is_the_meshs_unless_it_has_its_own() -> None:
    services = {"a": {"protocol": "http"}, "b": {"protocol": "http", "partition": "two", "namespace": "n"}}
    entries = service_defaults(settings(partition="one", services=services))
    assert (entries["a"].partition, entries["b"].partition, entries["b"].namespace) == ("one", "two", "n")


def test_an_entry_tells_its_stack_and_the_parts_that_it_declares() -> None:
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
def test_every_field_that_consul_would_add_to_upstreams_is_written_out(upstreams: dict[str, Any]) -> None:
    services = {"web": {"protocol": "http", "extra": {"UpstreamConfig": upstreams}}}
    body = written(service_defaults(settings(services=services))["web"])["UpstreamConfig"]
    filled = [body["Defaults"]] if "Defaults" in body else body["Overrides"]
    assert [upstream["MeshGateway"] for upstream in filled] == [{}]


def test_the_bootstrap_hash_is_the_same_for_the_same_meaning() -> None:
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
def test_the_bootstrap_hash_changes_with_every_key_that_a_proxy_reads_at_its_start(config: dict[str, Any]) -> None:
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
def test_the_bootstrap_hash_ignores_what_reaches_running_proxies(body: dict[str, Any]) -> None:
    assert bootstrap_hash(body) == bootstrap_hash({})


def test_the_bootstrap_hash_changes_with_the_access_log_of_the_admin_interface() -> None:
    assert bootstrap_hash({"AccessLogs": {"Enabled": True}}) != bootstrap_hash({})


def test_the_layout_of_json_does_not_change_the_bootstrap_hash() -> None:
    compact, spaced = ({"Config": {"envoy_stats_config_json": text}} for text in ('{"a":1}', '{ "a": 1.0 }'))
    assert bootstrap_hash(compact) == bootstrap_hash(spaced)


def test_the_bootstrap_hash_changes_only_when_proxies_must_restart() -> None:
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
