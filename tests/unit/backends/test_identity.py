"""Which resource of the state holds a declared entry: plain data in, decision out."""

from collections.abc import Mapping
from typing import Any

import pytest

from consul_tracing.backends.identity import (
    CONFIG_ENTRY,
    Claim,
    Provider,
    Stack,
    former_resources,
    identity_of,
    object_type,
    patch_type,
)
from consul_tracing.entries.entry import Entry, Identity
from consul_tracing.run_errors import ConflictError

ROOT = f"urn:pulumi:prod::mesh::{CONFIG_ENTRY}::"
COMPONENT = "urn:pulumi:prod::mesh::consul-tracing:index:MeshTracing::mesh"
CHILD = f"urn:pulumi:prod::mesh::consul-tracing:index:MeshTracing${CONFIG_ENTRY}::"
OWN, RENAMED, RAW, OF_ANOTHER_COMPONENT = (
    f"{CHILD}mesh-service-web",
    f"{CHILD}mesh-service-old",
    f"{ROOT}web",
    f"{CHILD}dc2-service-web",
)
WEB, API = Entry("service-defaults", "web", {}).identity, Entry("service-defaults", "api", {}).identity


def former(
    *holders: str,
    proven: str = "",
    is_live: bool = True,
    one_mesh: bool = True,
    resources: tuple[str, ...] = (),
    declared: Mapping[str, Identity | None] | None = None,
) -> str:
    """Return the resource that the one of the service web takes over, or `rejected`."""
    claim = Claim("service-defaults/web", WEB, OWN, is_live, frozenset(holders), frozenset({proven} - {""}))
    stack = Stack(COMPONENT, one_mesh, frozenset({*holders, *resources}), {OWN: WEB, **(declared or {})})
    try:
        return former_resources([claim], stack).get(OWN, "")
    except ConflictError:
        return "rejected"


def test_entry_without_holders_takes_nothing_over() -> None:
    assert former() == ""
    assert former(OWN) == ""


@pytest.mark.parametrize("holder", [RAW, RENAMED, OF_ANOTHER_COMPONENT])
@pytest.mark.parametrize("is_live", [True, False])
def test_only_holder_is_taken_over(holder: str, is_live: bool) -> None:  # noqa: FBT001 - test data
    assert former(holder, is_live=is_live) == holder


def test_holder_beside_the_own_resource_is_rejected() -> None:
    assert former(OWN, RAW) == "rejected"
    assert former(OWN, RAW, proven=OWN) == "rejected"
    assert former(RENAMED, RAW, proven=RENAMED) == "rejected"


def test_own_resource_of_another_entry_cannot_take_over() -> None:
    assert former(RAW, resources=(OWN,)) == "rejected"


def test_holder_that_the_program_gives_to_another_entry_is_rejected() -> None:
    assert former(RENAMED, declared={RENAMED: API}) == "rejected"


def test_holder_that_the_program_has_registered_with_the_same_provider_is_rejected() -> None:
    assert former(RAW, declared={RAW: None}) == "rejected"


def test_holder_that_the_program_has_declared_for_another_mesh_is_ignored() -> None:
    assert former(OF_ANOTHER_COMPONENT, declared={OF_ANOTHER_COMPONENT: WEB}) == ""


def test_holder_of_another_package_is_rejected() -> None:
    assert former(f"urn:pulumi:prod::mesh::{object_type('service-defaults')}::web") == "rejected"


def test_raw_resource_that_may_belong_to_another_mesh_is_rejected() -> None:
    assert former(RAW, one_mesh=False) == "rejected"
    assert former(OWN, RAW, one_mesh=False) == "rejected"


def test_missing_entry_of_a_mesh_has_no_holder_in_another_one() -> None:
    assert former(RAW, OF_ANOTHER_COMPONENT, one_mesh=False, is_live=False) == ""


@pytest.mark.parametrize("is_live", [True, False])
def test_resource_of_the_same_component_is_taken_over(is_live: bool) -> None:  # noqa: FBT001 - test data
    assert former(RENAMED, one_mesh=False, is_live=is_live) == RENAMED


