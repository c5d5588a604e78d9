from pathlib import Path

import pytest

from bench.terraform_runs import Terraform, UnavailableError
from testbed.processes import Programs

SCRIPT = """#!/bin/sh
echo "$@" >> "{calls}"
[ "$1" != "{failing}" ] || exit 1
"""


def install(directory: Path, monkeypatch: pytest.MonkeyPatch, *, failing: str = "none") -> Path:
    """Make a program `tofu` that records its arguments the only program on PATH, except those of the system."""
    calls = directory / "calls"
    program = directory / "tofu"
    program.write_text(SCRIPT.format(calls=calls, failing=failing))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    return calls


def test_plan_and_apply_run_in_an_initialized_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = install(tmp_path, monkeypatch)
    with Programs() as programs:
        for operation in Terraform.available(programs).operations(programs, "127.0.0.1:8501", 7).values():
            operation()
    assert [line.split()[0] for line in calls.read_text().splitlines()] == ["init", "init", "plan", "apply"]


def test_provider_that_cannot_be_installed_is_a_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, failing="init")
    with Programs() as programs, pytest.raises(UnavailableError, match="tofu init cannot install hashicorp/consul"):
        Terraform.available(programs)


def test_missing_program_is_a_reason_to_skip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Programs() as programs:
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(UnavailableError, match="neither tofu nor terraform"):
            Terraform.available(programs)
