"""The output of Pulumi through the life of a mesh's entries, compared with a golden file that a reviewer can read.

`CONSUL_TRACING_UPDATE_GOLDEN=1` writes the files instead.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.processes import ProgramFailed
from testbed.pulumi import Project

GOLDEN = Path(__file__).with_name("golden")

RESOURCE = re.compile(r"^ (?P<operation>[+~-]{1,2})\s+(?P<type>\S+)\s+(?P<name>\S+)\s+(?P<step>\w+)")
PROGRESS = {"creating", "updating", "deleting"}
LISTENER_7_PERCENT = (
    '{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.'
    'HttpConnectionManager.Tracing","random_sampling":{"value":7}}'
)
"""A hand-written sampling rate."""


def names(count: int) -> list[str]:
    return [f"service-{number:02}" for number in range(1, count + 1)]


def services(count: int, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": {"protocol": "http", "name": name} for name in names(count)}


class Record:
    """Everything that Pulumi prints, step by step."""

    def __init__(self) -> None:
        self._steps: list[str] = []

    def preview(self, title: str, stack: Project) -> None:
        self._add(f"{title}: pulumi preview", stack.previewed)

    def up(self, title: str, stack: Project) -> None:
        self._add(f"{title}: pulumi up", stack.up)

    def both(self, title: str, stack: Project) -> None:
        self.preview(title, stack)
        self.up(title, stack)

    def compare(self, name: str) -> None:
        text, file = "\n".join(self._steps), GOLDEN / f"{name}.txt"
        if os.environ.get("CONSUL_TRACING_UPDATE_GOLDEN"):
            file.write_text(text)
        assert text == file.read_text()

    def _add(self, title: str, operation: Callable[[], str]) -> None:
        try:
            said, ending = operation(), ""
        except ProgramFailed as failed:
            said, ending = failed.said, "(failed)\n"
        self._steps.append(f"==== {title}\n\n{_normalised(said)}{ending}")


def _normalised(said: str) -> str:
    """The changed resources in alphabetical order, the component's messages, and the summary."""
    before, _, after = said.partition("Diagnostics:\n")
    if not after:
        before, _, after = said.partition("Resources:\n")
        after = "Resources:\n" + after
    changes = sorted({change for line in before.splitlines() if (change := _change(line))})
    kept, showing = list[str](), False
    for line in after.splitlines():
        if not line.startswith("    ") or line.startswith("    error: consul-tracing"):
            showing = line.startswith(("  consul-tracing:", "Resources:", "    error: consul-tracing"))
        if line.startswith("    error: an unhandled error"):
            showing = False
        if showing and line.strip() and not line.startswith(("Resources:", "  consul-tracing:index")):
            kept.append(line[4:].rstrip())
    return "\n".join([*changes, *kept]) + "\n"


def _change(line: str) -> str:
    """`+ consul:index:ConfigEntry mesh-proxy-defaults create` for a line about a changed resource of the mesh."""
    found = RESOURCE.match(line)
    if found is None or found["type"].startswith("pulumi:") or found["step"] in PROGRESS:
        return ""
    return f"{found['operation']} {found['type']} {found['name']} {found['step']}"
