"""Conventions of the GitHub workflows that zizmor and actionlint do not check."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from testbed import CHECKOUT

WORKFLOWS = sorted((CHECKOUT / ".github/workflows").glob("*.yml"))


def jobs(workflow: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(workflow.read_text())
    assert content["permissions"] in ({}, {"contents": "read"})
    assert content["concurrency"]["group"]
    found: dict[str, Any] = content["jobs"]
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda file: file.stem)
def test_make_targets_exist(workflow: Path) -> None:
    makefile = (CHECKOUT / "Makefile").read_text()
    for job in jobs(workflow).values():
        commands = [step["run"] for step in job["steps"] if step.get("run", "").startswith("make ")]
        targets = [word for command in commands for word in command.split()[1:] if "=" not in word and "$" not in word]
        targets += job.get("strategy", {}).get("matrix", {}).get("command", [])
        assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


@pytest.mark.parametrize("name", ["preview", "drift"])
def test_workflow_to_copy_needs_nothing_of_this_repository(name: str) -> None:
    text = (CHECKOUT / f".github/workflows/{name}.yml").read_text()
    assert [line.strip() for line in text.splitlines() if "uses: ./" in line or "make " in line] == []
    # Pulumi runs the program in the virtual environment that Pulumi.yaml names.
    assert yaml.safe_load((CHECKOUT / "Pulumi.yaml").read_text())["runtime"]["options"]["virtualenv"] == ".venv"
    assert "python -m venv .venv && .venv/bin/pip install --requirement requirements.txt" in text
