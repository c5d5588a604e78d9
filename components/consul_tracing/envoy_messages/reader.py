"""Reader of values of Envoy's messages, by the rules of Envoy's JSON parser and by the constraints of the messages.

Envoy's parser accepts more than protobuf's JSON (`json_util` of protobuf with its legacy syntax, and Envoy's
`MessageUtil::loadFromJson`): enumerations in any case, booleans as text, a single value as a list, and lists in lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from consul_tracing.errors import mismatch, with_suggestion

from .json_values import snake_case
from .messages import ANY, Field, Message, message
from .releases import REPLACED, SINCE, V2_TYPE
from .scalars import UnexpectedError, accepts_zero, is_zero, scalar

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

UNREAD = frozenset(
    {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Timestamp"}
)
"""Messages whose JSON has a form of its own."""

SIMILARITY = 0.85
"""Minimum similarity (0 to 1) of an unknown field to a known one at which it is a misspelling."""


class Kind(Enum):
    """Kinds of mistakes."""

    VALUE = auto()
    """A value that Envoy rejects, or a required field that is missing."""
    FORMER = auto()
    """A field or a type of Envoy's v2 API."""
    MISSPELT = auto()
    """A field that the message does not have and that is similar to a field that it has."""
    UNKNOWN = auto()
    """Another field that the message does not have. It may be new in the Envoy of the mesh."""


@dataclass(frozen=True)
class Mistake:
    """A part of a value that Envoy rejects."""

    path: FieldPath
    """The path of the field with the names of the value."""
    reason: str
    kind: Kind = Kind.VALUE


@dataclass(frozen=True)
class Reading:
    """A value of a message."""

    value: Any
    """The canonical value: fields in snake_case, enumerations as names, numbers, booleans and durations in one form,
    messages in an `Any` with the bare name of their type, and no unset or zero field. Parts that cannot be read, fields
    that are not known and values that are not JSON (expressions) remain as they are."""
    mistakes: tuple[Mistake, ...]
    newer: tuple[tuple[FieldPath, EnvoyRelease], ...]
    """The fields and messages that are not in each Envoy, with the first Envoy that has them."""
    unknown: frozenset[FieldPath]
    """The canonical paths of fields that are not known."""


def read(value: object, name: str, path: FieldPath = ()) -> Reading:
    """Return the value of a message. `path` is the path of the value in mistakes."""
    reader = _Reader()
    canonical = reader.value(value, Field(name, "", {}), path, ())
    return Reading(canonical, tuple(reader.mistakes), tuple(reader.newer), frozenset(reader.unknown))


def is_json(value: object) -> bool:
    """Return whether a value is JSON, not an expression."""
    return value is None or isinstance(value, str | int | float | list | dict)