def test_resource_that_the_live_entry_names_is_taken_over() -> None:
    assert former(OF_ANOTHER_COMPONENT, proven=OF_ANOTHER_COMPONENT, one_mesh=False) == OF_ANOTHER_COMPONENT


def test_live_entry_that_names_the_own_resource_has_no_other_holder() -> None:
    assert former(OWN, RAW, OF_ANOTHER_COMPONENT, proven=OWN, one_mesh=False) == ""


def test_components_of_two_meshes_may_hold_entries_of_one_name() -> None:
    assert former(OWN, OF_ANOTHER_COMPONENT, one_mesh=False) == ""
    # A renamed component whose entry lost its metadata cannot be told from one of another mesh.
    assert former(OF_ANOTHER_COMPONENT, one_mesh=False) == "rejected"


def test_rejection_lists_the_commands_for_all_entries() -> None:
    claims = [
        Claim(title, WEB, f"{CHILD}{title}", is_live=True, holders=frozenset({f"{ROOT}{title}", f"{CHILD}{title}"}))
        for title in ("service-defaults/web", "proxy-defaults/global")
    ]
    stack = Stack(COMPONENT, is_one_mesh=True, resources=frozenset().union(*(claim.holders for claim in claims)))
    with pytest.raises(ConflictError, match="CT207: proxy-defaults/global, service-defaults/web: ") as rejected:
        former_resources(claims, stack)
    assert str(rejected.value).splitlines()[-4:-1] == [
        f"    1. pulumi state delete '{ROOT}proxy-defaults/global'",
        f"    2. pulumi state delete '{ROOT}service-defaults/web'",
        "    3. pulumi up --refresh",
    ]


def provider(name: str, package: str = "consul") -> str:
    return f"urn:pulumi:prod::mesh::pulumi:providers:{package}::{name}"


A, B = {"address": "a:8500", "token": "x"}, {"address": "b:8500"}


@pytest.mark.parametrize(
    ("used", "in_state", "expected"),
    [
        (None, {}, True),
        (None, {provider("default_3_15_2"): {}}, True),
        (None, {provider("default_3_12_1"): A, provider("default_3_15_2"): A}, True),
        (provider("mesh"), {provider("default_3_15_2"): {**A, "token": "y"}, provider("mesh"): A}, True),
        (provider("mesh"), {provider("mesh"): A, provider("default", "kubernetes"): B}, True),
        (provider("mesh"), {provider("mesh"): A, provider("other"): B}, False),
        (None, {provider("default_3_15_2"): A, provider("other"): {**A, "datacenter": "dc2"}}, False),
        (provider("mesh"), {provider("default_3_15_2"): A}, False),
        (None, {provider("mesh"): A}, False),
    ],
)
def test_providers_of_one_mesh(used: str | None, in_state: dict[str, Any], expected: bool) -> None:  # noqa: FBT001 - test data
    assert Provider("consul", used).is_only_mesh(in_state) == expected


@pytest.mark.parametrize(
    ("resource_type", "properties", "identity"),
    [
        (CONFIG_ENTRY, {"kind": "service-defaults", "name": "web"}, WEB),
        (CONFIG_ENTRY, {"kind": "service-defaults", "name": "web", "namespace": "default", "partition": ""}, WEB),
        (CONFIG_ENTRY, {"kind": "service-defaults", "name": "web", "namespace": "shop"}, (*WEB[:2], "shop", "default")),
        (object_type("service-defaults"), {"metadata": {"name": "web"}}, WEB),
        (patch_type("service-defaults"), {"metadata": {"name": "web", "namespace": "default"}}, WEB),
        ("kubernetes:core/v1:Service", {"metadata": {"name": "web"}}, None),
    ],
)
def test_identity_of_an_entry(resource_type: str, properties: dict[str, Any], identity: Identity | None) -> None:
    assert identity_of(resource_type, properties) == identity
