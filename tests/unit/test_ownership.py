import json
from typing import Any

import pytest

from consul_tracing import Refused
from consul_tracing.entries import Entry, config_json, proxy_defaults, service_defaults
from consul_tracing.marks import is_mark, marks
from consul_tracing.ownership import (
    Conflict,
    Existing,
    Plan,
    Policy,
    drift,
    plan,
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
    body = planned(live, "adopt", entry, owner=stack).body(entry)
    after: dict[str, Any] = json.loads(config_json(entry.kind, body, marks(parts_of(entry.body), stack, URN)))
    return after


def planned(
    live: dict[str, Any] | None,
    existing: Existing = "refuse",
    entry: Entry = OURS,
    *,
    owner: str = STACK,
    **policy: Any,
) -> Plan:
    decided = plan(entry, live, Policy(existing, owner, **policy))
    assert isinstance(decided, Plan), decided
    return decided


def conflict(live: dict[str, Any], existing: Existing = "refuse", entry: Entry = OURS, **policy: Any) -> Conflict:
    decided = plan(entry, live, Policy(existing, STACK, **policy))
    assert isinstance(decided, Conflict), decided
    return decided


EVERY = pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
REFUSE_OR_ADOPT = pytest.mark.parametrize("existing", ["refuse", "adopt"])


@EVERY
def test_where_there_is_no_entry_the_declared_one_is_written(existing: Existing) -> None:
    assert planned(None, existing) == Plan()


@EVERY
def test_an_entry_of_consul_k8s_is_always_a_conflict(existing: Existing) -> None:
    assert conflict({**BY_HAND, "Meta": {"external-source": "kubernetes"}}, existing).owner == "consul-k8s"


def test_an_unmanaged_entry_is_a_conflict_that_lists_what_adopt_would_do() -> None:
    rejected = conflict({**BY_HAND, "Config": {**BY_HAND["Config"], "envoy_tracing_json": "{}"}})
    assert rejected.owner == "unmanaged"
    assert set(rejected.adopting.preserved) == FOREIGN
    assert [change.part for change in rejected.adopting.replaced] == [("Config", "envoy_tracing_json")]


def test_an_unmanaged_entry_is_adopted_with_all_its_fields() -> None:
    adopted = planned(BY_HAND, "adopt")
    assert set(adopted.preserved) == FOREIGN
    body = adopted.body(OURS)
    config = body["Config"]
    assert config["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    assert config[CLUSTERS_KEY] == '{ "name": "statsd" },' + OURS.body["Config"][CLUSTERS_KEY]
    assert body["MeshGateway"] == {"Mode": "local"}
    assert body["Meta"] == {"team": "core"}


def test_an_unmanaged_entry_is_overwritten_and_the_plan_lists_what_is_removed() -> None:
    overwritten = planned(BY_HAND, "overwrite")
    assert overwritten.body(OURS) == OURS.body
    assert set(overwritten.removed) == FOREIGN


@REFUSE_OR_ADOPT
def test_an_entry_of_another_stack_is_a_conflict_that_names_it(existing: Existing) -> None:
    rejected = conflict(written(live=BY_HAND, stack=OTHER), existing)
    assert (rejected.owner, rejected.stack) == ("another stack", OTHER)
    assert set(rejected.adopting.preserved) == FOREIGN
    assert set(rejected.metadata) >= {"managed-by", "pulumi-stack", "consul-tracing-keys", "consul-tracing-resource"}


def test_an_entry_of_another_stack_is_overwritten_on_demand() -> None:
    overwritten = planned(written(live=BY_HAND, stack=OTHER), "overwrite")
    assert (overwritten.owner, overwritten.stack) == ("another stack", OTHER)
    assert set(overwritten.removed) == FOREIGN
    assert overwritten.body(OURS) == OURS.body


@REFUSE_OR_ADOPT
def test_fields_of_other_owners_in_an_own_entry_stay(existing: Existing) -> None:
    live = written(live=BY_HAND)
    assert set(planned(live, existing).preserved) == FOREIGN
    live["Config"]["added_later"] = 1
    assert planned(live, existing).body(OURS)["Config"]["added_later"] == 1


def test_a_key_that_is_no_longer_declared_is_removed() -> None:
    before = proxy_defaults(settings(proxy_config={"ours": 1}, proxy_defaults={"Mode": "direct", "Meta": {"own": "x"}}))
    after = planned(written(before, BY_HAND)).body(OURS)
    assert "ours" not in after["Config"]
    assert "Mode" not in after
    assert after["Meta"] == {"team": "core"}


def test_a_cluster_that_is_no_longer_declared_is_removed() -> None:
    before = proxy_defaults(settings(static_clusters=[{"name": "ours"}]))
    assert "ours" not in planned(written(before, BY_HAND)).body(OURS)["Config"][CLUSTERS_KEY]


def test_a_declared_field_replaces_that_of_another_owner() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"MeshGateway": {"Mode": "remote"}}))
    adopted = planned(BY_HAND, "adopt", entry)
    assert adopted.body(entry)["MeshGateway"] == {"Mode": "remote"}
    assert ("MeshGateway", "Mode") not in adopted.preserved
    assert adopted.replaced == ((("MeshGateway", "Mode"), "local", "remote"),)


