import json
from typing import Any

import pytest

from consul_tracing import Refused
from consul_tracing.entries import Entry, config_json, proxy_defaults, service_defaults
from consul_tracing.marks import marks
from consul_tracing.ownership import (
    Decision,
    Existing,
    Policy,
    decide,
    decide_all,
    plan_text,
    refuse_missing_cluster,
    refuse_taken_resources,
)
from consul_tracing.parts import CLUSTERS_KEY, parts_of
from tests.unit.meshes import URN, settings

STACK, OTHER = "acme/mesh/prod", "acme/mesh/staging"
OURS = proxy_defaults(settings())
WEB = service_defaults(settings(services={"web": {"protocol": "http"}}))["web"]
BY_HAND: dict[str, Any] = {
    "AccessLogs": {},
    "Config": {"envoy_prometheus_bind_addr": "0.0.0.0:9102", CLUSTERS_KEY: '{ "name": "statsd" }'},
    "Expose": {},
    "MeshGateway": {"Mode": "local"},
    "TransparentProxy": {},
    "Meta": {"team": "core"},
}
FOREIGN = {
    ("Config", "envoy_prometheus_bind_addr"),
    ("Config", CLUSTERS_KEY, "statsd"),
    ("MeshGateway", "Mode"),
    ("Meta", "team"),
}


def written(entry: Entry = OURS, live: dict[str, Any] | None = None, *, stack: str = STACK) -> dict[str, Any]:
    """The live entry after `stack` wrote `entry` over `live`, adopting."""
    body = decide(entry, live, Policy("adopt", stack), "mesh-proxy-defaults").body(entry)
    after: dict[str, Any] = json.loads(config_json(entry.kind, body, marks(parts_of(entry.body), stack, URN)))
    return after


def decision(
    live: dict[str, Any] | None, existing: Existing = "refuse", entry: Entry = OURS, **policy: Any
) -> Decision:
    return decide(entry, live, Policy(existing, STACK, **policy), "mesh-proxy-defaults")


def refusal(live: dict[str, Any], existing: Existing = "refuse", entry: Entry = OURS) -> str:
    with pytest.raises(Refused) as refused:
        decision(live, existing, entry)
    return str(refused.value)


EVERY = pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])


@EVERY
def test_where_there_is_nothing_ours_is_written(existing: Existing) -> None:
    assert decision(None, existing) == Decision()


@EVERY
def test_an_entry_of_consul_k8s_is_always_refused(existing: Existing) -> None:
    told = refusal({**BY_HAND, "Meta": {"external-source": "kubernetes"}}, existing)
    assert told.startswith("consul-tracing: proxy-defaults/global is managed by consul-k8s")
    assert "its ProxyDefaults on Kubernetes:  target: kubernetes" in told


def test_an_entry_written_by_hand_is_refused_with_what_would_be_lost_and_the_ways_on() -> None:
    assert refusal(BY_HAND) == (
        "consul-tracing: proxy-defaults/global was not written by this stack\n"
        "  It holds MeshGateway.Mode, Meta.team, envoy_prometheus_bind_addr, the static cluster statsd, "
        "which would be lost.\n"
        "  To keep what it holds and add ours:     existing: adopt\n"
        "  To declare it all, each change shown:   existing: overwrite, after\n"
        "    pulumi import consul:index/configEntry:ConfigEntry mesh-proxy-defaults proxy-defaults/global"
    )


def test_a_hand_written_tracer_would_be_lost_too() -> None:
    assert "It holds envoy_tracing_json, which would be lost" in refusal({"Config": {"envoy_tracing_json": "{}"}})


