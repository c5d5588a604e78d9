"""The rule of the Makefile that sets up .venv, run with scripts in place of Python."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.unit.toolchain.scripted import CHECKOUT

PYTHON = """#!/bin/sh
case "$*" in
  *"version_info <"*) {version_check} ;;
  *ensurepip*) {venv_check} ;;
  "-c "*) echo "{identity}" ;;
  "-m venv "*)
    echo "{identity}: $*" >> environments
    mkdir -p .venv/bin
    cp "$0" .venv/bin/python ;;
  *freeze*) printf 'googleapis-common-protos==1\\nopentelemetry-proto==1\\n' ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    shutil.copy(CHECKOUT / "Makefile", tmp_path)
    (tmp_path / "pyproject.toml").touch()
    return tmp_path


def put_python(checkout: Path, name: str, *, version_check: str = "exit 0", venv_check: str = "exit 0") -> None:
    python = checkout / "bin" / name
    python.parent.mkdir(exist_ok=True)
    python.write_text(PYTHON.format(identity=f"/opt/{name}", version_check=version_check, venv_check=venv_check))
    python.chmod(0o755)


def make(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{checkout}/bin{os.pathsep}{os.environ['PATH']}"}
    command = ["make", ".venv/installed", *arguments]
    return subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)


def environments(checkout: Path) -> list[str]:
    return (checkout / "environments").read_text().splitlines()


def test_environment_is_kept_until_another_python_is_chosen_or_its_own_is_missing(checkout: Path) -> None:
    for name in ("python3", "python3.13"):
        put_python(checkout, name)
    for arguments in ([], ["PYTHON=python3.13"], []):
        assert make(checkout, *arguments).returncode == 0
    (checkout / ".venv/bin/python").unlink()
    make(checkout)
    assert environments(checkout) == [
        "/opt/python3: -m venv .venv",
        "/opt/python3.13: -m venv --clear .venv",
        "/opt/python3: -m venv --clear .venv",
    ]


def test_python_without_venv_or_unsupported_is_rejected_with_the_fix(checkout: Path) -> None:
    put_python(checkout, "python3", venv_check="exit 1")
    put_python(checkout, "python3.10", version_check="exit 1")
    assert make(checkout).stderr.splitlines()[0] == (
        "consul-tracing requires Python's venv module. On Debian and Ubuntu: apt install python3-venv"
    )
    assert make(checkout, "PYTHON=python3.10").returncode != 0
    assert not (checkout / ".venv").exists()
