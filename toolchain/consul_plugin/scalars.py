"""Single values, decoded as Go's mapstructure decodes them when it is told to be lenient (`WeaklyTypedInput`)."""

import re
from typing import Any

from .entry_shapes import Scalar

NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
DURATION = re.compile(rf"([+-]?)((?:{DURATION_PART.pattern})+)")
WORDS_FOR_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
WORDS_FOR_FALSE = frozenset({"", "0", "f", "F", "false", "FALSE", "False"})
GO_TYPE_NAMES = {str: "string", bool: "bool", int: "float64", float: "float64", list: "[]interface {}"}


class UnfitValue(ValueError):
    """A value that does not fit its field; the text names the field and what was expected there."""

    def __init__(self, path: tuple[str, ...], reason: str) -> None:
        """Name the field by the path that leads to it."""
        name = ".".join(path).replace(".[", "[")
        super().__init__(f"'{name}' {reason}")


def go_type_name(value: object) -> str:
    """Return what Go's JSON decoder would call this value's type."""
    return GO_TYPE_NAMES.get(type(value), "map[string]interface {}")


def scalar(kind: Scalar, value: Any, path: tuple[str, ...]) -> str | int | bool:  # noqa: ANN401 - JSON of any type
    """Decode one value of this kind; raise `UnfitValue` where that cannot be done."""
    if isinstance(value, list | dict):
        # The value itself stays out of the text: it may come from a secret.
        raise UnfitValue(path, f"expected type '{kind.value}', got unconvertible type '{go_type_name(value)}'")
    match kind:
        case Scalar.TEXT:
            return text(value)
        case Scalar.FLAG:
            return flag(value, path)
        case Scalar.DURATION if isinstance(value, str):
            return duration(value, path)
        case _:
            return integer(value, path)


def text(value: str | float) -> str:
    """Return text as it is and anything else spelled out; Go writes true as 1."""
    match value:
        case bool():
            return str(int(value))
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)


def flag(value: str | float, path: tuple[str, ...]) -> bool:
    """Return a truth value from JSON's own, a number, or one of the words that Go takes."""
    if not isinstance(value, str):
        return value != 0
    if value in WORDS_FOR_TRUE:
        return True
    if value in WORDS_FOR_FALSE:
        return False
    raise UnfitValue(path, "cannot parse value as 'bool': strconv.ParseBool: invalid syntax")


def integer(value: str | float, path: tuple[str, ...]) -> int:
    """Return a whole number; fractions are cut off."""
    if not isinstance(value, str):
        return int(value)
    try:
        return int(value or "0", base=0)
    except ValueError:
        raise UnfitValue(path, "cannot parse value as 'int': strconv.ParseInt: invalid syntax") from None


def duration(value: str, path: tuple[str, ...]) -> int:
    """Return the nanoseconds of a Go duration such as `1m30s`."""
    if value == "0":
        return 0
    spelled = DURATION.fullmatch(value)
    if spelled is None:
        raise UnfitValue(path, "time: invalid duration")
    parts = DURATION_PART.findall(spelled[2])
    nanoseconds = round(sum(float(count) * NANOSECONDS[unit] for count, unit in parts))
    return -nanoseconds if spelled[1] == "-" else nanoseconds
