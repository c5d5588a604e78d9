import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolchain
from tests.unit.toolchain.scripted import put_on_path
from toolchain import consul_plugin
from toolchain.program import printed_version
from toolchain.programs import PROGRAMS, STAND_IN

PLUGIN = "pulumi-resource-kubernetes"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return the folder that is all of PATH, on a machine without plugins and cache."""
    for name, directory in {"PATH": "bin", "PULUMI_HOME": "pulumi", "CONSUL_TRACING_CACHE": "cache"}.items():
        monkeypatch.setenv(name, str(tmp_path / directory))
    yield tmp_path / "bin"
    toolchain.program.cache_clear()
    toolchain.search_path.cache_clear()


@pytest.mark.parametrize(
    ("name", "output"),
    [
        ("pulumi", "v3.200.0-dev.0"),
        ("consul", "Consul v1.20.0\nRevision 1a2b3c4d"),
        ("envoy", "\nenvoy  version: 3909deb175ef3582/1.40.9/Clean/RELEASE"),
        ("envoy", "envoy  version: 0a1b/1.34.0/Clean/RELEASE"),
        ("go", "go version go1.27 linux/arm64"),
        ("java", "openjdk 17.0.15 2025-04-15"),
        ("java", "openjdk 21 2023-09-19"),
        ("java", "java 25.0.2 2026-01-20 LTS"),
    ],
)
def test_supported_program_on_path_is_used(name: str, output: str, folder: Path) -> None:
    program = put_on_path(folder, name, f"echo '{output}'")
    assert PROGRAMS[name].ready() == program
    assert PROGRAMS[name].ready("1.2.3") is None


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("pulumi", "echo v3.199.0"),
        ("pulumi", "echo v4.0.0"),
        ("consul", "echo Consul v1.22.7+ent"),
        ("consul", "echo Consul v1.22.7; exit 1"),
        ("envoy", "echo envoy  version: 0a1b/1.41.0/Clean/RELEASE"),
        ("go", "echo go version go1.26.5 linux/amd64"),
        ("java", "echo no version here"),
    ],
)
def test_unsupported_program_on_path_is_not_used(name: str, script: str, folder: Path) -> None:
    put_on_path(folder, name, script)
    assert PROGRAMS[name].ready() is None


def test_nothing_is_ready_on_an_empty_machine() -> None:
    assert [program.name for program in PROGRAMS.values() if program.ready()] == []


def test_language_host_is_used_from_the_directory_of_a_supported_pulumi(folder: Path, tmp_path: Path) -> None:
    put_on_path(folder, "pulumi-language-python")
    assert PROGRAMS["pulumi-language-python"].ready() is None
    (folder / "pulumi-language-python").unlink()
    for version, host in {
        "v3.260.1": put_on_path(tmp_path / "distribution", "pulumi-language-python"),
        "v3.100.0": None,
    }.items():
        pulumi = put_on_path(tmp_path / "distribution", "pulumi", f"echo {version}")
        (folder / "pulumi").unlink(missing_ok=True)
        (folder / "pulumi").symlink_to(pulumi)
        printed_version.cache_clear()
        assert PROGRAMS["pulumi-language-python"].ready() == host


def test_newest_supported_complete_plugin_is_used(tmp_path: Path) -> None:
    plugins = tmp_path / "pulumi/plugins"
    versions = ("3.30.2", "4.29.1", "4.100.0", "4.101.0", "5.0.0")
    paths = {version: put_on_path(plugins / f"resource-kubernetes-v{version}", PLUGIN) for version in versions}
    (plugins / "resource-kubernetes-v4.101.0.partial").touch()
    assert PROGRAMS[PLUGIN].ready() == paths["4.100.0"]


def test_search_path_has_python_the_plugins_and_pulumi(folder: Path, tmp_path: Path) -> None:
    put_on_path(folder, "pulumi", "echo v3.260.1")
    put_on_path(folder, "pulumi-language-python")
    kubernetes = put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v4.34.2", PLUGIN).parent
    stand_in = put_on_path(STAND_IN.entry(), STAND_IN.executable).parent
    assert consul_plugin.plugin_directory() == stand_in
    consul = put_on_path(tmp_path / "pulumi/plugins/resource-consul-v3.15.2", consul_plugin.PLUGIN).parent
    assert consul_plugin.plugin_directory() == consul
    path = [f"{sys.prefix}/bin", str(consul), str(folder)]
    assert toolchain.search_path().split(os.pathsep) == path
    assert toolchain.search_path(kubernetes=True).split(os.pathsep) == [*path, str(kubernetes)]


def test_python_without_pip_list_lists_no_packages_and_runs_everything_else(folder: Path) -> None:
    put_on_path(folder, "python3", 'printf "%s|" "$@"')
    for arguments, output in {"-m pip list -v --format json": "[]\n", "-u exec *.py": "-u|exec|*.py|"}.items():
        command = [toolchain.PYTHON_WITHOUT_PIP_LIST, *arguments.split(" ")]
        assert subprocess.check_output(command, text=True) == output
