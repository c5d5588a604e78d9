"""Lists and texts of several causes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.names import PROXY_CONFIG_MAP

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LISTED = 3


def listed(values: Sequence[str]) -> str:
    """Return the first values, and the number of the others."""
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return ", ".join(values[:MAX_LISTED]) + more


UNTRACED = (
    "the registration of the proxy has an envoy_tracing_json without a tracer, which replaces that of "
    "proxy-defaults/global"
)


def untraced_fix(service: str) -> str:
    """Return what traces a service whose registration disables tracing."""
    return (
        f"remove envoy_tracing_json from the registration (in a pod: from the annotation {PROXY_CONFIG_MAP}) "
        f"and restart the proxy of {service}, or leave {service} out of --expect"
    )


def differ(fields: Sequence[str]) -> str:
    """Return that these fields differ."""
    return f"{listed(fields)} {'differs' if len(fields) == 1 else 'differ'}"
