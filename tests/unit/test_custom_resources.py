"""Entries as custom resources: what is applied, what of a live object is whose, and whether Consul has it."""

from typing import Any, cast

import pytest

from consul_tracing.custom_resources import (
    body,
    camel_case,
    in_the_way,
    is_patched,
    metadata,
    not_synced_text,
    noting_sync,
    refuse_remaining,
    refuse_second_mesh,
    spec,
    sync,
    would_go,
)
from consul_tracing.entries import Entry, proxy_defaults, service_defaults
from consul_tracing.errors import Refused
from consul_tracing.marks import marks
from consul_tracing.ownership import Existing, Plan, Policy, plan
from consul_tracing.parts import parts_of
from tests.unit.meshes import STACK, URN, settings

CLUSTERS = "envoy_extra_static_clusters_json"
STATSD = '{"name":"statsd"}'


def policy(existing: Existing = "refuse") -> Policy:
    return Policy(existing, STACK)


def planned(declared: Entry, there: dict[str, Any], policy: Policy) -> Plan:
    decided = plan(declared, body(there), policy)
    assert isinstance(decided, Plan)
    return decided


def entry(**args: Any) -> Entry:
    return proxy_defaults(settings(target="kubernetes", **args))


def by(manager: str, *paths: str, at: str = "2026-11-22T10:00:00Z", subresource: str = "") -> dict[str, Any]:
    """An item of `managedFields`: who wrote which fields of the spec, and when."""
    fields: dict[str, Any] = {}
    for path in paths:
        below = fields
        for step in path.split("/"):
            below = below.setdefault(f"f:{step}", {})
    return {"manager": manager, "time": at, "fieldsV1": fields, "subresource": subresource}


def live(
    of: dict[str, Any] | None = None, *managed: dict[str, Any], annotations: Any = None, synced: Any = None
) -> dict[str, Any]:
    metadata = {"name": "global", "namespace": "consul", "managedFields": list(managed), "annotations": annotations}
    status = {"conditions": [{"type": "Synced", **synced}]} if synced else {}
    return {"metadata": metadata, "spec": of or {}, "status": status}


def ours(declared: Entry, **more: Any) -> dict[str, Any]:
    return live({**applied_first(declared), **more}, annotations=annotations(declared))


def annotations(declared: Entry) -> dict[str, str]:
    written = metadata(declared, owned(declared), None, patch=False, migrate=False)
    return cast("dict[str, str]", written["annotations"])


def owned(declared: Entry) -> dict[str, str]:
    return marks(parts_of(declared.body), STACK, URN)


def applied_first(declared: Entry) -> dict[str, Any]:
    """What is applied where there is nothing yet."""
    return spec(declared, Plan(), None, patch=False)


@pytest.mark.parametrize(
    ("go", "camel"),
    [
        ("MeshGateway", "meshGateway"),
        ("MutualTLSMode", "mutualTLSMode"),
        ("ExternalSNI", "externalSNI"),
        ("JSONFormat", "jsonFormat"),
        ("SNI", "sni"),
        ("LocalRequestTimeoutMs", "localRequestTimeoutMs"),
        ("EnvoyListenerJSON", "envoyListenerJSON"),
    ],
)
def test_a_go_name_in_camel_case(go: str, camel: str) -> None:
    assert camel_case(go) == camel


def test_the_names_of_fields_change_and_free_keys_do_not() -> None:
    extensions = [{"Name": "builtin/lua", "Arguments": {"ProxyType": "connect-proxy"}}]
    declared = entry(
        proxy_config={"Envoy_X": "1"},
        proxy_defaults={"EnvoyExtensions": extensions, "Expose": {"Paths": [{"LocalPathPort": 1}]}},
    )
    applied = applied_first(declared)
    assert applied["envoyExtensions"] == [{"name": "builtin/lua", "arguments": {"ProxyType": "connect-proxy"}}]
    assert applied["expose"] == {"paths": [{"localPathPort": 1}]}
    assert applied["config"]["Envoy_X"] == "1"


def test_the_envoy_values_are_those_of_consuls_api_byte_for_byte() -> None:
    on_consul, on_kubernetes = proxy_defaults(settings()), entry()
    assert applied_first(on_kubernetes)["config"] == on_consul.body["Config"]
    assert (on_kubernetes.namespace, on_consul.namespace) == ("consul", None)


