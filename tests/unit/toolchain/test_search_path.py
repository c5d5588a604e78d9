import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import toolchain
from tests.unit.toolchain.scripted import put_on_path, put_plugin_on_path, put_stand_in_into_cache
from toolchain import consul_plugin
from toolchain.consul_plugin import PLUGIN


@pytest.fixture(autouse=True)
def nothing_remembered() -> Iterator[None]:
    yield
    toolchain.program.cache_clear()
    toolchain.search_path.cache_clear()


@pytest.fixture
def stand_in(folder: Path) -> Path:  # noqa: ARG001 - the folder's fixture sets the cache
    """Return the directory of the stand-in, which is in the cache of this machine."""
    return put_stand_in_into_cache()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder on PATH with a whole Pulumi, on a machine without plugins."""
    folder = tmp_path / "bin"
    put_on_path(folder, "pulumi", "v3.260.1")
    for file in ("pulumi-language-python", "pulumi-language-python-exec"):
        put_on_path(folder, file)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.setenv("CONSUL_TRACING_CACHE", str(tmp_path / "cache"))
    toolchain.program.cache_clear()
    toolchain.search_path.cache_clear()
    return folder


def install_plugin(home: Path, version: str) -> Path:
    return put_on_path(home / f"plugins/resource-consul-v{version}", PLUGIN).parent


def test_search_path_has_python_the_plugin_and_pulumi_in_this_order(folder: Path, stand_in: Path) -> None:
    assert toolchain.search_path().split(os.pathsep) == [f"{sys.prefix}/bin", str(stand_in), str(folder)]


def test_newest_official_plugin_replaces_the_stand_in(folder: Path, tmp_path: Path) -> None:
    install_plugin(tmp_path / "pulumi", "3.15.2")
    newest = install_plugin(tmp_path / "pulumi", "3.100.0")
    assert toolchain.search_path().split(os.pathsep)[1:] == [str(newest), str(folder)]


@pytest.mark.parametrize("version", ["2.12.0", "3.14.0", "4.0.0"])
def test_unsupported_version_of_the_plugin_is_not_used(version: str, tmp_path: Path, stand_in: Path) -> None:
    install_plugin(tmp_path / "pulumi", version)
    assert consul_plugin.plugin_directory() == stand_in


def test_partially_installed_plugin_is_not_used(tmp_path: Path, stand_in: Path) -> None:
    unfinished = install_plugin(tmp_path / "pulumi", "3.15.2")
    unfinished.with_name(f"{unfinished.name}.partial").touch()
    assert consul_plugin.plugin_directory() == stand_in


def test_official_plugin_on_path_is_used(folder: Path) -> None:
    put_plugin_on_path(folder, PLUGIN, "3.15.2")
    assert consul_plugin.plugin_directory() == folder


def test_stand_in_on_path_is_not_an_official_plugin(
    tmp_path: Path, stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link").symlink_to(stand_in)
    monkeypatch.setenv("PATH", str(tmp_path / "link"))
    assert consul_plugin.plugin_directory() == stand_in


def test_kubernetes_plugin_is_included_only_on_request(folder: Path, tmp_path: Path) -> None:
    plugin = put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v4.34.2", "pulumi-resource-kubernetes").parent
    assert str(plugin) not in toolchain.search_path().split(os.pathsep)
    assert toolchain.search_path(kubernetes=True).split(os.pathsep)[-2:] == [str(folder), str(plugin)]


def test_program_is_searched_once(folder: Path) -> None:
    assert toolchain.program("pulumi") == folder / "pulumi"
    (folder / "pulumi").unlink()
    assert toolchain.program("pulumi") == folder / "pulumi"
