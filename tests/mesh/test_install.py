"""The files of a release, and the wheel, installed into an empty environment."""

import hashlib
import json
import os
import shutil
import sys
import tarfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import toolchain
from testbed import CHECKOUT
from testbed.ports import LOOPBACK, free_port
from testbed.processes import ProgramFailedError, Programs
from testbed.pulumi import Project
from tests.documents import code_blocks
from tests.unit.plugin_process import running_plugin

pytestmark = [pytest.mark.mesh, pytest.mark.slow, pytest.mark.xdist_group("environment with the wheel")]


VERSION = version("consul-tracing")
WHEEL = f"consul_tracing-{VERSION}-py3-none-any.whl"
SDIST = f"consul_tracing-{VERSION}.tar.gz"
PLUGIN = f"pulumi-consul-tracing-v{VERSION}.tar.gz"


def make_dist(programs: Programs, checkout: Path, tag: str) -> None:
    tools = [f"BIN={Path(sys.executable).parent}", "--assume-old=.venv/installed"]
    programs.run("make dist", ["make", *tools, "dist", f"TAG={tag}"], directory=checkout)


@pytest.fixture(scope="module")
def dist(programs: Programs) -> Path:
    """The files of a release, made from a copy of the checkout in which the plugin was run."""
    checkout = programs.make_directory("release") / "checkout"
    shutil.copytree(CHECKOUT, checkout, ignore=shutil.ignore_patterns(".*", "dist", "__pycache__"))
    (checkout / "plugin" / "__pycache__").mkdir()
    (checkout / "plugin" / "__pycache__" / "host.pyc").touch()
    make_dist(programs, checkout, f"v{VERSION}")
    return checkout / "dist"


@pytest.fixture(scope="module")
def environment(programs: Programs, dist: Path) -> Path:
    """A virtual environment with the wheel and its dependencies, without the development extra."""
    directory = programs.make_directory("install") / "venv"
    programs.run("venv", [sys.executable, "-m", "venv", directory])
    pip = [directory / "bin/python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    programs.run("pip install", [*pip, "install", dist / WHEEL])
    return directory


def test_release_has_all_files_and_their_checksums(programs: Programs, dist: Path) -> None:
    sums = dict(reversed(line.split()) for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert sums == {name: hashlib.sha256((dist / name).read_bytes()).hexdigest() for name in (WHEEL, SDIST, PLUGIN)}
    assert {file.name for file in dist.glob("[!.]*")} == {WHEEL, SDIST, PLUGIN, "SHA256SUMS"}
    with pytest.raises(ProgramFailedError, match=f"the tag must be v{VERSION}, got v9"):
        make_dist(programs, dist.parent, "v9")


def test_sdist_contains_the_package_only(dist: Path) -> None:
    with tarfile.open(dist / SDIST) as archive:
        names = {Path(name).relative_to(f"consul_tracing-{VERSION}") for name in archive.getnames()}
    files = [file for file in (CHECKOUT / "components").rglob("*") if file.is_file() and file.suffix != ".pyc"]
    package = {file.relative_to(CHECKOUT) for file in files}
    others = ("CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml")
    assert names - {Path(".gitignore")} == package | {Path(name) for name in others}


@pytest.fixture(scope="module")
def plugin_folder(programs: Programs, dist: Path) -> Path:
    """The archive of the plugin, unpacked, with its requirements where Pulumi's language host installs them."""
    folder = programs.make_directory("plugin")
    with tarfile.open(dist / PLUGIN) as archive:
        archive.extractall(folder, filter="data")
    names = {"PulumiPlugin.yaml", "__main__.py", "constraints.txt", "host.py", "requirements.txt"}
    assert {file.name for file in folder.iterdir()} == names
    uv = Path(sys.executable).parent / "uv"
    programs.run("uv venv", [uv, "venv", "--quiet", "--allow-existing", f"--python={sys.executable}", folder])
    install = [uv, "pip", "install", "--quiet", f"--python={folder}/bin/python", f"--find-links={dist}"]
    programs.run("uv pip install", [*install, f"--requirement={folder}/requirements.txt"])
    return folder


def test_plugin_of_the_release_has_the_schema(plugin_folder: Path, golden: Callable[[str, Any], None]) -> None:
    with running_plugin(plugin_folder / "bin/python", plugin_folder) as plugin:
        golden("schema", plugin.schema())


def test_pulumi_installs_and_runs_the_plugin_of_the_release(
    programs: Programs, dist: Path, plugin_folder: Path
) -> None:
    """The first step of `pulumi package add`. The next one generates an SDK, which the language host 3.60 cannot do.

    That host runs the plugin in the working directory, with the first Python on PATH.
    """
    environment = {
        "PATH": os.pathsep.join([str(plugin_folder / "bin"), toolchain.search_path(), os.environ["PATH"]]),
        "PIP_FIND_LINKS": str(dist),
        "PULUMI_HOME": str(programs.make_directory("home")),
        "PULUMI_PYTHON_CMD": str(toolchain.PYTHON_WITHOUT_PIP_LIST),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }
    command = [toolchain.program("pulumi"), "package", "get-schema", "./"]
    schema = json.loads(programs.run("get-schema", command, directory=plugin_folder, environment=environment))
    expected = json.loads((CHECKOUT / "tests" / "golden" / "schema.json").read_text())
    assert (schema["name"], schema["version"]) == ("consul-tracing", VERSION)
    for kind, inputs in (("resources", "inputProperties"), ("types", "properties")):
        found, declared = ({name: {*one[inputs]} for name, one in of[kind].items()} for of in (schema, expected))
        assert found == declared


EXAMPLES = ["minimal", "otlp-tls", "datadog", "gateways", "wrapper"]
"""Examples that require neither Kubernetes nor another stack."""


@pytest.mark.parametrize("example", ["README", *EXAMPLES])
def test_example_runs_in_an_empty_environment(programs: Programs, environment: Path, example: str) -> None:
    directory = programs.make_directory("example")
    (directory / "Pulumi.yaml").write_text("name: example\nruntime: python\n")
    program = CHECKOUT / "examples" / example / "__main__.py"
    text = program.read_text() if program.exists() else code_blocks("README.md", "python")[0]
    export_path = "import consul_tracing, pulumi\npulumi.export('package', consul_tracing.__file__)\n"
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