def test_a_services_object_stands_in_its_namespace() -> None:
    services = {"web": {"protocol": "http"}, "api": {"protocol": "grpc", "namespace": "shop", "name": "api-v2"}}
    entries = service_defaults(settings(target="kubernetes", services=services, namespace="mesh"))
    assert {key: (one.namespace, one.name) for key, one in entries.items()} == {
        "web": ("mesh", "web"),
        "api": ("shop", "api-v2"),
    }


def test_an_object_that_we_wrote_is_told_by_its_annotations() -> None:
    declared = entry()
    assert policy().owner_of(body(ours(declared))) == "this stack"
    assert owned(declared) == body(ours(declared))["Meta"]


def test_a_long_list_of_our_parts_comes_back_whole() -> None:
    declared = entry(proxy_config={f"key_{number:04}": "x" for number in range(200)})
    assert len(owned(declared)) > 5
    assert body(live({}, annotations=annotations(declared)))["Meta"] == owned(declared)


@pytest.mark.parametrize(
    ("manager", "repeated"),
    [("kubectl-edit", True), ("before-first-apply", True), ("consul-tracing", True), ("argocd", False)],
)
def test_what_others_wrote_into_our_object_is_repeated_only_where_it_would_go(manager: str, *, repeated: bool) -> None:
    """Pulumi's provider takes over what kubectl holds, and then takes out what is not applied."""
    declared = entry()
    there = ours(declared, meshGateway={"mode": "local"})
    there["metadata"]["managedFields"] = [by(manager, "spec/meshGateway/mode")]
    decided = planned(declared, there, policy())
    assert decided.preserved == {("MeshGateway", "Mode"): "local"}
    assert ("meshGateway" in spec(declared, decided, there, patch=False)) is repeated


def test_what_others_wrote_into_their_object_is_never_repeated() -> None:
    declared, there = entry(), live({"meshGateway": {"mode": "local"}}, by("kubectl-edit", "spec/meshGateway"))
    decided = planned(declared, there, policy("adopt"))
    assert set(spec(declared, decided, there, patch=True)) == {"config"}


def test_labels_and_annotations_of_others_are_repeated_only_where_they_would_go() -> None:
    declared, there = entry(), ours(entry())
    there["metadata"]["labels"] = {"team": "a", "app": "b"}
    there["metadata"]["annotations"]["note"] = "x"
    there["metadata"]["managedFields"] = [
        by("kubectl-label", "metadata/labels/team", "metadata/annotations/note"),
        by("argocd", "metadata/labels/app"),
    ]
    written = metadata(declared, owned(declared), there, patch=False, migrate=True)
    assert written["labels"] == {"team": "a"}
    assert written["annotations"].items() >= {"note": "x", "consul.hashicorp.com/migrate-entry": "true"}.items()
    patched = metadata(declared, owned(declared), there, patch=True, migrate=False)
    assert "labels" not in patched
    assert "note" not in patched["annotations"]


def test_clusters_of_others_are_applied_with_ours_since_their_key_is_one_text() -> None:
    declared, there = entry(), live({"config": {CLUSTERS: STATSD}})
    decided = planned(declared, there, policy("adopt"))
    applied = spec(declared, decided, there, patch=True)["config"][CLUSTERS]
    assert applied.startswith(STATSD)
    assert '"tracing_collector"' in applied


@pytest.mark.parametrize(("co_owner", "applied"), [("consul-tracing-patch", True), ("kubectl", False)])
def test_clusters_of_others_stay_with_us_for_as_long_as_nobody_else_holds_them(co_owner: str, *, applied: bool) -> None:
    declared = entry(enabled=False)
    path = f"spec/config/{CLUSTERS}"
    there = live({"config": {CLUSTERS: STATSD}}, by("consul-tracing-patch", path), by(co_owner, path))
    decided = planned(declared, there, policy("adopt"))
    assert (spec(declared, decided, there, patch=True).get("config") == {CLUSTERS: STATSD}) is applied


def test_what_nobody_holds_is_not_ours_to_patch() -> None:
    there = live({"config": {CLUSTERS: STATSD}})
    assert not would_go(there, ("spec", "config", CLUSTERS), patch=True)


@pytest.mark.parametrize(
    ("there", "existing", "patched"),
    [
        (None, "adopt", False),
        (live(), "adopt", True),
        (live(), "overwrite", False),
        (live(annotations={"consul-tracing/pulumi-stack": STACK}), "adopt", False),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"}), "refuse", True),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"}), "overwrite", True),
        (live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "false"}), "refuse", False),
    ],
)
def test_an_object_of_others_is_patched_and_stays_so(there: Any, existing: Existing, *, patched: bool) -> None:
    assert is_patched(there, policy(existing)) is patched


