"""The jobs of the guide for CI stand alone: in a repository that has only their files, they are valid and run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import toolchain
from testbed import CHECKOUT
from tests.docs.ci_guide import PAGE, Job, files, jobs
from tests.docs.pages import read
from tests.docs.test_versions import PROJECT

PINNED = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
WORKFLOWS = "\n".join(file.read_text() for file in sorted((CHECKOUT / ".github").rglob("*.yml")))
ACTIONLINT = re.search(r"^ACTIONLINT := go run (\S+)$", (CHECKOUT / "Makefile").read_text(), re.MULTILINE)
REQUIREMENT = f"consul-tracing[cli] @ git+{PROJECT['urls']['Source']}@v{PROJECT['version']}"
MESH = """\
collector: {host: zipkin.example.com}
services: {web: {protocol: http}}
"""


def in_the_repository(directory: Path, command: list[str]) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
    environment = {**os.environ, "PATH": path}
    return subprocess.run(command, cwd=directory, env=environment, check=False, capture_output=True, text=True)


@pytest.fixture(scope="module")
def deploy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the entries of a mesh."""
    directory = tmp_path_factory.mktemp("mesh")
    (directory / "mesh.yaml").write_text(MESH)
    command = ["consul-tracing", "render", "--args", "mesh.yaml", "--as", "hcl", "--out", "deploy"]
    rendered = in_the_repository(directory, command)
    assert rendered.returncode == 0, rendered.stderr
    return directory / "deploy"


@pytest.fixture
def repository(tmp_path: Path, deploy: Path) -> Path:
    """A repository with the files of the guide and the entries of a mesh."""
    in_the_repository(tmp_path, ["git", "init", "--quiet"])
    for name, block in files().items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(block.content)
    shutil.copytree(deploy, tmp_path / "deploy")
    return tmp_path


def test_guide_has_jobs_of_both_hosts() -> None:
    assert {name.partition("/")[0] for name in files()} == {".github", ".gitlab-ci.yml"}
    assert {job.name.partition(" ")[0] for job in jobs()} == {"GitHub", "GitLab"}


def test_workflows_are_valid(repository: Path) -> None:
    assert ACTIONLINT
    commands = [
        [str(toolchain.program("go")), "run", ACTIONLINT[1]],
        ["zizmor", "--offline", "--no-progress", "--quiet", "--min-severity=medium", ".github"],
    ]
    for command in commands:
        linted = in_the_repository(repository, command)
        assert linted.returncode == 0, linted.stdout + linted.stderr


def test_actions_are_pinned_as_in_this_repository() -> None:
    for name, block in files().items():
        for action in re.findall(r"uses: (.*)", block.content):
            assert PINNED.fullmatch(action), f"{name}: {action}"
            owner = action.partition("@")[0]
            assert action in WORKFLOWS or f"uses: {owner}@" not in WORKFLOWS, f"{name}: another version of {owner}"


@pytest.mark.parametrize("job", jobs(), ids=lambda job: job.name)
def test_commands_run_in_the_repository(job: Job, repository: Path) -> None:
    """Those of consul-tracing. The tests of the mesh run those of Pulumi."""
    for command in job.commands:
        if command.startswith("pip install"):
            assert REQUIREMENT in command or command == "pip install --requirement requirements.txt"
        elif not command.startswith("pulumi"):
            ended = in_the_repository(repository, ["bash", "-euo", "pipefail", "-c", command])
            assert ended.returncode == 0, ended.stdout + ended.stderr
    if any("> lint.sarif" in command for command in job.commands):
        assert json.loads((repository / "lint.sarif").read_text())["version"] == "2.1.0"


def test_lint_fails_the_job_with_findings_and_without_entries(repository: Path) -> None:
    assert "0 without findings, 1 with findings, 2 if nothing was checked" in read(PAGE)
    (command,) = {one for job in jobs() for one in job.commands if one == "consul-tracing lint deploy/"}
    (repository / "deploy" / "proxy-defaults.hcl").unlink(missing_ok=True)
    (repository / "deploy" / "mesh.json").write_text('{"Kind": "proxy-defaults", "Name": "global", "Cofnig": {}}')
    assert in_the_repository(repository, ["bash", "-c", command]).returncode == 1
    in_the_repository(repository, ["bash", "-c", "rm -r deploy; mkdir deploy; touch deploy/mesh.hcl"])
    assert in_the_repository(repository, ["bash", "-c", command]).returncode == 2


def test_job_with_a_local_action_is_found() -> None:
    assert not PINNED.fullmatch("./.github/actions/setup")
    assert not PINNED.fullmatch("actions/checkout@v7")
    assert PINNED.fullmatch("actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1")


def test_files_are_yaml() -> None:
    assert all(isinstance(yaml.safe_load(block.content), dict) for block in files().values())
