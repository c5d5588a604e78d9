import json
from typing import Any

import pytest

from consul_tracing.entries.bodies import config_json, proxy_defaults, service_defaults
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import is_ownership_metadata, ownership_metadata
from consul_tracing.entries.ownership import (
    Conflict,
    Existing,
    Plan,
    Policy,
    drift,
    missing_cluster_text,
    plan,
)
from consul_tracing.names import CLUSTERS_KEY
from tests.unit.meshes import URN, settings

STACK, OTHER_STACK = "acme/mesh/prod", "acme/mesh/staging"
DECLARED = proxy_defaults(settings())
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


def written(entry: Entry = DECLARED, live: dict[str, Any] | None = None, *, stack: str = STACK) -> dict[str, Any]:
    """Return the live entry after `stack` adopted `live` and wrote `entry`."""
    body = planned(live, "adopt", entry, owner=stack).body(entry)
    after: dict[str, Any] = json.loads(
        config_json(entry.kind, body, ownership_metadata(field_paths(entry.body), stack, URN))
    )
    return after


def planned(
    live: dict[str, Any] | None,
    existing: Existing = "refuse",
    entry: Entry = DECLARED,
    *,
    owner: str = STACK,
    **policy: Any,
) -> Plan:
    decided = plan(entry, live, Policy(existing, owner, **policy))
    assert isinstance(decided, Plan), decided
    return decided


def conflict(live: dict[str, Any], existing: Existing = "refuse", entry: Entry = DECLARED, **policy: Any) -> Conflict:
    decided = plan(entry, live, Policy(existing, STACK, **policy))
    assert isinstance(decided, Conflict), decided
    return decided


EVERY = pytest.mark.parametrize("existing", ["refuse", "adopt", "overwrite"])
REFUSE_OR_ADOPT = pytest.mark.parametrize("existing", ["refuse", "adopt"])


@EVERY
def test_declared_entry_is_written_where_no_entry_exists(existing: Existing) -> None:
    assert planned(None, existing) == Plan()


@EVERY
def test_entry_of_consul_k8s_is_always_a_conflict(existing: Existing) -> None:
    assert conflict({**BY_HAND, "Meta": {"external-source": "kubernetes"}}, existing).owner == "consul-k8s"


def test_conflict_with_an_unmanaged_entry_lists_the_effect_of_adopt() -> None:
    rejected = conflict({**BY_HAND, "Config": {**BY_HAND["Config"], "envoy_tracing_json": "{}"}})
    assert rejected.owner == "unmanaged"
    assert set(rejected.adopting.preserved) == FOREIGN
    assert [change.part for change in rejected.adopting.replaced] == [("Config", "envoy_tracing_json")]


def test_adopt_preserves_all_fields_of_an_unmanaged_entry() -> None:
    adopted = planned(BY_HAND, "adopt")
    assert set(adopted.preserved) == FOREIGN
    body = adopted.body(DECLARED)
    config = body["Config"]
    assert config["envoy_prometheus_bind_addr"] == "0.0.0.0:9102"
    assert config[CLUSTERS_KEY] == '{ "name": "statsd" },' + DECLARED.body["Config"][CLUSTERS_KEY]
    assert body["MeshGateway"] == {"Mode": "local"}
    assert body["Meta"] == {"team": "core"}


def test_overwrite_lists_the_removed_fields_of_an_unmanaged_entry() -> None:
    overwritten = planned(BY_HAND, "overwrite")
    assert overwritten.body(DECLARED) == DECLARED.body
    assert set(overwritten.removed) == FOREIGN


@REFUSE_OR_ADOPT
def test_conflict_with_another_stack_names_the_stack(existing: Existing) -> None:
    rejected = conflict(written(live=BY_HAND, stack=OTHER_STACK), existing)
    assert (rejected.owner, rejected.stack) == ("another stack", OTHER_STACK)
    assert set(rejected.adopting.preserved) == FOREIGN
    assert set(rejected.metadata) >= {"managed-by", "pulumi-stack", "consul-tracing-keys", "consul-tracing-resource"}


