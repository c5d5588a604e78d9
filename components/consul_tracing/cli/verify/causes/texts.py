"""Lists in messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LISTED = 3


def listed(values: Sequence[str]) -> str:
    """Return the first values, and the number of the others."""
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return ", ".join(values[:MAX_LISTED]) + more


def differ(fields: Sequence[str]) -> str:
    """Return that these fields differ."""
    return f"{listed(fields)} {'differs' if len(fields) == 1 else 'differ'}"
