import pytest

from testbed.consul_stand_in import PluginError
from testbed.consul_stand_in.config_entry import changes, program_inputs
from testbed.consul_stand_in.entry_address import EntryAddress

GLOBAL = {"kind": "proxy-defaults", "name": "global", "configJson": '{"Config":{"a":1}}'}


@pytest.mark.parametrize(
    ("import_id", "address"),
    [
        ("proxy-defaults/global", EntryAddress("proxy-defaults", "global")),
        ("east/shop/service-defaults/web", EntryAddress("service-defaults", "web", "shop", "east")),
    ],
)
def test_import_id_is_parsed(import_id: str, address: EntryAddress) -> None:
    assert EntryAddress.from_import_id(import_id) == address


@pytest.mark.parametrize("import_id", ["proxy-defaults-global", "a/b/c", "a/b/c/d/e"])
def test_invalid_import_id_is_rejected_with_the_supported_forms(import_id: str) -> None:
    with pytest.raises(PluginError, match='"<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"'):
        EntryAddress.from_import_id(import_id)


def test_resource_id_joins_kind_and_name() -> None:
    assert EntryAddress("service-defaults", "web", "shop", "east").resource_id == "service-defaults-web"


def test_equivalent_config_is_not_a_change() -> None:
    assert not changes(GLOBAL, {**GLOBAL, "configJson": '{ "Config": { "a": 1.0 } }', "namespace": ""})


def test_different_config_is_an_update() -> None:
    assert changes(GLOBAL, {**GLOBAL, "configJson": '{"Config":{}}'}) == {"configJson": "UPDATE"}


def test_unknown_config_is_an_update() -> None:
    unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
    assert changes(GLOBAL, {**GLOBAL, "configJson": unknown}) == {"configJson": "UPDATE"}


def test_ignored_change_is_not_a_change() -> None:
    assert not changes(GLOBAL, {**GLOBAL, "configJson": "{}"}, ignored=["configJson"])


@pytest.mark.parametrize(
    ("key", "change"),
    [
        ("kind", "UPDATE_REPLACE"),
        ("name", "UPDATE_REPLACE"),
        ("namespace", "ADD_REPLACE"),
        ("partition", "ADD_REPLACE"),
    ],
)
def test_change_of_the_address_is_a_replacement(key: str, change: str) -> None:
    assert changes(GLOBAL, {**GLOBAL, key: "other"})[key] == change


def test_missing_name_is_rejected() -> None:
    with pytest.raises(PluginError, match="name: is required"):
        program_inputs({"kind": "service-defaults"})
