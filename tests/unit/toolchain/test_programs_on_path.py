from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import put_on_path, put_plugin_on_path, thing
from toolchain import on_path, plugin_version
from toolchain.on_path import Found, NeverFromPath, Releases, Unsupported, VersionRule
from toolchain.programs import PROGRAMS, find_program

PLUGIN = "pulumi-resource-kubernetes"
HOST_FILES = ("pulumi-language-python", "pulumi-language-python-exec")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH, so that the programs of the machine do not matter."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    return tmp_path / "bin"


@pytest.mark.parametrize(
    ("name", "answer", "version"),
    [
        ("pulumi", "v3.253.0", "3.253.0"),
        ("pulumi", "v3.200.0-dev.0", "3.200.0-dev.0"),
        ("consul", "Consul v1.22.7\nRevision 1a2b3c4d\nBuild Date 2026-01-01", "1.22.7"),
        ("consul", "Consul v1.20.0", "1.20.0"),
        ("envoy", "\nenvoy  version: 3909deb175ef3582/1.37.0/Clean/RELEASE/BoringSSL\n", "1.37.0"),
        ("envoy", "envoy  version: 0a1b/1.40.9/Clean/RELEASE/BoringSSL", "1.40.9"),
        ("go", "go version go1.26.8 linux/amd64", "1.26.8"),
        ("go", "go version go1.27 linux/arm64", "1.27"),
        ("java", "openjdk 17.0.15 2025-04-15\nOpenJDK Runtime Environment (build 17.0.15+6)", "17.0.15"),
        ("java", "openjdk 21 2023-09-19", "21"),
        ("java", "java 25.0.2 2026-01-20 LTS", "25.0.2"),
        ("kubectl", "Client Version: v1.33.0\nKustomize Version: v5.6.0", "1.33.0"),
        ("kube-apiserver", "Kubernetes v1.34.9", "1.34.9"),
        ("etcd", "etcd Version: 3.6.1\nGit SHA: 0123abc\nGo Version: go1.23.1", "3.6.1"),
    ],
)
def test_supported_version_is_used(name: str, answer: str, version: str, folder: Path) -> None:
    program = put_on_path(folder, name, answer)
    assert find_program(name).find_on_path(None) == Found(program, version)


@pytest.mark.parametrize(
    ("name", "answer", "reason"),
    [
        ("pulumi", "v3.199.0", "is 3.199.0, must be 3.200 or newer and before 4.0"),
        ("pulumi", "v4.0.0", "is 4.0.0, must be 3.200 or newer and before 4.0"),
        ("consul", "Consul v1.19.2", "is 1.19.2, must be 1.20 or newer and before 2.0"),
        ("consul", "Consul v1.22.7+ent", "is 1.22.7+ent, an edition that requires a licence"),
        (
            "envoy",
            "envoy  version: 0a1b/1.33.1/Clean/RELEASE/BoringSSL",
            "is 1.33.1, must be 1.34 or newer and before 1.41",
        ),
        (
            "envoy",
            "envoy  version: 0a1b/1.41.0/Clean/RELEASE/BoringSSL",
            "is 1.41.0, must be 1.34 or newer and before 1.41",
        ),
        ("go", "go version go1.25.4 linux/amd64", "is 1.25.4, must be 1.26 or newer and before 2.0"),
        ("java", "openjdk 11.0.30 2026-01-20", "is 11.0.30, must be 17.0 or newer"),
        ("kubectl", "Client Version: v1.32.4", "is 1.32.4, must be 1.33 or newer and before 1.36"),
        ("kube-apiserver", "Kubernetes v1.35.0", "is 1.35.0, must be 1.34 or newer and before 1.35"),
        ("etcd", "etcd Version: 3.5.12", "is 3.5.12, must be 3.6 or newer and before 3.7"),
        ("consul", "no version here", "prints no version when run with `version`"),
    ],
)
def test_unsupported_version_is_skipped_with_the_reason(name: str, answer: str, reason: str, folder: Path) -> None:
    program = put_on_path(folder, name, answer)
    assert find_program(name).find_on_path(None) == Unsupported(f"{program} {reason}")


def test_program_with_a_failing_version_query_is_skipped(folder: Path) -> None:
    put_on_path(folder, "consul", "Consul v1.22.7", code=1)
    assert isinstance(find_program("consul").find_on_path(None), Unsupported)


def test_program_that_does_not_respond_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_path, "SECONDS_TO_ANSWER", 0.1)
    put_on_path(folder, "consul").write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    assert isinstance(find_program("consul").find_on_path(None), Unsupported)


