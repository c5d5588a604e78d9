"""Entries as custom resources: what is applied, what of a live object is whose, and whether Consul has it."""

from typing import Any, cast

import pytest

from consul_tracing.custom_resources import (
    body,
    camel_case,
    is_patched,
    metadata,
    not_synced_text,
    refuse_entries_of_consuls_api,
    refuse_second_mesh,
    spec,
    sync,
    would_go,
)
from consul_tracing.entries import Entry, proxy_defaults, service_defaults
from consul_tracing.errors import Refused
from consul_tracing.marks import marks
from consul_tracing.ownership import Decision, Existing, Policy, decide
from consul_tracing.parts import parts_of
from consul_tracing.places import KUBERNETES_API
from tests.unit.meshes import STACK, URN, settings

CLUSTERS = "envoy_extra_static_clusters_json"
STATSD = '{"name":"statsd"}'


def policy(existing: Existing = "refuse") -> Policy:
    return Policy(existing, STACK, place=KUBERNETES_API)


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
    return spec(declared, Decision(), None, patch=False)


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
    decision = decide(declared, body(there), policy(), "mesh")
    assert decision.kept == {("MeshGateway", "Mode"): "local"}
    assert ("meshGateway" in spec(declared, decision, there, patch=False)) is repeated


def test_what_others_wrote_into_their_object_is_never_repeated() -> None:
    declared, there = entry(), live({"meshGateway": {"mode": "local"}}, by("kubectl-edit", "spec/meshGateway"))
    decision = decide(declared, body(there), policy("adopt"), "mesh")
    assert set(spec(declared, decision, there, patch=True)) == {"config"}


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
    decision = decide(declared, body(there), policy("adopt"), "mesh")
    applied = spec(declared, decision, there, patch=True)["config"][CLUSTERS]
    assert applied.startswith(STATSD)
    assert '"tracing_collector"' in applied


@pytest.mark.parametrize(("co_owner", "applied"), [("consul-tracing-patch", True), ("kubectl", False)])
def test_clusters_of_others_stay_with_us_for_as_long_as_nobody_else_holds_them(co_owner: str, *, applied: bool) -> None:
    declared = entry(enabled=False)
    path = f"spec/config/{CLUSTERS}"
    there = live({"config": {CLUSTERS: STATSD}}, by("consul-tracing-patch", path), by(co_owner, path))
    decision = decide(declared, body(there), policy("adopt"), "mesh")
    assert (spec(declared, decision, there, patch=True).get("config") == {CLUSTERS: STATSD}) is applied


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
    ],
)
def test_an_object_of_others_is_patched_and_stays_so(there: Any, existing: Existing, *, patched: bool) -> None:
    assert is_patched(there, policy(existing)) is patched


def test_a_refusal_names_the_object_and_its_import() -> None:
    with pytest.raises(Refused) as refused:
        decide(entry(), body(live({"meshGateway": {"mode": "local"}})), policy(), "mesh-proxy-defaults")
    assert "ProxyDefaults consul/global was not written by this stack" in str(refused.value)
    assert "It holds MeshGateway.Mode, which would be lost." in str(refused.value)
    kind = "kubernetes:consul.hashicorp.com/v1alpha1:ProxyDefaults"
    assert f"pulumi import {kind} mesh-proxy-defaults consul/global" in str(refused.value)


def test_another_namespace_with_the_meshs_object_is_refused() -> None:
    other = live()
    other["metadata"]["namespace"] = "team-a"
    with pytest.raises(Refused, match="ProxyDefaults team-a/global exists, and a mesh has one"):
        refuse_second_mesh([other], entry())
    refuse_second_mesh([live()], entry())


@pytest.mark.parametrize(
    ("meta", "writer"), [({"pulumi-stack": STACK}, f"by the stack {STACK}"), ({}, "by hand, or by another tool")]
)
def test_an_entry_of_consuls_api_is_refused_with_who_wrote_it(meta: dict[str, str], writer: str) -> None:
    there = {"proxy-defaults/global": None, "service-defaults/web": {"Protocol": "http", "Meta": meta}}
    with pytest.raises(Refused, match=f"service-defaults/web in Consul was written over its API, {writer}"):
        refuse_entries_of_consuls_api(there)


def test_an_entry_of_consul_k8s_is_no_obstacle() -> None:
    refuse_entries_of_consuls_api({"proxy-defaults/global": {"Meta": {"external-source": "kubernetes"}}})


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
