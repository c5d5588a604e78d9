"""What holds for every mesh that can be written down, and for every one that cannot."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing import InvalidInput
from consul_tracing.entries import bootstrap_hash, proxy_defaults, service_defaults
from consul_tracing.settings import MeshSettings
from tests.unit.envoy_messages import parse_config
from tests.unit.meshes import JSON, MESHES, mesh, reordered, text_of

KEYS = sorted(MeshSettings.model_fields)


def bodies(args: dict[str, Any]) -> list[str]:
    settings = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    entries = [proxy_defaults(settings), *service_defaults(settings).values()]
    return [text_of(entry) for entry in entries]


@given(MESHES)
def test_whatever_is_accepted_is_what_envoy_parses(args: dict[str, Any]) -> None:
    parse_config(json.loads(bodies(args)[0]).get("Config", {}))


@given(MESHES)
def test_the_same_input_in_another_key_order_gives_the_same_bytes(args: dict[str, Any]) -> None:
    assert bodies(reordered(args)) == bodies(args)
    one, other = (MeshSettings.of("mesh", given_args) for given_args in (args, reordered(args)))  # type: ignore[arg-type]
    assert bootstrap_hash(proxy_defaults(one).body) == bootstrap_hash(proxy_defaults(other).body)


@given(MESHES)
def test_the_arguments_are_left_as_they_were(args: dict[str, Any]) -> None:
    before = json.dumps(args)
    bodies(args)
    assert json.dumps(args) == before


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_whatever_is_refused_is_refused_with_invalid_input(wrong: dict[str, Any]) -> None:
    try:
        MeshSettings.of("mesh", mesh(**wrong))
    except InvalidInput as refusal:
        assert refusal.problems
        assert str(refusal).startswith("consul-tracing: ")


@given(
    st.recursive(
        JSON, lambda inner: st.dictionaries(st.sampled_from([*KEYS, "host", "zipkin", "tls"]), inner), max_leaves=8
    )
)
def test_arguments_of_any_shape_are_accepted_or_refused_and_never_crash(args: Any) -> None:
    try:
        MeshSettings.of("mesh", args)
    except InvalidInput as refusal:
        assert refusal.problems


@pytest.mark.parametrize("args", [None, [], "mesh", 3])
def test_arguments_that_are_no_map_are_refused(args: Any) -> None:
    with pytest.raises(InvalidInput, match="is not a map"):
        MeshSettings.of("mesh", args)
