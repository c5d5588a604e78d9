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


def test_arguments_are_validated_before_a_component_is_registered() -> None:
    for constructor in components():
        statements = [ast.unparse(statement) for statement in constructor.body]
        registered = next(i for i, statement in enumerate(statements) if "super().__init__" in statement)
        assert any(".of(name, args)" in statement for statement in statements[:registered])


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_resource_and_read_no_environment(name: str) -> None:
    source = (PACKAGE / f"{name}.py").read_text()
    assert "import pulumi_" not in source
    assert "from pulumi_" not in source
    assert "os.environ" not in source


@pytest.mark.parametrize("name", ["args", "collector_args", "mesh_tracing", "zipkin_collector"])
def test_annotations_that_pulumi_reads_are_not_postponed(name: str) -> None:
    assert "from __future__" not in "\n".join(
        ast.unparse(node) for node in tree(PACKAGE / f"{name}.py").body if isinstance(node, ast.ImportFrom)
    )


def test_every_field_that_callers_write_has_a_docstring() -> None:
    for node in [*ast.walk(tree(PACKAGE / "args.py")), *ast.walk(tree(PACKAGE / "collector_args.py"))]:
        if isinstance(node, ast.ClassDef):
            for field, after in zip(node.body, [*node.body[1:], None], strict=True):
                if isinstance(field, ast.AnnAssign):
                    assert isinstance(after, ast.Expr), f"{node.name}.{ast.unparse(field.target)}"


def test_every_argument_is_a_setting_and_every_setting_an_argument() -> None:
    from consul_tracing import args, settings  # noqa: PLC0415 - read as data, in this test alone

    for name in ("Tls", "Collector", "Zipkin", "OpenTelemetry", "Datadog", "Tracer", "Sampling", "Tag", "Service"):
        assert getattr(args, f"{name}Args").__annotations__.keys() == getattr(settings, name).model_fields.keys()
    assert args.MeshTracingArgs.__annotations__.keys() == settings.MeshSettings.model_fields.keys()


def test_public_names_are_sorted_and_all_there() -> None:
    assert consul_tracing.__all__ == sorted(consul_tracing.__all__)
    assert all(hasattr(consul_tracing, name) for name in consul_tracing.__all__)


def test_a_program_without_kubernetes_does_not_pay_for_it() -> None:
    loaded = "import sys, consul_tracing; print({'kubernetes', 'pulumi_kubernetes', 'pydantic'} & sys.modules.keys())"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "set()"


def test_users_never_get_envoys_messages() -> None:
    needed = [requirement for requirement in requires("consul-tracing") or [] if "extra ==" not in requirement]
    assert not any("xds" in requirement for requirement in needed)
    loaded = "import sys, consul_tracing; print(any(name.startswith('envoy.') for name in sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", loaded], text=True).strip() == "False"
