import pytest

from toolchain.consul_plugin.config_entry import Change, Unfit, checked_inputs, entry_diff
from toolchain.consul_plugin.entry_address import EntryAddress

GLOBAL = {"kind": "proxy-defaults", "name": "global", "configJson": '{"Config":{"a":1}}'}


@pytest.mark.parametrize(
    ("import_id", "address"),
    [
        ("proxy-defaults/global", EntryAddress("proxy-defaults", "global")),
        ("east/shop/service-defaults/web", EntryAddress("service-defaults", "web", "east", "shop")),
    ],
)
def test_an_import_id_names_an_entry(import_id: str, address: EntryAddress) -> None:
    assert EntryAddress.from_import_id(import_id) == address


@pytest.mark.parametrize("import_id", ["proxy-defaults-global", "a/b/c", "a/b/c/d/e"])
def test_any_other_import_id_is_told_the_forms(import_id: str) -> None:
    with pytest.raises(ValueError, match='"<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"'):
        EntryAddress.from_import_id(import_id)


def test_a_resource_id_joins_kind_and_name() -> None:
    assert EntryAddress("service-defaults", "web", "east", "shop").resource_id == "service-defaults-web"


def test_the_same_entry_in_another_spelling_is_no_change() -> None:
    assert not entry_diff(GLOBAL, {**GLOBAL, "configJson": '{ "Config": { "a": 1.0 } }', "namespace": ""}).changes


def test_another_config_is_an_update() -> None:
    diff = entry_diff(GLOBAL, {**GLOBAL, "configJson": '{"Config":{}}'})
    assert (diff.changes, diff.replaced_by) == ({"configJson": Change.UPDATE}, ())


def test_a_config_not_yet_known_is_an_update() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert entry_diff(GLOBAL, {**GLOBAL, "configJson": unknown}).changes == {"configJson": Change.UPDATE}


def test_an_ignored_change_is_none() -> None:
    assert not entry_diff(GLOBAL, {**GLOBAL, "configJson": "{}"}, ignored=["configJson"]).changes


@pytest.mark.parametrize("key", ["kind", "name", "namespace", "partition"])
def test_another_address_is_another_entry(key: str) -> None:
    diff = entry_diff(GLOBAL, {**GLOBAL, key: "else"})
    assert diff.replaced_by == (key,)


def test_a_replacement_of_the_same_name_lets_the_old_entry_go_first() -> None:
    assert entry_diff(GLOBAL, {**GLOBAL, "namespace": "shop"}).same_name
    assert not entry_diff(GLOBAL, {**GLOBAL, "name": "else"}).same_name


def test_a_missing_kind_is_told() -> None:
    _, failures = checked_inputs({"name": "web"}, {}, "web", b"")
    assert failures == [Unfit("kind", "Missing required property 'kind'")]


def test_an_unknown_property_is_told() -> None:
    _, failures = checked_inputs({**GLOBAL, "config": "{}"}, {}, "web", b"")
    assert [unfit.property for unfit in failures] == ["config"]


def test_a_missing_name_is_made_up_and_then_kept() -> None:
    made_up, _ = checked_inputs({"kind": "service-defaults"}, {}, "web", b"seed")
    again, _ = checked_inputs({"kind": "service-defaults"}, made_up, "web", b"other seed")
    assert made_up["name"].startswith("web-")
    assert again["name"] == made_up["name"]


def test_a_given_name_is_taken_as_it_is() -> None:
    inputs, failures = checked_inputs(GLOBAL, {}, "mesh", b"seed")
    assert (inputs["name"], inputs["__defaults"], failures) == ("global", [], [])
