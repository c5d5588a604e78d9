"""Python, YAML and JSON in pages: it parses, its imports exist, and the components accept its inputs."""

import ast
import importlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

from consul_tracing.errors import InputError
from consul_tracing.inputs.entry_settings import ServiceProtocolsSettings
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
from tests.docs.outputs import shown_outputs
from tests.docs.pages import PAGES, Block, blocks
from tests.unit.meshes import settings

COMPONENTS = {
    "MeshTracing": MeshSettings,
    "ServiceProtocols": ServiceProtocolsSettings,
    "ZipkinCollector": ZipkinCollectorSettings,
}
PULUMI_OPTIONS = {"opts"}
OMITTED = "…"
PYTHON = [block for page in PAGES for block in blocks(page) if block.language == "python"]
YAML = [block for page in PAGES for block in blocks(page) if block.language == "yaml"]
REJECTED = {
    content
    for page in PAGES
    for shown in shown_outputs(blocks(page))
    if shown.exit_code
    for content in shown.files.values()
}
"""Files with mistakes: their commands fail with an output that is compared."""
JSON = [block for page in PAGES for block in blocks(page) if block.language == "json"]


def tree(block: Block) -> ast.Module:
    """Parse a block. An omission may replace an entry of a dictionary or an argument."""
    text = block.content.replace(f", {OMITTED}", "").replace(f"{{{OMITTED}}}", "{}")
    return ast.parse(text, filename=str(block))


def value(node: ast.expr, variables: Mapping[str, ast.expr]) -> Any:
    """Return the value of an expression. Another name or a call, which may be the Output of a resource, is a text."""
    match node:
        case ast.Dict():
            pairs = zip(node.keys, node.values, strict=True)
            return {ast.literal_eval(key): value(item, variables) for key, item in pairs if key}
        case ast.List():
            return [value(item, variables) for item in node.elts]
        case ast.Constant():
            return node.value
        case ast.Name() if isinstance(variables.get(node.id), ast.Dict | ast.List | ast.Constant):
            return value(variables[node.id], variables)
    return "text"


def assignments(module: ast.Module) -> dict[str, ast.expr]:
    return {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def inputs(module: ast.Module) -> Iterator[tuple[str, dict[str, Any]]]:
    """Return the component and the inputs of each call."""
    names = assignments(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in COMPONENTS:
            maps = [value(argument, names) for argument in node.args[1:2] if isinstance(argument, ast.Dict)]
            given = {one.arg: one.value for one in node.keywords if one.arg and one.arg not in PULUMI_OPTIONS}
            keywords = {name: value(one, names) for name, one in given.items()}
            if maps or keywords:
                yield node.func.id, {**(maps[0] if maps else {}), **keywords}


def missing_imports(module: ast.Module) -> list[str]:
    """Return the names of this package that a program imports and that do not exist."""
    return [
        f"{node.module}.{name.name}"
        for node in ast.walk(module)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("consul_tracing")
        for name in node.names
        if not hasattr(importlib.import_module(str(node.module)), name.name)
    ]


@pytest.mark.parametrize("block", PYTHON, ids=str)
def test_program_has_existing_imports_and_valid_inputs(block: Block) -> None:
    module = tree(block)
    assert missing_imports(module) == []
    for component, args in inputs(module):
        COMPONENTS[component].of("example", args)


def stack_inputs(block: Block) -> dict[str, Any] | None:
    """Return the inputs in a stack file or in a file of inputs such as mesh.yaml, None in another file."""
    content = yaml.safe_load(block.content) if "consul-tracing:mesh" in block.content or block.file else None
    if not isinstance(content, dict):
        return None
    configured = content.get("config", {}).get("consul-tracing:mesh")
    return configured or (content if {"collector", "services"} & content.keys() else None)


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_parses_and_has_valid_inputs(block: Block) -> None:
    list(yaml.safe_load_all(block.content))
    args = stack_inputs(block)
    if args and block.content not in REJECTED:
        settings(**args)


def test_inputs_of_stack_files_are_found() -> None:
    assert sum(stack_inputs(block) is not None for block in YAML) >= 3
    stack = Block("page.md", 1, "yaml", "", "config: {'consul-tracing:mesh': {colector: {host: zipkin}}}\n", "")
    with pytest.raises(InputError, match="colector"):
        settings(**(stack_inputs(stack) or {}))


@pytest.mark.parametrize("block", JSON, ids=str)
def test_json_parses(block: Block) -> None:
    json.loads(block.content)


def test_inputs_are_found() -> None:
    assert sum(len(list(inputs(tree(block)))) for block in PYTHON) >= 5


def test_wrong_program_is_found() -> None:
    text = 'from consul_tracing import MeshTracking\nmesh = MeshTracing("mesh", {"colector": {"host": zipkin.host}})\n'
    module = tree(Block("page.md", 1, "python", "", text, ""))
    assert missing_imports(module) == ["consul_tracing.MeshTracking"]
    ((component, args),) = inputs(module)
    with pytest.raises(InputError, match="colector"):
        COMPONENTS[component].of("example", args)
