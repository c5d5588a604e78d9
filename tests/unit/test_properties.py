"""Properties of all valid and invalid arguments."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing import InvalidInputError
from consul_tracing.entries.bodies import bootstrap_hash, proxy_defaults, service_defaults, tracing_config
from consul_tracing.entries.registrations import annotations_of, proxy_annotations, proxy_config
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.names import LISTENER_KEY, TRACER_KEY
from tests.unit.envoy_messages import parse_config
from tests.unit.meshes import JSON, MESHES, mesh, reordered, text_of

SERVICE_NAME = st.text(min_size=1, max_size=12).filter(
    lambda name: name.isprintable() and not any(one.isspace() or one in "/*" for one in name)
)
KEYS = sorted(MeshSettings.model_fields)


def bodies(args: dict[str, Any]) -> list[str]:
    settings = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    entries = [proxy_defaults(settings), *service_defaults(settings).values()]
    return [text_of(entry) for entry in entries]


@given(MESHES)
def test_accepted_arguments_give_valid_envoy_configuration(args: dict[str, Any]) -> None:
    parse_config(json.loads(bodies(args)[0]).get("Config", {}))


@given(MESHES)
def test_keys_of_a_proxy_are_valid_and_differ_from_those_of_the_mesh(args: dict[str, Any]) -> None:
    settings = MeshSettings.of("mesh", args)
    mesh_keys, proxies = tracing_config(settings), proxies_of(settings)
    assert proxies.keys() == settings.service_names | {"*"}
    for service, proxy in proxies.items():
        config = proxy_config(settings, proxy)
        parse_config(config)
        assert config.items().isdisjoint(mesh_keys.items())
        assert config.keys() <= {TRACER_KEY, LISTENER_KEY}
        annotations = proxy_annotations(settings)[service]
        assert [json.loads(text) for text in annotations.values()] == ([config] if config else [])


@given(MESHES, SERVICE_NAME)
def test_template_of_the_annotations_is_that_of_any_service(args: dict[str, Any], name: str) -> None:
    args = {**args, "services": {}, "tcp_services": [], "tags": {}}
    declared = proxy_annotations(MeshSettings.of("mesh", {**args, "services": {name: {"protocol": "http"}}}))
    template = annotations_of(name, {"*": proxy_annotations(MeshSettings.of("mesh", args))["*"]})
    # Only the template has the name of the mesh if the service has the same name.
    assert declared[name] in ({}, template)


@given(MESHES)
def test_key_order_of_the_input_does_not_change_the_entries(args: dict[str, Any]) -> None:
    assert bodies(reordered(args)) == bodies(args)
    one, other = (MeshSettings.of("mesh", given_args) for given_args in (args, reordered(args)))  # type: ignore[arg-type]
    assert bootstrap_hash(proxy_defaults(one).body) == bootstrap_hash(proxy_defaults(other).body)


@given(MESHES)
def test_arguments_are_not_modified(args: dict[str, Any]) -> None:
    before = json.dumps(args)
    bodies(args)
    assert json.dumps(args) == before


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=4))
def test_invalid_value_is_rejected_with_invalid_input_error(invalid: dict[str, Any]) -> None:
    try:
        MeshSettings.of("mesh", mesh(**invalid))
    except InvalidInputError as error:
        assert error.problems
        assert str(error).startswith("consul-tracing: ")


@given(
    st.recursive(
        JSON, lambda inner: st.dictionaries(st.sampled_from([*KEYS, "host", "zipkin", "tls"]), inner), max_leaves=8
    )
)
def test_arguments_of_any_shape_raise_only_invalid_input_error(args: Any) -> None:
    try:
        MeshSettings.of("mesh", args)
    except InvalidInputError as error:
        assert error.problems


@pytest.mark.parametrize("args", [None, [], "mesh", 3])
def test_arguments_that_are_not_a_map_are_rejected(args: Any) -> None:
    with pytest.raises(InvalidInputError, match="args: must be a map"):
        MeshSettings.of("mesh", args)
