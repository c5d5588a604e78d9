"""Reader of values of Envoy's messages, by the rules of Envoy's JSON parser and by the constraints of the messages.

Envoy's parser accepts more than protobuf's JSON (`json_util` of protobuf with its legacy syntax, and Envoy's
`MessageUtil::loadFromJson`): enumerations in any case, booleans as text, a single value as a list, and lists in lists.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from enum import Enum, auto
from typing import TYPE_CHECKING, Any

from consul_tracing.errors import mismatch, with_suggestion

from .json_values import snake_case
from .messages import ANY, LISTENER_TRACING, Field, Message, message
from .releases import REPLACED, SINCE, V2_TYPE
from .scalars import UnexpectedError, is_zero, scalar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import EnvoyRelease, FieldPath, JsonObject

UNREAD = frozenset(
    {"google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Timestamp"}
)
"""Messages whose JSON has a form of its own."""

SIMILARITY = 0.85
"""Minimum similarity (0 to 1) of an unknown field to a known one at which it is a misspelling."""


MAX_DEPTH = 100
"""Levels of nested messages and lists that Envoy's parser accepts."""


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
    mistakes: list[Mistake]
    newer: list[tuple[FieldPath, EnvoyRelease]]
    """The fields and messages that are not in each Envoy, with the first Envoy that has them."""
    lenient: list[FieldPath]
    """The values in a form that Envoy's parser accepts and the one of Consul does not."""


def read(value: object, name: str, path: FieldPath = (), *, form: str = "") -> Reading:
    """Return the value of a message, or the values of a list. `path` is the path of the value in mistakes."""
    reader = _Reader()
    return Reading(reader.value(value, Field(name, form), path), reader.mistakes, reader.newer, reader.lenient)


def read_listener(content: JsonObject, path: FieldPath = ()) -> Reading:
    """Return the content of `envoy_listener_tracing_json`, which is an `Any`, without its type."""
    return read({key: member for key, member in content.items() if key != "@type"}, LISTENER_TRACING, path)


def is_json(value: object) -> bool:
    """Return whether a value is JSON, not an expression."""
    return value is None or isinstance(value, str | int | float | list | dict)


