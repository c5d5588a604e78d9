"""The generated files."""

from __future__ import annotations

from pathlib import Path

from .arguments import arguments
from .dashboard import dashboard
from .envoy_messages import envoy_messages
from .reference import codes, commands, compatibility, inputs, permissions
from .stack_schema import stack_schema

ROOT = Path(__file__).parents[1]


def generated() -> dict[str, str]:
    """Return the text of each generated file by its path."""
    return {
        "components/consul_tracing/envoy_messages/messages.json": envoy_messages(),
        "components/consul_tracing/inputs/args.py": arguments(),
        "components/consul_tracing/stack.schema.json": stack_schema(),
        "docs/reference/command-line.md": commands.command_line(),
        "docs/reference/compatibility.md": compatibility.compatibility(),
        "docs/reference/inputs.md": inputs.reference(),
        "docs/reference/lint.md": codes.lint(),
        "docs/reference/messages.md": codes.messages(),
        "docs/reference/permissions.md": permissions.permissions(),
        "examples/monitoring/grafana/dashboard.json": dashboard(),
    }