def test_an_entry_written_by_hand_is_adopted_with_everything_in_it() -> None:
    adopted = decision(BY_HAND, "adopt")
    assert set(adopted.kept) == FOREIGN
    body = adopted.body(OURS)
    config = body["Config"]
    assert config["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    assert config[CLUSTERS_KEY] == '{ "name": "statsd" },' + OURS.body["Config"][CLUSTERS_KEY]
    assert body["MeshGateway"] == {"Mode": "local"}
    assert body["Meta"] == {"team": "core"}


def test_an_entry_written_by_hand_is_overwritten_by_ours_alone() -> None:
    assert decision(BY_HAND, "overwrite") == Decision()


@pytest.mark.parametrize("existing", ["refuse", "adopt"])
def test_an_entry_of_another_stack_is_refused_by_its_name(existing: Existing) -> None:
    told = refusal(written(live=BY_HAND, stack=OTHER), existing)
    assert f"was written by another stack: {OTHER}" in told
    assert f"renamed_from: {OTHER}" in told
    assert "envoy_prometheus_bind_addr" in told


def test_an_entry_of_another_stack_can_be_taken_over_by_force() -> None:
    assert decision(written(live=BY_HAND, stack=OTHER), "overwrite") == Decision()


@pytest.mark.parametrize("existing", ["refuse", "adopt"])
def test_what_others_wrote_into_our_entry_stays(existing: Existing) -> None:
    live = written(live=BY_HAND)
    assert set(decision(live, existing).kept) == FOREIGN
    live["Config"]["added_later"] = 1
    assert decision(live, existing).body(OURS)["Config"]["added_later"] == 1


def test_a_key_that_we_declared_once_and_no_longer_do_is_taken_out() -> None:
    before = proxy_defaults(settings(proxy_config={"ours": 1}, proxy_defaults={"Mode": "direct", "Meta": {"own": "x"}}))
    after = decision(written(before, BY_HAND)).body(OURS)
    assert "ours" not in after["Config"]
    assert "Mode" not in after
    assert after["Meta"] == {"team": "core"}


def test_a_cluster_that_we_declared_once_and_no_longer_do_is_taken_out() -> None:
    before = proxy_defaults(settings(static_clusters=[{"name": "ours"}]))
    assert "ours" not in decision(written(before, BY_HAND)).body(OURS)["Config"][CLUSTERS_KEY]


def test_a_part_that_we_declare_is_ours_whoever_wrote_it() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"MeshGateway": {"Mode": "remote"}}))
    adopted = decision(BY_HAND, "adopt", entry)
    assert adopted.body(entry)["MeshGateway"] == {"Mode": "remote"}
    assert ("MeshGateway", "Mode") not in adopted.kept
    assert adopted.replaced == ((("MeshGateway", "Mode"), "local", "remote"),)
    assert 'replaces MeshGateway.Mode ("local" → "remote")' in plan_text("x", adopted, retained=True)


def test_the_fields_of_a_struct_may_have_different_owners() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"TransparentProxy": {"DialedDirectly": True}}))
    adopted = decision({"TransparentProxy": {"OutboundListenerPort": 15001}}, "adopt", entry)
    assert adopted.body(entry)["TransparentProxy"] == {"OutboundListenerPort": 15001, "DialedDirectly": True}
    assert adopted.replaced == ()


def test_a_key_of_config_in_another_case_is_the_same_key() -> None:
    entry = proxy_defaults(settings(default_protocol="http", tcp_services=[]))
    adopted = decision({"Config": {"Protocol": "tcp"}}, "adopt", entry)
    assert "Protocol" not in adopted.body(entry)["Config"]
    assert adopted.replaced == ((("Config", "Protocol"), "tcp", "http"),)


def test_the_entry_knows_the_resource_that_manages_it() -> None:
    assert decision(written()).resource == URN
    assert decision(written(), "overwrite").resource == URN
    assert decision(written(stack=OTHER), renamed_from=OTHER).resource == URN
    assert decision(written(stack=OTHER), "overwrite").resource == ""


def test_a_run_that_would_delete_a_declared_entry_is_refused_with_the_commands() -> None:
    moved = {"service-defaults/x": ("urn:a", "urn:b"), "service-defaults/y": ("urn:b", "urn:c")}
    with pytest.raises(Refused) as refused:
        refuse_taken_resources(moved, {"urn:a", "urn:b"}, Policy("refuse", STACK))
    assert "service-defaults/x: would be deleted" in str(refused.value)
    assert "1. pulumi state delete 'urn:a'\n    2. pulumi up" in str(refused.value)


def test_a_resource_that_got_a_free_name_is_not_refused() -> None:
    refuse_taken_resources({"service-defaults/x": ("urn:a", "urn:b")}, {"urn:a"}, Policy("refuse", STACK))
    refuse_taken_resources({"service-defaults/x": ("urn:a", "urn:b")}, {"urn:b"}, Policy("refuse", STACK))


