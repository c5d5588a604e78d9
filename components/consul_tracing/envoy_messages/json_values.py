"""JSON of Envoy's configuration: the text in Consul's keys, names of fields, and members of values."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import JsonObject

DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}

IRREGULAR = {"trace_id128bit": "trace_id_128bit"}
"""The field whose camelCase name has no boundary before the digits."""


def json_objects(value: object) -> list[JsonObject] | None:
    """Return the objects in text with JSON objects that are joined by commas. None for any other value."""
    if not isinstance(value, str):
        return None
    try:
        objects: list[Any] = json.loads(f"[{value}]", parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return None
    return objects if all(isinstance(member, dict) for member in objects) else None


def _reject_constant(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def fraction_percent(value: object) -> float | None:
    """Return Envoy's `FractionalPercent` as a percentage. None for another value."""
    if not isinstance(value, dict):
        return None
    numerator, denominator = value.get("numerator", 0), DENOMINATORS.get(str(value.get("denominator", "HUNDRED")))
    is_number = isinstance(numerator, int | float) and not isinstance(numerator, bool)
    return None if denominator is None or not is_number else min(100 * numerator / denominator, 100.0)


def snake_case(name: str) -> str:
    """Return the name of a protobuf field. Protobuf's JSON also accepts its camelCase form."""
    separated = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return IRREGULAR.get(separated, separated)


def maps_in(value: object, path: str) -> Iterator[tuple[str, JsonObject]]:
    """Yield the maps in a value and the value itself if it is one, with their paths."""
    if isinstance(value, dict):
        yield path, value
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from maps_in(member, f"{path}.{key}")


def at(value: Any, *path: str | int) -> Any:  # noqa: ANN401 - JSON
    """Return a member of a value. None if there is none."""
    for step in path:
        is_member = isinstance(step, str) and isinstance(value, dict) and step in value
        is_element = isinstance(step, int) and isinstance(value, list) and step < len(value)
        if not is_member and not is_element:
            return None
        value = value[step]
    return value


def members(value: object) -> JsonObject:
    """Return the members of a map, empty for any other value."""
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    """Return the members of a list. Protobuf's JSON also accepts a single member."""
    return value if isinstance(value, list) else [] if value is None else [value]
