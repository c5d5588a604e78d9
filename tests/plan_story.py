"""Golden files with the output of Pulumi for the lifecycle of config entries.

Set `CONSUL_TRACING_UPDATE_GOLDEN=1` to update the files.
"""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from testbed.processes import ProgramFailedError
from testbed.pulumi import Project

GOLDEN = Path(__file__).with_name("golden")

RESOURCE = re.compile(r"^ (?P<operation>[+~-]{1,2})\s+(?P<type>\S+)\s+(?P<name>\S+)\s+(?P<step>\w+)")
PROGRESS = {"creating", "updating", "deleting"}
LISTENER_7_PERCENT = (
    '{"@type":"type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.'
    'HttpConnectionManager.Tracing","random_sampling":{"value":7}}'
)
"""A listener block with a random sampling rate of 7 %, written outside of Pulumi."""


def names(count: int) -> list[str]:
    return [f"service-{number:02}" for number in range(1, count + 1)]


def services(count: int, prefix: str = "") -> dict[str, Any]:
    return {f"{prefix}{name}": {"protocol": "http", "name": name} for name in names(count)}


class Record:
    """The output of each Pulumi operation, in order."""

    def __init__(self) -> None:
        self._steps: list[str] = []

    def preview(self, title: str, stack: Project) -> None:
        self._add(f"{title}: pulumi preview", stack.preview_without_diff)

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
            output, suffix = operation(), ""
        except ProgramFailedError as failed:
            output, suffix = failed.output, "(failed)\n"
        self._steps.append(f"==== {title}\n\n{_normalized(output)}{suffix}")


def _normalized(output: str) -> str:
    """Return the sorted resource changes, the messages of the component and the summary."""
    before, _, after = output.partition("Diagnostics:\n")
    if not after:
        before, _, after = output.partition("Resources:\n")
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
    """Return a resource change such as `+ consul:index:ConfigEntry mesh-proxy-defaults create`, or an empty string."""
    found = RESOURCE.match(line)
    if found is None or found["type"].startswith("pulumi:") or found["step"] in PROGRESS:
        return ""
    return f"{found['operation']} {found['type']} {found['name']} {found['step']}"
