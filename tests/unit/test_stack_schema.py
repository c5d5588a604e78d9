"""The JSON Schema of stack files: editors accept what the components accept, and report mistakes."""

import json
from typing import Any

import pytest
import yaml
from hypothesis import given
from jsonschema import Draft7Validator

import consul_tracing
from testbed import CHECKOUT
from tests.unit.meshes import MESHES, mesh
from tests.unit.test_plugin import MESH
from tests.unit.zipkin_collectors import COLLECTORS, EVERYTHING

SCHEMA = "stack.schema.json"
VALIDATOR = Draft7Validator(json.loads((CHECKOUT / "components" / "consul_tracing" / SCHEMA).read_text()))
STACKS = sorted((CHECKOUT / "stacks").glob("*.yaml"))


def is_valid(args: Any) -> bool:
    return VALIDATOR.is_valid({"config": {"consul-tracing:mesh": args}})


@pytest.mark.parametrize("stack", STACKS, ids=lambda path: path.stem)
def test_stack_of_this_repository_is_valid_and_names_the_schema(stack: Any) -> None:
    text = stack.read_text()
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []
    (line,) = (line for line in text.splitlines() if line.startswith("# yaml-language-server: $schema="))
    assert (stack.parent / line.partition("=")[2]).resolve().is_file()


@pytest.mark.parametrize(
    "args",
    [
        MESH,
        {"target": "kubernetes", "zipkin_collector": EVERYTHING},
        {"zipkin_collector": {"run_as_user": None}},
        mesh(sampling={"random": "0.5"}, collector={"host": "zipkin", "port": "9411"}),  # by pulumi config set --path
    ],
)
def test_inputs_are_valid(args: Any) -> None:
    assert is_valid(args)


@given(MESHES)
def test_inputs_that_a_mesh_accepts_are_valid(args: Any) -> None:
    assert is_valid(args)


@given(COLLECTORS)
def test_inputs_that_a_collector_accepts_are_valid(args: Any) -> None:
    assert is_valid({"zipkin_collector": args})


@pytest.mark.parametrize(
    "args",
    [
        "zipkin",
        mesh(colector={}),
        mesh(target="nomad"),
        mesh(enabled="yes"),
        mesh(collector={}),
        mesh(collector={"host": "zipkin", "port": 65536}),
        mesh(collector={"host": "zipkin", "port": "soon"}),
        mesh(sampling={"random": 101}),
        mesh(sampling={"random": "10%"}),
        mesh(tracer={}),
        mesh(tracer={"zipkin": {}, "datadog": {"service_name": "mesh"}}),
        mesh(services={"web": "http"}),
        mesh(services={"web": {"protocol": "HTTP3"}}),
        mesh(tcp_services="db"),
        mesh(envoy_version=1.34),
        {"zipkin_collector": {"replicas": 0}},
        {"zipkin_collector": {"storage": {"elasticsearch": {"hosts": []}}}},
        {"zipkin_collector": {"service": {"type": "ExternalName"}}},
    ],
)
def test_mistakes_are_not_valid(args: Any) -> None:
    assert not is_valid(args)


def test_schema_is_part_of_the_package() -> None:
    assert (CHECKOUT / "components" / "consul_tracing" / SCHEMA).parent.samefile(consul_tracing.__path__[0])
