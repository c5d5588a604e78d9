from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.entries.field_paths import (
    InvalidClustersError,
    body_from,
    decode_path,
    encode_path,
    field_paths,
    path_label,
    split_clusters,
)
from consul_tracing.entries.metadata import MAX_META_LENGTH, is_ownership_metadata, managed_fields, ownership_metadata
from consul_tracing.names import CLUSTERS_KEY, FieldPath

STEPS = st.lists(st.text(min_size=1), min_size=1, max_size=3).map(tuple)
CLUSTER_A = '{ "name" : "a",\n "type":"STATIC" }'
BODY: dict[str, Any] = {
    "MeshGateway": {"Mode": "local"},
    "Config": {"protocol": "http", CLUSTERS_KEY: f'{CLUSTER_A} ,\n{{"name":"b"}}'},
    "Meta": {"team": "core"},
}


def test_field_paths_split_an_entry_by_field_key_and_cluster() -> None:
    assert field_paths(BODY) == {
        ("MeshGateway", "Mode"): "local",
        ("Config", "protocol"): "http",
        ("Config", CLUSTERS_KEY, "a"): CLUSTER_A,
        ("Config", CLUSTERS_KEY, "b"): '{"name":"b"}',
        ("Meta", "team"): "core",
    }


def test_cluster_is_preserved_byte_for_byte() -> None:
    assert body_from(field_paths(BODY))["Config"][CLUSTERS_KEY] == f'{CLUSTER_A},{{"name":"b"}}'


def test_empty_config_has_no_field_paths() -> None:
    assert field_paths({"Config": {}, "Meta": {}}) == {}
    assert body_from({}) == {}


def test_clusters_key_is_case_insensitive() -> None:
    paths = field_paths({"Config": {"Envoy_Extra_Static_Clusters_JSON": CLUSTER_A}})
    assert list(paths) == [("Config", CLUSTERS_KEY, "a")]


@pytest.mark.parametrize("text", ["", " \n"])
def test_blank_text_has_no_clusters(text: str) -> None:
    assert split_clusters(text) == {}


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
def test_invalid_clusters_are_rejected(text: object) -> None:
    with pytest.raises(InvalidClustersError):
        split_clusters(text)


@given(STEPS)
def test_encoded_path_decodes_to_the_same_path(path: FieldPath) -> None:
    assert decode_path(encode_path(path)) == path
    assert "," not in encode_path(path)


@given(st.lists(STEPS, unique=True, max_size=40))
def test_managed_fields_of_any_length_are_read_back(paths: list[FieldPath]) -> None:
    written = ownership_metadata(paths, "acme/mesh/prod", "urn:pulumi:prod::mesh::" + "x" * 600)
    assert managed_fields(written) == frozenset(paths)
    assert all(len(value.encode()) <= MAX_META_LENGTH for value in written.values())


def test_long_list_of_managed_fields_is_split_into_numbered_values() -> None:
    paths = [("Config", f"key_{number:04}") for number in range(600)]
    written = ownership_metadata(paths, "acme/mesh/prod", "urn:pulumi:prod::mesh::" + "x" * 600)
    assert list(written)[2:5] == ["consul-tracing-keys", "consul-tracing-keys-2", "consul-tracing-keys-3"]
    assert "consul-tracing-keys-11" in written
    assert managed_fields(dict(reversed(written.items()))) == frozenset(paths)


def test_ownership_metadata_is_distinguished_from_other_metadata() -> None:
    is_ownership = {
        ("Meta", key): is_ownership_metadata(("Meta", key))
        for key in ("managed-by", "consul-tracing-keys-2", "consul-tracing-resource", "team")
    }
    assert list(is_ownership.values()) == [True, True, True, False]


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (("MeshGateway",), "MeshGateway"),
        (("Config", "protocol"), "protocol"),
        (("Config", CLUSTERS_KEY, "statsd"), "static cluster statsd"),
        (("Meta", "team"), "Meta.team"),
    ],
)
def test_path_has_a_readable_label(path: FieldPath, label: str) -> None:
    assert path_label(path) == label