def test_the_fields_of_a_struct_may_have_different_owners() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"TransparentProxy": {"DialedDirectly": True}}))
    adopted = planned({"TransparentProxy": {"OutboundListenerPort": 15001}}, "adopt", entry)
    assert adopted.body(entry)["TransparentProxy"] == {"OutboundListenerPort": 15001, "DialedDirectly": True}
    assert adopted.replaced == ()


def test_a_key_of_config_in_another_case_is_the_same_key() -> None:
    entry = proxy_defaults(settings(default_protocol="http", tcp_services=[]))
    adopted = planned({"Config": {"Protocol": "tcp"}}, "adopt", entry)
    assert "Protocol" not in adopted.body(entry)["Config"]
    assert adopted.replaced == ((("Config", "Protocol"), "tcp", "http"),)


def test_the_entry_knows_the_resource_that_manages_it() -> None:
    assert planned(written()).resource == URN
    assert planned(written(), "overwrite").resource == URN
    assert planned(written(stack=OTHER), renamed_from=OTHER).resource == URN
    assert planned(written(stack=OTHER), "overwrite").resource == ""


OFF = proxy_defaults(settings(enabled=False))


def released(live: dict[str, Any]) -> dict[str, Any]:
    """The entry without ownership metadata."""
    return {**live, "Meta": {key: value for key, value in live["Meta"].items() if not is_mark(("Meta", key))}}


def test_an_entry_in_which_this_stack_declares_no_field_any_more_is_released() -> None:
    without = planned(written(live=BY_HAND), entry=OFF)
    assert without.released
    # The next run finds an unmanaged entry, in which it changes nothing.
    after = json.loads(config_json("proxy-defaults", without.body(OFF), {}))
    assert planned(after, entry=OFF).released
    assert planned(after, entry=OFF).body(OFF) == without.body(OFF)


def test_an_entry_without_fields_of_other_owners_is_not_released_but_deleted_with_its_stack() -> None:
    assert not planned(written(), entry=OFF).released


def test_tracing_in_an_unmanaged_entry_is_not_removed_without_adoption() -> None:
    assert conflict({"Config": {"envoy_tracing_json": "{}", "other": 1}}, entry=OFF).owner == "unmanaged"


def test_a_stack_releases_its_entries_on_demand_and_changes_no_field() -> None:
    live = written(live=BY_HAND)
    given_up = planned(live, release=True)
    assert given_up.released
    assert given_up.body(OURS) == planned(live).body(OURS)
    assert planned(released(live), release=True).released
    # Another stack can adopt it then, and this one no longer writes it.
    assert planned(released(live), "adopt", owner=OTHER).owner == "unmanaged"
    assert conflict({**released(live), "Config": {"envoy_tracing_json": "x"}}, release=True).owner == "unmanaged"


def test_drift_is_a_managed_field_with_another_value_than_the_recorded_one() -> None:
    recorded = written(live=BY_HAND)
    live = json.loads(json.dumps(recorded))
    live["MeshGateway"] = {"Mode": "remote"}
    assert drift(recorded, live) == ()
    live["Config"]["envoy_tracing_json"] = "{}"
    assert [change.part for change in drift(recorded, live)] == [("Config", "envoy_tracing_json")]


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
    assert planned(live, "adopt", off).body(off) == {"Config": {"other": 1}}


def test_a_second_run_writes_what_the_first_one_wrote() -> None:
    once = written(live=BY_HAND)
    assert written(live=once) == once


def test_the_fields_of_a_services_entry_stay() -> None:
    live = {"Protocol": "http", "LocalRequestTimeoutMs": 5000, "MeshGateway": {}, "ExternalSNI": "web.example.com"}
    adopted = planned(live, "adopt", WEB)
    assert set(adopted.preserved) == {("LocalRequestTimeoutMs",), ("ExternalSNI",)}
    assert adopted.body(WEB) == {"LocalRequestTimeoutMs": 5000, "ExternalSNI": "web.example.com", "Protocol": "http"}


@pytest.mark.parametrize("empty", [None, "", {}, []])
def test_a_field_that_says_nothing_is_nobodys(empty: object) -> None:
    assert planned({"Protocol": "http", "UpstreamConfig": empty}, "adopt", WEB).preserved == {}


def test_clusters_that_cannot_be_told_apart_are_not_written_over() -> None:
    live = {"Config": {CLUSTERS_KEY: '{"name":"a"'}}
    assert conflict(live, "adopt").unreadable
    assert conflict(live).unreadable
    assert planned(live, "overwrite").removed == (("Config", CLUSTERS_KEY),)


def test_a_renamed_stack_knows_what_it_wrote_under_its_former_name() -> None:
    live = written(live=BY_HAND, stack=OTHER)
    assert set(planned(live, renamed_from=OTHER).preserved) == FOREIGN


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
