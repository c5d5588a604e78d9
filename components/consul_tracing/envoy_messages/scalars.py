"""Scalar values of Envoy's messages: text, numbers, booleans, durations and enumerations in their canonical form."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from .messages import DURATION, INTEGERS, Field, enum

if TYPE_CHECKING:
    from collections.abc import Mapping

BOOLEANS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
"""Text that Envoy reads as a boolean, in any case."""

SECONDS = re.compile(r"\d{1,12}(\.\d{1,9})?s", re.ASCII)
WHOLE = re.compile(r"-?\d{1,20}", re.ASCII)


class UnexpectedError(ValueError):
    """A value is not of its type, or Envoy's constraints reject it. The message is the expected value."""


def scalar(value: object, kind: Field) -> Any:  # noqa: ANN401 - JSON
    """Return the canonical form of a value. Raises UnexpectedError."""
    if kind.is_enum:
        return _enum(value, kind)
    match kind.scalar, value:
        case "bool", bool():
            return value
        case "bool", str() if value.lower() in BOOLEANS:
            return BOOLEANS[value.lower()]
        case "bool", _:
            raise UnexpectedError("true or false")
        case (("string" | "bytes"), _):
            return _text(value, kind.rules)
        case (("double" | "float"), _):
            number = _float(value, kind.rules)
            # Envoy prints a float with the precision of 32 bits.
            return float(f"{number:.7g}") if kind.scalar == "float" else number
        case name, _ if name == DURATION:
            return _duration(value, kind.rules)
        case name, _ if name in INTEGERS:
            return _integer(value, kind)
    return value


def is_zero(value: object, kind: Field) -> bool:
    """Return whether a canonical value is the default of its type."""
    return value == next(iter(enum(kind.type))) if kind.is_enum else not value


def _text(value: object, rules: Mapping[str, Any]) -> str:
    lowest, allowed = max(rules.get("min_len", 0), rules.get("min_bytes", 0)), rules.get("in")
    if isinstance(value, str) and len(value) >= lowest and (allowed is None or value in allowed):
        return value
    if allowed is not None:
        raise UnexpectedError(f"one of {', '.join(allowed)}")
    raise UnexpectedError({0: "text", 1: "non-empty text"}.get(lowest, f"text with at least {lowest} characters"))


def _enum(value: object, kind: Field) -> str | int:
    """Envoy accepts the names in any case, and the numbers."""
    names = {name: number for name, number in enum(kind.type).items() if number not in kind.rules.get("not_in", ())}
    number = _whole(value)
    for name, one in names.items():
        if number == one or str(value).lower() == name.lower():
            return name
    if number is not None and "defined_only" not in kind.rules:
        return number
    raise UnexpectedError(f"one of {', '.join(name for name in names if 'DEPRECATED' not in name)}")


def _whole(value: object) -> int | None:
    match value:
        case str() if WHOLE.fullmatch(value):
            return int(value)
        case int() if not isinstance(value, bool):
            return value
        case float() if value.is_integer():
            return int(value)
        case _:
            return None


def _integer(value: object, kind: Field) -> int:
    (lowest, highest), rules = INTEGERS[kind.scalar], kind.rules
    lowest = max(lowest, rules.get("gte", lowest), rules.get("gt", lowest - 1) + 1)
    highest = min(highest, rules.get("lte", highest), rules.get("lt", highest + 1) - 1)
    number = _whole(value)
    if number is None or not lowest <= number <= highest:
        raise UnexpectedError(f"a whole number from {lowest} to {highest}")
    return number


def _float(value: object, rules: Mapping[str, Any]) -> float:
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or not _is_within(number, rules):
        raise UnexpectedError(f"a number{_bounds(rules)}")
    return int(number) if number.is_integer() else number


def _duration(value: object, rules: Mapping[str, Any]) -> str:
    if not isinstance(value, str) or not SECONDS.fullmatch(value):
        raise UnexpectedError('a duration in seconds, such as "3s" or "0.250s"')
    if not _is_within(float(value[:-1]), rules):
        raise UnexpectedError(f"a duration{_bounds(rules)}")
    whole, _, fraction = value[:-1].partition(".")
    return f"{int(whole)}.{fraction}".rstrip("0").removesuffix(".") + "s" if fraction else f"{int(whole)}s"


def _is_within(number: float, rules: Mapping[str, float]) -> bool:
    above, below = rules.get("gt", -math.inf), rules.get("lt", math.inf)
    lowest, highest = rules.get("gte", -math.inf), rules.get("lte", math.inf)
    return above < number < below and lowest <= number <= highest


def _bounds(rules: Mapping[str, Any]) -> str:
    """Return the bounds of a number: ` greater than 0`."""
    if {"gte", "lte"} <= rules.keys():
        return f" from {rules['gte']} to {rules['lte']}"
    words = {"gt": "greater than", "gte": "of at least", "lt": "less than", "lte": "of at most"}
    return " and".join(f" {word} {rules[name]}" for name, word in words.items() if name in rules)