def test_program_missing_from_path_is_not_reported(folder: Path) -> None:
    assert not folder.exists()
    assert [program.find_on_path(None) for program in PROGRAMS] == [None] * len(PROGRAMS)


def test_requested_version_is_exact(folder: Path) -> None:
    program = put_on_path(folder, "envoy", "envoy  version: 0a1b/1.37.0/Clean/RELEASE/BoringSSL")
    assert find_program("envoy").find_on_path("1.37.0") == Found(program, "1.37.0")
    assert find_program("envoy").find_on_path("1.36.4") == Unsupported(f"{program} is 1.37.0, must be 1.36.4")


def test_installed_language_host_takes_precedence_over_the_built_one(folder: Path) -> None:
    put_on_path(folder, "pulumi", "v3.260.1")
    host, _ = [put_on_path(folder, file) for file in HOST_FILES]
    assert find_program("pulumi-language-python").find_on_path(None) == Found(host, "3.260.1")


def test_language_host_is_found_through_a_link_to_pulumi(folder: Path, tmp_path: Path) -> None:
    pulumi = put_on_path(tmp_path / "distribution", "pulumi", "v3.260.1")
    host, _ = [put_on_path(pulumi.parent, file) for file in HOST_FILES]
    folder.mkdir()
    (folder / "pulumi").symlink_to(pulumi)
    assert find_program("pulumi-language-python").find_on_path(None) == Found(host, "3.260.1")


def test_language_host_without_its_executor_is_skipped(folder: Path) -> None:
    put_on_path(folder, "pulumi", "v3.260.1")
    put_on_path(folder, "pulumi-language-python")
    assert isinstance(find_program("pulumi-language-python").find_on_path(None), Unsupported)


def test_language_host_of_an_unsupported_pulumi_is_skipped(folder: Path) -> None:
    put_on_path(folder, "pulumi", "v3.100.0")
    for file in HOST_FILES:
        put_on_path(folder, file)
    assert isinstance(find_program("pulumi-language-python").find_on_path(None), Unsupported)


def test_program_on_path_is_not_built(folder: Path) -> None:
    program = put_on_path(folder, "thing", "thing 1.5.0")
    obtained = thing("exit 1", VersionRule(Releases((1, 0), before=(2, 0)), version_arguments="version")).obtain()
    assert (obtained.origin, obtained.path, obtained.version) == ("on PATH", program, "1.5.0")


def test_newest_supported_installed_plugin_is_used(folder: Path, tmp_path: Path) -> None:
    put_on_path(folder, PLUGIN)
    installed = put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v4.34.2", PLUGIN)
    put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v4.29.1", PLUGIN)
    put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v5.0.0", PLUGIN)
    assert find_program(PLUGIN).find_on_path(None) == Found(installed, "4.34.2")


@pytest.mark.usefixtures("folder")
def test_installed_plugin_with_another_major_version_is_not_used(tmp_path: Path) -> None:
    put_on_path(tmp_path / "pulumi/plugins/resource-kubernetes-v3.30.2", PLUGIN)
    assert find_program(PLUGIN).find_on_path(None) is None


def test_plugin_on_path_is_queried_for_its_version(folder: Path) -> None:
    assert find_program(PLUGIN).find_on_path(None) is None
    plugin = put_plugin_on_path(folder, PLUGIN, "v4.26.0")
    assert find_program(PLUGIN).find_on_path(None) == Found(plugin, "4.26.0")


def test_plugin_on_path_with_another_major_version_is_skipped(folder: Path) -> None:
    plugin = put_plugin_on_path(folder, PLUGIN, "3.30.2")
    assert find_program(PLUGIN).find_on_path(None) == Unsupported(
        f"{plugin} is 3.30.2, must be 4.25 or newer and before 5.0"
    )


@pytest.mark.parametrize("version", ["", "dev"])
def test_plugin_on_path_without_a_version_is_skipped(version: str, folder: Path) -> None:
    plugin = put_plugin_on_path(folder, PLUGIN, version)
    assert find_program(PLUGIN).find_on_path(None) == Unsupported(f"{plugin} does not report its version")


def test_plugin_on_path_that_does_not_start_is_skipped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugin_version, "SECONDS_TO_START", 0.2)
    put_on_path(folder, PLUGIN).write_text("#!/bin/sh\nexec /bin/sleep 60\n")
    assert isinstance(find_program(PLUGIN).find_on_path(None), Unsupported)


def test_jar_is_never_found_on_path() -> None:
    assert find_program("zipkin").on_path == NeverFromPath()