def test_tracing_taken_out_and_put_back_gives_the_same_bytes() -> None:
    on, off = (proxy_defaults(settings(enabled=enabled)) for enabled in (True, False))
    before = written(on, BY_HAND)
    without = written(off, before)
    assert without["Config"] == {**BY_HAND["Config"]}
    assert json.dumps(written(on, without)) == json.dumps(before)


def test_tracing_written_by_hand_goes_when_tracing_is_off() -> None:
    live = {"Config": {"Envoy_Tracing_JSON": "{}", "envoy_listener_tracing_json": "{}", "other": 1}}
    off = proxy_defaults(settings(enabled=False))
    assert decision(live, "adopt", off).body(off) == {"Config": {"other": 1}}


def test_a_second_run_writes_what_the_first_one_wrote() -> None:
    once = written(live=BY_HAND)
    assert written(live=once) == once


def test_the_fields_of_a_services_entry_stay() -> None:
    live = {"Protocol": "http", "LocalRequestTimeoutMs": 5000, "MeshGateway": {}, "ExternalSNI": "web.example.com"}
    adopted = decision(live, "adopt", WEB)
    assert set(adopted.kept) == {("LocalRequestTimeoutMs",), ("ExternalSNI",)}
    assert adopted.body(WEB) == {"LocalRequestTimeoutMs": 5000, "ExternalSNI": "web.example.com", "Protocol": "http"}


@pytest.mark.parametrize("empty", [None, "", {}, []])
def test_a_field_that_says_nothing_is_nobodys(empty: object) -> None:
    assert decision({"Protocol": "http", "UpstreamConfig": empty}, "adopt", WEB).kept == {}


def test_clusters_that_cannot_be_told_apart_are_not_written_over() -> None:
    live = {"Config": {CLUSTERS_KEY: '{"name":"a"'}}
    assert "static clusters of others that cannot be told apart" in refusal(live, "adopt")
    assert f"It holds {CLUSTERS_KEY}, which would be lost." in refusal(live)
    assert decision(live, "overwrite") == Decision()


def test_a_renamed_stack_knows_what_it_wrote_under_its_former_name() -> None:
    live = written(live=BY_HAND, stack=OTHER)
    assert set(decision(live, renamed_from=OTHER).kept) == FOREIGN


def test_the_import_line_names_partition_and_namespace() -> None:
    entry = Entry("service-defaults", "web", {"Protocol": "http"}, namespace="team", partition="east")
    assert "mesh-proxy-defaults east/team/service-defaults/web" in refusal({"Protocol": "tcp"}, entry=entry)


def test_several_refusals_are_told_together_and_a_crowd_by_its_number() -> None:
    entries = {f"mesh-service-{number}": Entry("service-defaults", f"s{number}", {}) for number in range(15)}
    with pytest.raises(Refused) as refused:
        decide_all(entries, {name: {"Protocol": "tcp"} for name in entries}, Policy("refuse", STACK))
    assert str(refused.value).count("was not written by this stack") == 10
    assert str(refused.value).endswith("5 more entries are refused")


def test_what_is_kept_is_told_with_the_way_to_take_tracing_out() -> None:
    told = plan_text("proxy-defaults/global", decision(BY_HAND, "adopt"), retained=True)
    assert (
        "keeps what others wrote: MeshGateway.Mode, Meta.team, envoy_prometheus_bind_addr, the static cluster" in told
    )
    assert "pulumi destroy will leave it there" in told
    assert "enabled: false" in told
    assert plan_text("proxy-defaults/global", decision(None), retained=True) == ""


def live_with(clusters: str) -> dict[str, Any]:
    return {"Config": {CLUSTERS_KEY: clusters}}


@pytest.mark.parametrize(
    "live",
    [None, {}, {"Config": None}, live_with(""), live_with('{"name":"statsd"}'), live_with("{"), live_with('"x"')],
)
def test_skip_is_refused_while_proxies_cannot_have_the_cluster(live: dict[str, Any] | None) -> None:
    with pytest.raises(Refused, match='1. pulumi up with gateways: "join"\n.*2. restart every proxy'):
        refuse_missing_cluster(live)


def test_skip_is_allowed_once_the_live_entry_holds_the_cluster() -> None:
    refuse_missing_cluster(live_with('{"name":"statsd"},{"name":"tracing_collector"}'))
