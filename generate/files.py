"""The generated files."""

from __future__ import annotations

from pathlib import Path

from .envoy_messages import envoy_messages

ROOT = Path(__file__).parents[1]


def generated() -> dict[str, str]:
    """Return the text of each generated file by its path."""
    return {"components/consul_tracing/envoy_messages/messages.json": envoy_messages()}
