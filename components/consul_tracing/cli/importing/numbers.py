"""Numbers of entries as users write them."""

from __future__ import annotations

from consul_tracing.envoy import exact
from consul_tracing.envoy_messages.scalars import SECONDS


def declared_rate(value: object) -> object:
    """Return the rate of which `exact` is the value."""
    short = round(value, 2) if isinstance(value, float) else value
    return short if isinstance(short, float) and exact(short) == value else value


def milliseconds(duration: object) -> object:
    """Return a canonical duration of Envoy in milliseconds."""
    if isinstance(duration, str) and SECONDS.fullmatch(duration):
        return whole(round(float(duration[:-1]) * 1000, 6))
    return duration


def whole(value: object) -> object:
    """Return a number without a fraction as an integer."""
    return int(value) if isinstance(value, float) and value.is_integer() else value