@pytest.mark.parametrize(("existing", "patched"), [("refuse", True), ("adopt", True), ("overwrite", False)])
def test_an_adopted_object_that_was_imported_is_owned_once_it_may_be_overwritten(
    existing: Existing, *, patched: bool
) -> None:
    there = live(annotations={"consul-tracing/pulumi-stack": STACK, "consul-tracing/adopted": "true"})
    assert is_patched(there, policy(existing), whole=True) is patched
    if not patched:
        written = metadata(entry(), owned(entry()), there, patch=False, migrate=False)
        assert written["annotations"]["consul-tracing/adopted"] == "false"


@pytest.mark.parametrize(
    ("manager", "patch", "rejected"),
    [
        ("kubectl", True, True),
        ("kubectl", False, False),
        ("argocd", False, True),
        ("consul-tracing-patch", True, False),
        ("consul-tracing", False, False),
        # A patch that was retained when the object became the stack's own.
        ("consul-tracing-patch", False, True),
    ],
)
def test_a_tracing_key_that_server_side_apply_leaves_in_place_is_rejected(
    manager: str, *, patch: bool, rejected: bool
) -> None:
    there = live({"config": {"envoy_tracing_json": "{}"}}, by(manager, "spec/config/envoy_tracing_json"))
    if not rejected:
        refuse_remaining("ProxyDefaults consul/global", entry(enabled=False), Plan(), there, patch=patch)
        return
    with pytest.raises(Refused) as refused:
        refuse_remaining("ProxyDefaults consul/global", entry(enabled=False), Plan(), there, patch=patch)
    command = "kubectl patch proxydefaults global --namespace consul --type=json"
    assert f"""1. {command} -p '[{{"op":"remove","path":"/spec/config/envoy_tracing_json"}}]'""" in str(refused.value)


def test_the_collectors_cluster_is_taken_out_of_the_clusters_of_others() -> None:
    clusters = f'{STATSD},{{"name":"tracing_collector"}}'
    there = live({"config": {CLUSTERS: clusters}}, by("kubectl", f"spec/config/{CLUSTERS}"))
    declared = entry(enabled=False)
    decided = planned(declared, there, policy("adopt"))
    with pytest.raises(Refused, match='"op":"replace".*statsd'):
        refuse_remaining("ProxyDefaults consul/global", declared, decided, there, patch=True)
    # The key is ours as soon as we declare it.
    refuse_remaining("ProxyDefaults consul/global", entry(), Plan(), there, patch=True)


def test_another_namespace_with_the_meshs_object_is_refused() -> None:
    other = live()
    other["metadata"]["namespace"] = "team-a"
    with pytest.raises(Refused, match="ProxyDefaults team-a/global exists, and a mesh has one"):
        refuse_second_mesh([other], entry())
    refuse_second_mesh([live()], entry())


@pytest.mark.parametrize(
    ("meta", "writer"), [({"pulumi-stack": STACK}, f"by the stack {STACK}"), ({}, "by hand, or by another tool")]
)
def test_an_entry_of_consuls_api_is_described_with_who_wrote_it(meta: dict[str, str], writer: str) -> None:
    there = {"proxy-defaults/global": None, "service-defaults/web": {"Protocol": "http", "Meta": meta}}
    (text,) = in_the_way(there)
    assert text.startswith(f"service-defaults/web in Consul was written over its API, {writer}")


def test_an_entry_of_consul_k8s_is_no_obstacle() -> None:
    assert not list(in_the_way({"proxy-defaults/global": {"Meta": {"external-source": "kubernetes"}}}))


OURS = by("consul-tracing", "spec/config/a", at="2026-11-22T10:00:05Z")


def told(at: str) -> dict[str, Any]:
    return by("consul-k8s-control-plane", "status/conditions", at=at, subresource="status")


@pytest.mark.parametrize(
    ("there", "state"),
    [
        ({}, "waiting"),
        (live({}, OURS), "waiting"),
        (live({}, OURS, told("2026-11-22T10:00:05Z"), synced={"status": "True"}), "synced"),
        (live({}, OURS, told("2026-11-22T10:00:04Z"), synced={"status": "True"}), "waiting"),
        (live({}, OURS, told("2026-11-22T10:00:06Z"), synced={"status": "Unknown"}), "waiting"),
        (
            live({}, OURS, told("2026-11-22T10:00:06Z"), synced={"status": "False", "reason": "ConsulAgentError"}),
            "waiting",
        ),
        (
            live(
                {},
                OURS,
                told("2026-11-22T10:00:06Z"),
                synced={"status": "False", "reason": "ExternallyManagedConfigError"},
            ),
            "refused",
        ),
        (
            live(
                {},
                OURS,
                told("2026-11-22T10:00:04Z"),
                synced={"status": "False", "reason": "ExternallyManagedConfigError"},
            ),
            "waiting",
        ),
    ],
)
def test_the_controllers_word_counts_once_it_is_newer_than_our_change(there: dict[str, Any], state: str) -> None:
    assert sync(there).state == state


