"""Validation of values by the rules of Envoy's JSON parser.

Protobuf's JSON accepts each field in snake_case and in camelCase.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from consul_tracing.errors import Problem, mismatch, with_suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import JsonObject

Check = Callable[[object], str]
"""Function that returns an empty string for a valid value, else a description of the expected value."""

Schema = Check | list["Schema"] | Mapping[str, "Schema"]
"""The check of a value, the schema of the members of a list, or the schemas of the fields of a message.

The field `*` is the schema of all fields of a map with any keys.
"""

DURATION = re.compile(r"\d{1,12}(\.\d{1,9})?s", re.ASCII)
BOOLEANS = frozenset({"true", "t", "yes", "y", "1", "false", "f", "no", "n", "0"})
"""Text that Envoy's JSON parser reads as a boolean, in any case."""

MAX_PORT = 65535
MAX_UINT32 = 2**32 - 1


def anything(_value: object) -> str:
    """Accept every value."""
    return ""


def text(value: object) -> str:
    """Accept text."""
    return "" if isinstance(value, str) else "text"


def name(value: object) -> str:
    """Accept non-empty text."""
    return "" if isinstance(value, str) and value else "non-empty text"


def boolean(value: object) -> str:
    """Accept true and false, also as text."""
    is_boolean = isinstance(value, bool) or (isinstance(value, str) and value.lower() in BOOLEANS)
    return "" if is_boolean else "true or false"


def _number(value: object) -> float | None:
    match value:
        case str() if value.isdecimal() and value.isascii() and len(value) <= len(str(MAX_UINT32)):
            return int(value)
        case int() | float() if not isinstance(value, bool) and value % 1 == 0:
            return value
        case _:
            return None


def count(value: object) -> str:
    """Accept a whole number of 32 bits, also as text."""
    number = _number(value)
    return "" if number is not None and 0 <= number <= MAX_UINT32 else "a whole number from 0 to 4294967295"


def port(value: object) -> str:
    """Accept a port, also as text."""
    number = _number(value)
    return "" if number is not None and 0 <= number <= MAX_PORT else "a port from 0 to 65535"


def duration(value: object) -> str:
    """Accept a duration in protobuf's JSON format."""
    is_duration = isinstance(value, str) and DURATION.fullmatch(value)
    return "" if is_duration else 'a duration in seconds, such as "3s" or "0.250s"'


def timeout(value: object) -> str:
    """Accept a duration that is not zero."""
    return duration(value) or ("" if float(str(value)[:-1]) else "a duration greater than 0")


def is_map(value: object) -> str:
    """Accept a map."""
    return "" if isinstance(value, dict) else "a map"


def typed_message(value: object) -> str:
    """Accept a protobuf `Any`."""
    return "" if isinstance(value, dict) and isinstance(value.get("@type"), str) else 'a map with the text "@type"'


def one_of(*names: str) -> Check:
    """Return the check of an enumeration. Envoy accepts names in any case, and numbers."""
    expected = f"one of {', '.join(names)}"

    def check(value: object) -> str:
        return "" if _number(value) is not None or (isinstance(value, str) and value.upper() in names) else expected

    return check


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


DENOMINATORS = {"HUNDRED": 100, "TEN_THOUSAND": 10_000, "MILLION": 1_000_000}


def fraction_percent(value: object) -> float | None:
    """Return Envoy's `FractionalPercent` as a percentage. None for another value."""
    if not isinstance(value, dict):
        return None
    numerator, denominator = value.get("numerator", 0), DENOMINATORS.get(str(value.get("denominator", "HUNDRED")))
    is_number = isinstance(numerator, int | float) and not isinstance(numerator, bool)
    return None if denominator is None or not is_number else min(100 * numerator / denominator, 100.0)


IRREGULAR = {"trace_id128bit": "trace_id_128bit"}
"""The field whose camelCase name has no boundary before the digits."""


def snake_case(name: str) -> str:
    """Return the name of a protobuf field. Protobuf's JSON also accepts its camelCase form."""
    separated = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return IRREGULAR.get(separated, separated)


def snake_case_keys(value: object) -> Any:  # noqa: ANN401 - JSON
    """Return a JSON value with all keys in snake_case and without null."""
    match value:
        case dict():
            return {snake_case(key): snake_case_keys(member) for key, member in value.items() if member is not None}
        case list():
            return [snake_case_keys(member) for member in value]
        case _:
            return value


@dataclass(frozen=True)
class Messages:
    """Envoy's messages, with which values are compared."""

    typed: Mapping[str, Schema]
    """The schemas of messages in an `Any`, by their names."""

    similarity: float = 0.85
    """Minimum similarity (0 to 1) of an unknown field to a known one at which it is a problem. Default: 0.85, a
    misspelling. Other fields may be new in the Envoy of the mesh. 0: every unknown field is a problem."""

    def problems(self, value: object, schema: Schema, path: str) -> Iterator[Problem]:
        """Return the problems of a value and its members.

        null is an unset field, and a single value of a list is a list with one member.
        """
        if value is None:
            return
        if callable(schema):
            if expected := schema(value):
                yield Problem(path, mismatch(expected, value))
            elif schema is typed_message and isinstance(value, dict):
                fields = {field: member for field, member in value.items() if field != "@type"}
                message = self.typed.get(value["@type"].rpartition("/")[2], is_map)
                yield from self.problems(fields, message, path)
        elif isinstance(schema, list):
            members = value if isinstance(value, list) else [value]
            for index, member in enumerate(members):
                place = f"{path}.{index}" if isinstance(value, list) else path
                yield from self.problems(member, schema[0], place)
        elif isinstance(value, dict):
            for field, member in value.items():
                yield from self._field_problems(field, member, schema, f"{path}.{field}")
        else:
            yield Problem(path, mismatch("a map", value))

    def _field_problems(self, field: str, value: object, schema: Mapping[str, Schema], path: str) -> Iterator[Problem]:
        if one := schema.get(snake_case(field), schema.get("*")):
            yield from self.problems(value, one, path)
        elif get_close_matches(snake_case(field), schema, n=1, cutoff=self.similarity):
            yield Problem(path, with_suggestion("is not a field of this Envoy message", field, sorted(schema)))