@dataclass
class _Reader:
    mistakes: list[Mistake] = field(default_factory=list)
    newer: list[tuple[FieldPath, EnvoyRelease]] = field(default_factory=list)
    lenient: list[FieldPath] = field(default_factory=list)

    def value(self, value: Any, kind: Field, path: FieldPath) -> Any:  # noqa: ANN401 - JSON
        """Return the canonical form of a value of any kind."""
        if not is_json(value) or kind.type in UNREAD:
            return value
        if len(path) > MAX_DEPTH:
            return self._mismatch(f"at most {MAX_DEPTH} levels deep", value, path)
        if kind.form == "list":
            return self._list(value, kind, path)
        if kind.form == "map" and isinstance(value, dict):
            one = replace(kind, form="")
            return {key: self.value(member, one, (*path, key)) for key, member in value.items()}
        known = message(kind.type)
        if kind.form == "map" or (known and not isinstance(value, dict)):
            return self._mismatch("a map", value, path)
        if known:
            return self._message(value, known, path)
        if kind.type == ANY:
            return self._any(value, path)
        try:
            canonical = scalar(value, kind)
        except UnexpectedError as error:
            return self._mismatch(str(error), value, path)
        if isinstance(value, str) and value != canonical and (kind.is_enum or kind.scalar == "bool"):
            self.lenient.append(path)
        return canonical

    def _mismatch(self, expected: str, value: Any, path: FieldPath) -> Any:  # noqa: ANN401 - JSON
        self.mistakes.append(Mistake(path, mismatch(expected, value)))
        return value

    def _list(self, value: Any, kind: Field, path: FieldPath) -> list[Any]:  # noqa: ANN401 - JSON
        members = list(_flat(value, path)) if isinstance(value, list) else [(value, path)]
        if not isinstance(value, list) or any(isinstance(one, list) for one in value):
            self.lenient.append(path)
        lowest, highest = kind.rules.get("min_items", 0), kind.rules.get("max_items", math.inf)
        if not lowest <= len(members) <= highest:
            expected = f"at least {lowest}" if len(members) < lowest else f"at most {highest}"
            self.mistakes.append(Mistake(path, f"must have {expected} members, got {len(members)}"))
        return [self.value(one, replace(kind, form=""), place) for one, place in members]

    def _any(self, value: Any, path: FieldPath) -> Any:  # noqa: ANN401 - JSON
        kind = value.get("@type") if isinstance(value, dict) else None
        if not is_json(kind):
            return value
        if not isinstance(kind, str):
            return self._mismatch('a map with the text "@type"', value, path)
        if not kind.partition("/")[0] or "/" not in kind:
            self.mistakes.append(Mistake((*path, "@type"), mismatch('a URL such as "type.googleapis.com/…"', kind)))
        if V2_TYPE.fullmatch(kind):
            self.mistakes.append(Mistake((*path, "@type"), mismatch("a type of Envoy's v3 API", kind), Kind.FORMER))
        name, count = kind.rpartition("/")[2], len(self.newer)
        content = {key: member for key, member in value.items() if key != "@type"}
        if known := message(name):
            content = self._message(content, known, path)
        if name in SINCE:
            self.newer[count:] = [((*path, "@type"), SINCE[name])]
        return {"@type": name, **content}

    def _message(self, value: JsonObject, kind: Message, path: FieldPath) -> JsonObject:
        canonical: JsonObject = {}
        unknown = set()
        for key, member in value.items():
            name = snake_case(key)
            if one := kind.fields.get(name):
                if member is None:
                    continue
                canonical[name] = self.value(member, one, (*path, key))
            else:
                canonical[name] = member
                unknown.add(self._unknown_field(key, kind, path))
            if since := SINCE.get(f"{kind.name}.{name}"):
                self.newer.append(((*path, key), since))
        missing = [name for name, one in kind.fields.items() if one.rules.get("required") and name not in canonical]
        self.mistakes += [Mistake((*path, name), "is required") for name in missing]
        if Kind.UNKNOWN not in unknown:
            self.mistakes += [Mistake(path, reason) for reason in _ambiguities(canonical, kind)]
        return {name: one for name, one in canonical.items() if not _is_unset(one, kind.fields.get(name))}

    def _unknown_field(self, key: str, kind: Message, path: FieldPath) -> Kind:
        name = snake_case(key)
        if name in kind.reserved:
            replacement = REPLACED.get(name)
            fix = f"Set {replacement}" if replacement in kind.fields else "Remove it"
            found, reason = Kind.FORMER, f"belongs to Envoy's v2 API. {fix}"
        else:
            is_start = any(one.startswith(f"{name}_") for one in kind.fields)
            is_similar = is_start or get_close_matches(name, kind.fields, n=1, cutoff=SIMILARITY)
            found = Kind.MISSPELT if is_similar else Kind.UNKNOWN
            reason = with_suggestion("is not a field of this Envoy message", key, sorted(kind.fields))
        self.mistakes.append(Mistake((*path, key), reason, found))
        return found


def _flat(values: list[Any], path: FieldPath) -> Iterator[tuple[Any, FieldPath]]:
    """Yield the members of a list with their paths, also those of lists in the list."""
    for index, value in enumerate(values):
        place = (*path, str(index))
        yield from _flat(value, place) if isinstance(value, list) else [(value, place)]


def _is_unset(value: object, kind: Field | None) -> bool:
    """Return whether a canonical value is the same as an unset field."""
    if kind is None or not is_json(value):
        return False
    if kind.form in {"list", "map"}:
        return value in ([], {})
    return kind.omits_zero and is_zero(value, kind)


def _ambiguities(value: JsonObject, kind: Message) -> Iterator[str]:
    """Yield the groups of fields of which too many are set, or none."""
    for group in (*kind.one_of, *kind.at_most_one_of):
        given = [name for name in group if name in value]
        if len(given) > 1 or (not given and group in kind.one_of):
            number = "exactly one" if group in kind.one_of else "at most one"
            yield f"must have {number} of {', '.join(group)}; got {', '.join(given) or 'none'}"
