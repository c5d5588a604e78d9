"""Clocks of proxies that differ from the one of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .proxies import Proxy

TOLERANCE_SECONDS = 2.0
"""Differences that do not matter. The clock of a proxy is read with an error of up to a second."""


def is_skewed(proxy: Proxy) -> bool:
    """Return whether the clock of a proxy differs from the one of this machine."""
    return abs(proxy.clock_offset) > TOLERANCE_SECONDS


def clock_notes(proxies: Iterable[Proxy]) -> list[str]:
    """Return a note for each proxy whose clock differs. Trace stores show its spans at another time."""
    return [
        f"the clock of {proxy.label} differs by {abs(proxy.clock_offset):.0f} s from the one of this machine: it is "
        f"{'ahead' if proxy.clock_offset > 0 else 'behind'}"
        for proxy in proxies
        if is_skewed(proxy)
    ]