def test_overwrite_takes_over_an_entry_of_another_stack() -> None:
    overwritten = planned(written(live=BY_HAND, stack=OTHER_STACK), "overwrite")
    assert (overwritten.owner, overwritten.stack) == ("another stack", OTHER_STACK)
    assert set(overwritten.removed) == FOREIGN
    assert overwritten.body(DECLARED) == DECLARED.body


@REFUSE_OR_ADOPT
def test_fields_of_other_owners_are_preserved(existing: Existing) -> None:
    live = written(live=BY_HAND)
    assert set(planned(live, existing).preserved) == FOREIGN
    live["Config"]["added_later"] = 1
    assert planned(live, existing).body(DECLARED)["Config"]["added_later"] == 1


def test_key_that_is_no_longer_declared_is_removed() -> None:
    before = proxy_defaults(settings(proxy_config={"own": 1}, proxy_defaults={"Mode": "direct", "Meta": {"own": "x"}}))
    after = planned(written(before, BY_HAND)).body(DECLARED)
    assert "own" not in after["Config"]
    assert "Mode" not in after
    assert after["Meta"] == {"team": "core"}


def test_cluster_that_is_no_longer_declared_is_removed() -> None:
    before = proxy_defaults(settings(static_clusters=[{"name": "own"}]))
    assert "own" not in planned(written(before, BY_HAND)).body(DECLARED)["Config"][CLUSTERS_KEY]


def test_declared_field_replaces_the_field_of_another_owner() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"MeshGateway": {"Mode": "remote"}}))
    adopted = planned(BY_HAND, "adopt", entry)
    assert adopted.body(entry)["MeshGateway"] == {"Mode": "remote"}
    assert ("MeshGateway", "Mode") not in adopted.preserved
    assert adopted.replaced == ((("MeshGateway", "Mode"), "local", "remote"),)


def test_fields_of_one_struct_can_have_different_owners() -> None:
    entry = proxy_defaults(settings(proxy_defaults={"TransparentProxy": {"DialedDirectly": True}}))
    adopted = planned({"TransparentProxy": {"OutboundListenerPort": 15001}}, "adopt", entry)
    assert adopted.body(entry)["TransparentProxy"] == {"OutboundListenerPort": 15001, "DialedDirectly": True}
    assert adopted.replaced == ()


def test_config_keys_are_case_insensitive() -> None:
    entry = proxy_defaults(settings(default_protocol="http", tcp_services=[]))
    adopted = planned({"Config": {"Protocol": "tcp"}}, "adopt", entry)
    assert "Protocol" not in adopted.body(entry)["Config"]
    assert adopted.replaced == ((("Config", "Protocol"), "tcp", "http"),)


def test_plan_has_the_resource_that_manages_the_entry() -> None:
    assert planned(written()).resource == URN
    assert planned(written(), "overwrite").resource == URN
    assert planned(written(stack=OTHER_STACK), renamed_from=OTHER_STACK).resource == URN
    assert planned(written(stack=OTHER_STACK), "overwrite").resource == ""


OFF = proxy_defaults(settings(enabled=False))


def released(live: dict[str, Any]) -> dict[str, Any]:
    """Return the entry without ownership metadata."""
    return {
        **live,
        "Meta": {key: value for key, value in live["Meta"].items() if not is_ownership_metadata(("Meta", key))},
    }


def test_entry_without_declared_fields_is_released() -> None:
    without = planned(written(live=BY_HAND), entry=OFF)
    assert without.released
    # The next run finds an unmanaged entry, in which it changes nothing.
    after = json.loads(config_json("proxy-defaults", without.body(OFF), {}))
    assert planned(after, entry=OFF).released
    assert planned(after, entry=OFF).body(OFF) == without.body(OFF)


def test_entry_without_fields_of_other_owners_is_not_released() -> None:
    assert not planned(written(), entry=OFF).released


def test_tracing_in_an_unmanaged_entry_is_not_removed_without_adopt() -> None:
    assert conflict({"Config": {"envoy_tracing_json": "{}", "other": 1}}, entry=OFF).owner == "unmanaged"


def test_release_changes_no_field() -> None:
    live = written(live=BY_HAND)
    released_plan = planned(live, release=True)
    assert released_plan.released
    assert released_plan.body(DECLARED) == planned(live).body(DECLARED)
    assert planned(released(live), release=True).released
    # Another stack can then adopt the entry, and this stack no longer writes it.
    assert planned(released(live), "adopt", owner=OTHER_STACK).owner == "unmanaged"
    assert conflict({**released(live), "Config": {"envoy_tracing_json": "x"}}, release=True).owner == "unmanaged"