def test_a_change_of_nothing_needs_no_new_word() -> None:
    """Whoever adopts what is there to the letter changes nothing, and the controller says nothing."""
    there = live(
        {},
        by("kubectl", "spec/config/a", "spec/config/b", at="2026-11-22T09:00:00Z"),
        OURS,
        told("2026-11-22T09:00:01Z"),
        synced={"status": "True"},
    )
    assert sync(there).state == "synced"


SPEC = {"config": {"a": "1"}}
ANNOTATED = by("consul-tracing", "metadata/annotations/x", "spec/config/a", at="2026-11-22T10:00:05Z")
SAID, SAID_BEFORE = told("2026-11-22T10:00:05Z"), told("2026-11-22T10:00:04Z")


def synced_at(generation: int, *managed: dict[str, Any], noted: str = "", status: str = "True") -> dict[str, Any]:
    noted_as = {"consul-tracing/synced-generation": noted} if noted else {}
    there = live(SPEC, *managed, annotations={"x": "1", **noted_as}, synced={"status": status})
    there["metadata"] |= {"uid": "u", "generation": generation}
    return there


def noted_on(there: dict[str, Any], value: str, spec: dict[str, Any] | None = None) -> str | None:
    """The note that is written when the annotation `x` gets `value`."""
    written = noting_sync({"annotations": {"x": value}}, spec or SPEC, there)
    return cast("str | None", written["annotations"].get("consul-tracing/synced-generation"))


@pytest.mark.parametrize(
    ("there", "state"),
    [
        (synced_at(3, ANNOTATED, SAID_BEFORE), "waiting"),
        (synced_at(3, ANNOTATED, SAID_BEFORE, noted="u/3"), "synced"),
        (synced_at(4, ANNOTATED, SAID_BEFORE, noted="u/3"), "waiting"),
        (synced_at(3, ANNOTATED, SAID_BEFORE, noted="former/3"), "waiting"),
        (synced_at(3, ANNOTATED, SAID_BEFORE, noted="u/3", status="False"), "waiting"),
    ],
)
def test_a_note_proves_the_generation_that_it_names(there: dict[str, Any], state: str) -> None:
    assert sync(there).state == state


def test_a_generation_is_noted_when_a_write_follows_and_consul_has_it() -> None:
    assert noted_on(synced_at(3, ANNOTATED, SAID), "2") == "u/3"
    assert noted_on(synced_at(3, ANNOTATED, SAID), "1", {"config": {"a": "1", "b": "2"}}) == "u/3"


def test_a_run_without_changes_keeps_the_note_as_it_is() -> None:
    assert noted_on(synced_at(3, ANNOTATED, SAID), "1") is None
    assert noted_on(synced_at(4, ANNOTATED, SAID, noted="u/3"), "1") == "u/3"


def test_a_change_of_the_spec_alone_needs_no_note() -> None:
    assert noted_on(synced_at(3, ANNOTATED, SAID), "1", {"config": {"a": "2"}}) is None


def test_what_consul_is_not_known_to_have_is_not_noted() -> None:
    assert noted_on(synced_at(4, ANNOTATED, SAID_BEFORE), "2") is None
    assert noted_on(synced_at(4, ANNOTATED, SAID_BEFORE, noted="u/3"), "2") == "u/3"
    assert noted_on(synced_at(4, ANNOTATED, SAID, status="False"), "2") is None


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("ExternallyManagedConfigError", "target: consul"),
        ("MigrationFailedError", "Declare what Consul has, to the letter"),
        ("ConsulAgentError", "Is the controller running, and does it reach Consul?"),
        ("", "Its controller says: nothing yet"),
    ],
)
def test_a_failed_sync_is_told_with_the_controllers_reason_and_the_way_on(reason: str, hint: str) -> None:
    there = live({}, synced={"status": "False", "reason": reason, "message": "why"} if reason else None)
    text = not_synced_text("ProxyDefaults consul/global", entry(), sync(there), 120)
    assert text.startswith("consul-tracing: ProxyDefaults consul/global is written, and consul-k8s ")
    assert reason in text
    assert hint in text
