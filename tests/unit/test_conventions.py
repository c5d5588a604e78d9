"""Coding conventions of the package."""

import subprocess
import sys
from importlib.metadata import requires

import consul_tracing


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
