from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.marks import LONGEST_META, is_mark, marked_parts, marks
from consul_tracing.parts import (
    CLUSTERS_KEY,
    Part,
    UnreadableClusters,
    body_of,
    clusters_of,
    parts_of,
    read_back,
    readable,
    written_down,
)

STEPS = st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)
CLUSTER_A = '{ "name" : "a",\n "type":"STATIC" }'
BODY: dict[str, Any] = {
    "MeshGateway": {"Mode": "local"},
    "Config": {"protocol": "http", CLUSTERS_KEY: f'{CLUSTER_A} ,\n{{"name":"b"}}'},
    "Meta": {"team": "core"},
}


def test_an_entry_is_shared_field_by_field_key_by_key_and_cluster_by_cluster() -> None:
    assert parts_of(BODY) == {
        ("MeshGateway", "Mode"): "local",
        ("Config", "protocol"): "http",
        ("Config", CLUSTERS_KEY, "a"): CLUSTER_A,
        ("Config", CLUSTERS_KEY, "b"): '{"name":"b"}',
        ("Meta", "team"): "core",
    }


def test_a_cluster_keeps_its_bytes() -> None:
    assert body_of(parts_of(BODY))["Config"][CLUSTERS_KEY] == f'{CLUSTER_A},{{"name":"b"}}'


def test_an_entry_without_config_has_no_parts_there() -> None:
    assert parts_of({"Config": {}, "Meta": {}}) == {}
    assert body_of({}) == {}


def test_the_clusters_key_is_found_however_it_is_written() -> None:
    parts = parts_of({"Config": {"Envoy_Extra_Static_Clusters_JSON": CLUSTER_A}})
    assert list(parts) == [("Config", CLUSTERS_KEY, "a")]


@pytest.mark.parametrize("text", ["", " \n"])
def test_no_clusters_are_no_clusters(text: str) -> None:
    assert clusters_of(text) == {}


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"name":"a"}{"name":"b"}',
        '{"name":"a"},',
        ',{"name":"a"}',
        '{"name":"a"} , , {"name":"b"}',
        '[{"name":"a"}]',
        '{"name":"a"},{"name":"a"}',
        '{"x":1}',
        '"a"',
        7,
    ],
)
def test_clusters_that_cannot_be_told_apart_are_said_to_be(text: object) -> None:
    with pytest.raises(UnreadableClusters):
        clusters_of(text)


@given(STEPS)
def test_a_part_is_read_back_as_it_was_written_down(part: Part) -> None:
    assert read_back(written_down(part)) == part
    assert "," not in written_down(part)


@given(st.lists(STEPS, unique=True, max_size=40))
def test_the_list_of_parts_is_read_back_however_long_it_is(parts: list[Part]) -> None:
    written = marks(parts, "acme/mesh/prod", "urn:pulumi:prod::mesh::" + "x" * 600)
    assert marked_parts(written) == frozenset(parts)
    assert all(len(value.encode()) <= LONGEST_META for value in written.values())


def test_a_long_list_goes_on_in_numbered_values_in_their_order() -> None:
    parts = [("Config", f"key_{number:04}") for number in range(600)]
    written = marks(parts, "acme/mesh/prod", "urn:pulumi:prod::mesh::" + "x" * 600)
    assert list(written)[2:5] == ["consul-tracing-keys", "consul-tracing-keys-2", "consul-tracing-keys-3"]
    assert "consul-tracing-keys-11" in written
    assert marked_parts(dict(reversed(written.items()))) == frozenset(parts)


def test_marks_are_told_from_what_others_note() -> None:
    noted = {
        ("Meta", key): is_mark(("Meta", key))
        for key in ("managed-by", "consul-tracing-keys-2", "consul-tracing-resource", "team")
    }
    assert list(noted.values()) == [True, True, True, False]


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (("MeshGateway",), "MeshGateway"),
        (("Config", "protocol"), "protocol"),
        (("Config", CLUSTERS_KEY, "statsd"), "the static cluster statsd"),
        (("Meta", "team"), "Meta.team"),
    ],
)
def test_a_part_has_a_name_for_people(part: Part, told: str) -> None:
    assert readable(part) == told
