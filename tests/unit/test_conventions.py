"""Coding conventions of the package."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import consul_tracing
from consul_tracing.inputs import entry_settings, mesh_args, mesh_settings
from consul_tracing.inputs.service_protocols_args import ServiceProtocolsArgs

PACKAGE = Path(consul_tracing.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


def components() -> Iterator[ast.FunctionDef]:
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Component" for base in node.bases):
                functions = [item for item in node.body if isinstance(item, ast.FunctionDef)]
                # The first ones may be overloads.
                yield [item for item in functions if item.name == "__init__"][-1]


def test_register_outputs_is_called_once_as_the_last_statement_of_a_component() -> None:
    constructors = list(components())
    assert len(constructors) == 3
    for constructor in constructors:
        assert ast.unparse(constructor.body[-1]).startswith("self.register_outputs(")
        assert ast.unparse(constructor).count("register_outputs(") == 1


def test_arguments_and_settings_have_the_same_fields() -> None:
    pairs: dict[Any, Any] = {
        mesh_args.MeshTracingArgs: mesh_settings.MeshSettings,
        mesh_args.MetadataArgs: entry_settings.Metadata,
        mesh_args.ServiceArgs: entry_settings.Service,
        mesh_args.SpanArgs: mesh_settings.Spans,
        ServiceProtocolsArgs: entry_settings.ServiceProtocolsSettings,
    }
    for name in ("Tls", "Collector", "Zipkin", "OpenTelemetry", "Datadog", "Tracer", "Sampling", "Tag"):
        pairs[getattr(mesh_args, f"{name}Args")] = getattr(mesh_settings, name)
    for args, group in pairs.items():
        assert args.__annotations__.keys() == group.model_fields.keys()


def test_public_names_exist() -> None:
    assert [name for name in consul_tracing.__all__ if not hasattr(consul_tracing, name)] == []


def test_package_import_loads_no_heavy_dependency() -> None:
    """`kubernetes` is optional, `pydantic` is slow to import, and only tests use `envoy`."""
    heavy = {"envoy", "kubernetes", "pulumi_kubernetes", "pydantic"}
    program = f"import sys, consul_tracing; print({heavy} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


def test_envoy_messages_are_not_a_dependency_of_the_package() -> None:
    dependencies = [requirement for requirement in requires("consul-tracing") or [] if "extra ==" not in requirement]
    assert not any("xds" in requirement for requirement in dependencies)
