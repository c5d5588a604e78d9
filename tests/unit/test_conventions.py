"""The rules of the house, held by a test instead of by review."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest

import consul_tracing

PACKAGE = Path(consul_tracing.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
PURE = [
    "advice",
    "collector_fields",
    "collector_settings",
    "custom_resources",
    "entries",
    "envoy",
    "fields",
    "free_form",
    "marks",
    "ownership",
    "parts",
    "places",
    "settings",
    "switch_over",
    "zipkin_manifests",
]


def tree(module: Path) -> ast.Module:
    return ast.parse(module.read_text())


def components() -> Iterator[ast.FunctionDef]:
    for module in MODULES:
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.ClassDef) and any("ComponentResource" in ast.unparse(base) for base in node.bases):
                yield next(item for item in node.body if isinstance(item, ast.FunctionDef) and item.name == "__init__")


def test_register_outputs_is_the_last_statement_of_every_component_and_stands_once() -> None:
    found = list(components())
    assert found
    for constructor in found:
        assert ast.unparse(constructor.body[-1]).startswith("self.register_outputs(")
        assert ast.unparse(constructor).count("register_outputs(") == 1


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_resource_and_read_no_environment(name: str) -> None:
    source = (PACKAGE / f"{name}.py").read_text()
    assert "import pulumi_" not in source
    assert "from pulumi_" not in source
    assert "os.environ" not in source


def test_every_argument_is_a_setting_and_every_setting_an_argument() -> None:
    from consul_tracing import args, settings  # noqa: PLC0415 - read as data, in this test alone

    for name in ("Tls", "Collector", "Zipkin", "OpenTelemetry", "Datadog", "Tracer", "Sampling", "Tag", "Service"):
        assert getattr(args, f"{name}Args").__annotations__.keys() == getattr(settings, name).model_fields.keys()
    assert args.MeshTracingArgs.__annotations__.keys() == settings.MeshSettings.model_fields.keys()


def test_public_names_exist() -> None:
    assert [name for name in consul_tracing.__all__ if not hasattr(consul_tracing, name)] == []


def test_importing_the_package_loads_nothing_heavy() -> None:
    """`kubernetes` is optional, `pydantic` is slow to import, and `envoy` is for the tests alone."""
    heavy = {"envoy", "kubernetes", "pulumi_kubernetes", "pydantic"}
    program = f"import sys, consul_tracing; print({heavy} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "set()"


def test_users_never_get_envoys_messages() -> None:
    needed = [requirement for requirement in requires("consul-tracing") or [] if "extra ==" not in requirement]
    assert not any("xds" in requirement for requirement in needed)
