"""The guide for CI: the files to copy, and the commands of their jobs."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from tests.docs.pages import PAGES, Block, blocks

PAGE = next(page for page in PAGES if page.endswith("/ci.md"))
PREVIEW = "pulumi/actions"


@dataclass(frozen=True)
class Job:
    """A job with its commands, in order, and the actions that it uses."""

    name: str
    commands: tuple[str, ...]
    actions: tuple[str, ...]


def files() -> dict[str, Block]:
    """Return the files of the guide by their path in the repository of the reader."""
    return {block.file: block for block in blocks(PAGE) if block.file}


def jobs() -> list[Job]:
    """Return the jobs of all files."""
    return [job for block in files().values() for job in _jobs(yaml.load(block.content, Loader=yaml.BaseLoader))]  # noqa: S506 - `on` is no boolean


def _jobs(content: dict[str, Any]) -> Iterator[Job]:
    if "jobs" in content:
        for name, job in content["jobs"].items():
            steps = job["steps"]
            commands = [step["run"] if "run" in step else _command(step) for step in steps]
            actions = tuple(step["uses"] for step in steps if "uses" in step)
            yield Job(f"GitHub {name}", tuple(filter(None, commands)), actions)
    else:
        before = content.get("default", {}).get("before_script", [])
        for name, job in content.items():
            if "script" in job:
                script = job["script"]
                yield Job(f"GitLab {name}", (*before, *([script] if isinstance(script, str) else script)), ())


def _command(step: dict[str, Any]) -> str:
    """Return what Pulumi's action runs. Other actions run no command of ours."""
    if not step["uses"].startswith(PREVIEW):
        return ""
    options = {**step["with"]}
    command = ["pulumi", options["command"], "--stack", options["stack-name"]]
    return " ".join([*command, *(f"--{name}" for name in ("diff", "refresh", "expect-no-changes") if name in options)])


def previews() -> list[str]:
    """Return the options of each `pulumi preview` of the jobs, without the name of the stack."""
    commands = [command for job in jobs() for command in job.commands]
    found = [re.search(r"pulumi preview (.*)", command) for command in commands]
    return [re.sub(r"--stack (\"[^\"]*\"|\$\{\{[^}]*\}\}\S*( \S+ \}\})?|\S+) ?", "", one[1]) for one in found if one]