def test_drift_is_a_managed_field_that_differs_from_the_recorded_value() -> None:
    recorded = written(live=BY_HAND)
    live = json.loads(json.dumps(recorded))
    live["MeshGateway"] = {"Mode": "remote"}
    assert drift(recorded, live) == ()
    live["Config"]["envoy_tracing_json"] = "{}"
    assert [change.part for change in drift(recorded, live)] == [("Config", "envoy_tracing_json")]
    live["Config"][CLUSTERS_KEY] = "{"
    assert drift(recorded, live) == ((("Config", CLUSTERS_KEY), recorded["Config"][CLUSTERS_KEY], ""),)


def test_disabling_and_enabling_tracing_restores_the_same_bytes() -> None:
    on, off = (proxy_defaults(settings(enabled=enabled)) for enabled in (True, False))
    before = written(on, BY_HAND)
    without = written(off, before)
    assert without["Config"] == {**BY_HAND["Config"]}
    assert json.dumps(written(on, without)) == json.dumps(before)


def test_disabled_removes_unmanaged_tracing_keys_of_an_adopted_entry() -> None:
    live = {"Config": {"Envoy_Tracing_JSON": "{}", "envoy_listener_tracing_json": "{}", "other": 1}}
    off = proxy_defaults(settings(enabled=False))
    assert planned(live, "adopt", off).body(off) == {"Config": {"other": 1}}


def test_second_run_writes_the_same_entry() -> None:
    once = written(live=BY_HAND)
    assert written(live=once) == once


def test_adopt_preserves_fields_of_a_service_entry() -> None:
    live = {"Protocol": "http", "LocalRequestTimeoutMs": 5000, "MeshGateway": {}, "ExternalSNI": "web.example.com"}
    adopted = planned(live, "adopt", WEB)
    assert set(adopted.preserved) == {("LocalRequestTimeoutMs",), ("ExternalSNI",)}
    assert adopted.body(WEB) == {"LocalRequestTimeoutMs": 5000, "ExternalSNI": "web.example.com", "Protocol": "http"}


@pytest.mark.parametrize(
    "live",
    [*({"UpstreamConfig": empty} for empty in (None, "", {}, [])), {"MeshGateway": {"Mode": ""}}, {"Namespace": "a"}],
)
def test_empty_field_and_scope_are_not_preserved(live: dict[str, Any]) -> None:
    assert planned({"Protocol": "http", **live}, "adopt", WEB).preserved == {}


def test_empty_key_of_config_or_meta_is_preserved() -> None:
    live = {"Config": {"key": ""}, "Meta": {"note": ""}}
    assert planned(live, "adopt").preserved == {("Config", "key"): "", ("Meta", "note"): ""}


def test_clusters_that_cannot_be_parsed_are_a_conflict() -> None:
    live = {"Config": {CLUSTERS_KEY: '{"name":"a"'}}
    assert conflict(live, "adopt").unreadable
    assert conflict(live).unreadable
    assert planned(live, "overwrite").removed == (("Config", CLUSTERS_KEY),)


def test_renamed_from_makes_entries_of_the_former_stack_name_owned() -> None:
    live = written(live=BY_HAND, stack=OTHER_STACK)
    assert set(planned(live, renamed_from=OTHER_STACK).preserved) == FOREIGN


def live_with(clusters: str) -> dict[str, Any]:
    return {"Config": {CLUSTERS_KEY: clusters}}


@pytest.mark.parametrize(
    "live",
    [None, {}, {"Config": None}, live_with(""), live_with('{"name":"statsd"}'), live_with("{"), live_with('"x"')],
)
def test_skip_is_rejected_before_the_live_entry_has_the_cluster(live: dict[str, Any] | None) -> None:
    text = missing_cluster_text(live)
    assert '1. pulumi up with gateways: "join"\n    2. restart every proxy' in text


def test_skip_is_accepted_when_the_live_entry_has_the_cluster() -> None:
    assert missing_cluster_text(live_with('{"name":"statsd"},{"name":"tracing_collector"}')) == ""
