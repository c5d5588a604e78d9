"""The wheel, installed into an empty environment."""

import json
import os
import sys
from pathlib import Path

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.documents import code_blocks

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.xdist_group("environment with the wheel")]


@pytest.fixture(scope="module")
def environment(programs: Programs) -> Path:
    """A virtual environment with the wheel and its dependencies, without the development extra."""
    directory = programs.make_directory("install")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    programs.run("pip wheel", [*pip, "wheel", "--no-deps", f"--wheel-dir={directory}", CHECKOUT])
    (wheel,) = directory.glob("consul_tracing-*.whl")
    programs.run("venv", [sys.executable, "-m", "venv", directory / "venv"])
    programs.run("pip install", [directory / "venv/bin/python", *pip[1:], "install", wheel])
    return directory / "venv"


EXAMPLES = ["minimal", "otlp-tls", "datadog", "gateways", "wrapper"]
"""Examples that require neither Kubernetes nor another stack."""


@pytest.mark.parametrize("example", ["README", *EXAMPLES])
def test_example_runs_in_an_empty_environment(programs: Programs, environment: Path, example: str) -> None:
    directory = programs.make_directory("example")
    (directory / "Pulumi.yaml").write_text("name: example\nruntime: python\n")
    program = CHECKOUT / "examples" / example / "__main__.py"
    text = program.read_text() if program.exists() else code_blocks("README.md", "python")[0]
    export_path = "import consul_tracing\npulumi.export('package', consul_tracing.__file__)\n"
    (directory / "__main__.py").write_text(text + export_path)
    path = os.pathsep.join([str(environment / "bin"), toolchain.search_path(), os.environ["PATH"]])
    unreachable = {"consul:address": f"{LOOPBACK}:{free_port()}"}
    output = Project(programs, directory, unreachable, environment={"PATH": path}).preview()
    assert f'"{environment}/' in output
    assert "to create" in output


def test_wheel_is_typed_and_contains_no_test_code(programs: Programs, environment: Path) -> None:
    python = environment / "bin/python"
    packages = programs.run("pip list", [python, "-m", "pip", "list", "--format=freeze"])
    assert "xds" not in packages
    assert "hypothesis" not in packages
    site = Path(programs.run("site", [python, "-c", "import consul_tracing as c; print(c.__path__[0])"]).strip())
    assert (site / "py.typed").exists()
    assert not (site.parent / "demo").exists()


def test_type_checkers_read_the_types_of_the_wheel(programs: Programs, environment: Path) -> None:
    directory = programs.make_directory("typed")
    file = directory / "program.py"
    file.write_text(
        'from consul_tracing import MeshTracing\n\nreveal_type(MeshTracing("a", {"collector": {"host": "z"}}))\n'
    )
    checker = [sys.executable, "-m"]
    options = ["--strict", "--no-incremental", "--config-file=", f"--python-executable={environment / 'bin/python'}"]
    mypy = programs.run("mypy", [*checker, "mypy", *options, file], directory=directory)
    assert 'Revealed type is "consul_tracing.mesh_tracing.MeshTracing"' in mypy
    options = ["--level=error", "--outputjson", f"--pythonpath={environment / 'bin/python'}"]
    pyright = programs.run("pyright", [*checker, "basedpyright", *options, file], directory=directory)
    assert json.loads(pyright)["summary"]["errorCount"] == 0