@dataclass
class _Reader:
    mistakes: list[Mistake] = field(default_factory=list)
    newer: list[tuple[FieldPath, EnvoyRelease]] = field(default_factory=list)
    unknown: set[FieldPath] = field(default_factory=set)

    def value(self, value: Any, kind: Field, path: FieldPath, place: FieldPath) -> Any:  # noqa: ANN401 - JSON
        """Read one value. `path`: with the names of the value. `place`: with canonical names."""
        if not is_json(value) or kind.type in UNREAD:
            return value
        if kind.type == ANY:
            return self._any(value, path, place)
        if found := message(kind.type):
            return self._message(value, found, path, place)
        try:
            return scalar(value, kind)
        except UnexpectedError as error:
            self.mistakes.append(Mistake(path, mismatch(str(error), value)))
            return value

    def _any(self, value: Any, path: FieldPath, place: FieldPath) -> Any:  # noqa: ANN401 - JSON
        kind = value.get("@type") if isinstance(value, dict) else None
        if not is_json(kind):
            return value
        if not isinstance(value, dict) or not isinstance(kind, str):
            self.mistakes.append(Mistake(path, mismatch('a map with the text "@type"', value)))
            return value
        if V2_TYPE.fullmatch(kind):
            reason = mismatch("a type of Envoy's v3 API", kind)
            self.mistakes.append(Mistake((*path, "@type"), reason, Kind.FORMER))
        name, count = kind.rpartition("/")[2], len(self.newer)
        content = {key: member for key, member in value.items() if key != "@type"}
        found = message(name)
        canonical = self._message(content, found, path, place) if found else content
        if name in SINCE:
            self.newer[count:] = [((*path, "@type"), SINCE[name])]
        return {"@type": name, **canonical}

    def _message(self, value: Any, kind: Message, path: FieldPath, place: FieldPath) -> Any:  # noqa: ANN401 - JSON
        if not isinstance(value, dict):
            self.mistakes.append(Mistake(path, mismatch("a map", value)))
            return value
        canonical: JsonObject = {}
        for key, member in value.items():
            name = snake_case(key)
            if member is None:
                continue
            if name not in kind.fields:
                self._unknown_field(key, kind, path)
                self.unknown.add((*place, name))
                canonical[name] = member
                continue
            if since := SINCE.get(f"{kind.name}.{name}"):
                self.newer.append(((*path, key), since))
            one = kind.fields[name]
            canonical[name] = self._field(member, one, (*path, key), (*place, name))
        may_be_newer = any(one.kind is Kind.UNKNOWN for one in self.mistakes if one.path[:-1] == path)
        for place_, reason in [*_missing(canonical, kind), *([] if may_be_newer else _ambiguous(canonical, kind))]:
            self.mistakes.append(Mistake((*path, *place_), reason))
        return {name: one for name, one in canonical.items() if not _is_unset(one, kind.fields.get(name))}

    def _unknown_field(self, key: str, kind: Message, path: FieldPath) -> None:
        name = snake_case(key)
        if name in kind.reserved:
            replacement = REPLACED.get(f"{kind.name}.{name}")
            fix = f"Set {replacement}" if replacement else "Remove it"
            self.mistakes.append(Mistake((*path, key), f"belongs to Envoy's v2 API. {fix}", Kind.FORMER))
            return
        is_similar = get_close_matches(name, kind.fields, n=1, cutoff=SIMILARITY) or any(
            one.startswith(f"{name}_") for one in kind.fields
        )
        reason = with_suggestion("is not a field of this Envoy message", key, sorted(kind.fields))
        self.mistakes.append(Mistake((*path, key), reason, Kind.MISSPELT if is_similar else Kind.UNKNOWN))

    def _field(self, value: Any, kind: Field, path: FieldPath, place: FieldPath) -> Any:  # noqa: ANN401 - JSON
        one = Field(kind.type, "", kind.rules)
        if kind.form == "map" and isinstance(value, dict):
            return {key: self.value(member, one, (*path, key), (*place, key)) for key, member in value.items()}
        if kind.form == "map" and is_json(value):
            self.mistakes.append(Mistake(path, mismatch("a map", value)))
            return value
        if kind.form != "list" or not is_json(value):
            return self.value(value, one if kind.form == "map" else kind, path, place)
        members = list(_flat(value, path)) if isinstance(value, list) else [(value, path)]
        if not kind.rules.get("min_items", 0) <= len(members) <= kind.rules.get("max_items", math.inf):
            self.mistakes.append(Mistake(path, f"must have {_number_of(kind.rules)}, got {len(members)}"))
        return [self.value(one_, one, at, (*place, str(index))) for index, (one_, at) in enumerate(members)]


def _flat(values: list[Any], path: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    """Yield the members of a list with their paths, also those of lists in the list."""
    for index, value in enumerate(values):
        if isinstance(value, list):
            yield from _flat(value, (*path, str(index)))
        else:
            yield value, (*path, str(index))


def _number_of(rules: Mapping[str, Any]) -> str:
    lowest, highest = rules.get("min_items", 0), rules.get("max_items")
    if lowest == highest:
        return f"{lowest} members"
    return f"at least {lowest} members" if highest is None else f"{lowest} to {highest} members"


def _is_unset(value: object, kind: Field | None) -> bool:
    """Return whether a canonical value is the same as an unset field."""
    if kind is None or not is_json(value):
        return False
    if kind.form in {"list", "map"}:
        return not value and isinstance(value, list | dict)
    return kind.omits_zero and is_zero(value, kind)


def _missing(value: JsonObject, kind: Message) -> Iterator[tuple[FieldPath, str]]:
    """Yield the required fields that a canonical value does not have, with the reason."""
    for name, one in kind.fields.items():
        is_required = one.rules.get("required") or one.rules.get("min_items", 0)
        if name not in value and (is_required or (one.omits_zero and not accepts_zero(one))):
            yield (name,), "is required"


def _ambiguous(value: JsonObject, kind: Message) -> Iterator[tuple[FieldPath, str]]:
    """Yield the groups of fields of which a canonical value does not have one, with the reason."""
    for group in (*kind.one_of, *kind.at_most_one_of):
        given = [name for name in group if name in value]
        if len(given) > 1 or (not given and group in kind.one_of):
            number = "exactly one" if group in kind.one_of else "at most one"
            yield (), f"must have {number} of {', '.join(group)}; got {', '.join(given) or 'none'}"
