"""Lists in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consul_tracing.cli.verify.tracers import Endpoint

MAX_LISTED = 3


def addresses(endpoints: Iterable[Endpoint]) -> str:
    """Return hosts and ports, and the paths of Unix sockets."""
    return ", ".join(map(_address, endpoints))


def listed(values: Sequence[str]) -> str:
    """Return the first values, and the number of the others."""
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return ", ".join(values[:MAX_LISTED]) + more


def _address(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"{f'[{host}]' if ':' in host else host}:{port}" if port else host
