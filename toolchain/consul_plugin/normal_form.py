"""The normal form of a config entry: what is left of `config_json` after a trip through Consul's Go structs.

Both sides of a diff take that trip, so the order of keys, their upper and lower case, and zero values cause no change;
what Consul fills in by itself does, unless the user writes it out too.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from .entry_shapes import (
    ENTRY_SHAPES,
    KINDS_OF_THE_OFFICIAL_PLUGIN,
    Anything,
    ListOf,
    MapOf,
    PointerTo,
    Record,
    Scalar,
    Shape,
)
from .scalars import UnfitValue, go_type_name, scalar

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]

ESCAPED_BY_GO = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
"""Characters that Go's JSON encoder escapes. They occur only inside strings, so the whole text may be translated."""


class UnreadableEntry(ValueError):
    """`config_json` cannot become a config entry; the text says why, in the official plugin's words if it has any."""


def entry_shape(kind: str) -> Record:
    """Return the fields of this kind of entry; raise `UnreadableEntry` where there are none."""
    if kind in ENTRY_SHAPES:
        return ENTRY_SHAPES[kind]
    if kind in KINDS_OF_THE_OFFICIAL_PLUGIN:
        known = " and ".join(sorted(ENTRY_SHAPES))
        raise UnreadableEntry(
            f'config entry kind "{kind}" is not served by this stand-in for pulumi-resource-consul, which knows '
            f"{known} only; the official plugin serves it"
        )
    raise UnreadableEntry(f"invalid config entry kind: {kind}")


def entry_meaning(kind: str, config_json: str) -> JsonObject:
    """Return the fields that were set, by their Go names; equal meanings cause no diff.

    Fields that Consul's structs lack are dropped without a word, as the official plugin does. An empty group that was
    written out (`"Expose": {}`) is kept apart from one that was not: the official plugin was seen to want all of them.
    """
    entry = config_object(config_json)
    try:
        return record_meaning(entry_shape(kind), entry, ())
    except UnfitValue as unfit:
        raise UnreadableEntry(
            f"failed to decode config entry: decoding failed due to the following error(s):\n\n{unfit}"
        ) from None


def config_object(config_json: str) -> JsonObject:
    """Parse `config_json`, which must be a JSON object."""
    if not config_json:
        raise UnreadableEntry("failed to unmarshal configMap: unexpected end of JSON input")
    try:
        entry = json.loads(config_json)
    except ValueError as invalid:
        raise UnreadableEntry(f"failed to unmarshal configMap: {invalid}") from None
    if not isinstance(entry, dict):
        raise UnreadableEntry(
            f"failed to unmarshal configMap: json: cannot unmarshal {type(entry).__name__} into Go value of type "
            "map[string]interface {}"
        )
    return entry


def entry_body(kind: str, meaning: JsonObject) -> JsonObject:
    """Write the entry as Go would: empty fields left out, the groups that Go always writes filled in."""
    return record_written(entry_shape(kind), meaning)


def normal_config_json(kind: str, live_entry: Mapping[str, Json]) -> str:
    """Return an entry as Consul sent it in the form that `config_json` is given out, in state and in look-ups."""
    return go_json(entry_body(kind, record_meaning(entry_shape(kind), live_entry, ())))


def go_json(value: Json) -> str:
    """Write JSON as Go's encoder writes a map, to the letter: state written by the official plugin compares equal."""
    compact = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return compact.translate(ESCAPED_BY_GO)


def meaning_of(shape: Shape, value: Json, path: tuple[str, ...]) -> Json:
    """Decode one value; raise `UnfitValue` where Go's decoder would refuse it."""
    match shape:
        case Scalar():
            return scalar(shape, value, path)
        case Anything():
            return plain_numbers(value)
        case PointerTo():
            return meaning_of(shape.target, value, path)
        case Record():
            return record_meaning(shape, value, path)
        case ListOf():
            return list_meaning(shape, value, path)
        case MapOf():
            return map_meaning(shape, value, path)


def record_meaning(record: Record, value: Json, path: tuple[str, ...]) -> JsonObject:
    """Decode a group of fields, found by name or else by name in another case; null counts as not written."""
    if not isinstance(value, Mapping):
        raise UnfitValue(path, f'expected a map or struct, got "{go_type_name(value)}"')
    folded = {key.casefold(): key for key in reversed(list(value))}
    meaning: JsonObject = {}
    for name, shape in record.fields.items():
        key = name if name in value else folded.get(name.casefold())
        given = None if key is None else value[key]
        if given is None:
            continue
        decoded = meaning_of(shape, given, (*path, name))
        if not (isinstance(shape, Scalar) and decoded == shape.zero):
            meaning[name] = decoded
    return meaning


def list_meaning(shape: ListOf, value: Json, path: tuple[str, ...]) -> list[Json]:
    """Decode a list; a single value becomes a list of one, as Go's weak decoding has it."""
    elements = value if isinstance(value, list) else [] if value == {} else [value]
    return [meaning_of(shape.element, element, (*path, f"[{i}]")) for i, element in enumerate(elements)]


def map_meaning(shape: MapOf, value: Json, path: tuple[str, ...]) -> JsonObject:
    """Decode a map with text keys."""
    if value == []:
        return {}
    if not isinstance(value, Mapping):
        raise UnfitValue(path, f"expected a map, got '{go_type_name(value)}'")
    return {key: meaning_of(shape.value, element, (*path, f"[{key}]")) for key, element in value.items()}


def plain_numbers(value: Json) -> Json:
    """Write 10.0 as 10, which Go cannot tell apart."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [plain_numbers(element) for element in value]
        case dict():
            return {key: plain_numbers(element) for key, element in value.items()}
        case _:
            return value


def written(shape: Shape, meaning: Json) -> Json:
    """Write one decoded value."""
    match shape:
        case PointerTo():
            return written(shape.target, meaning)
        case Record():
            return record_written(shape, meaning)
        case ListOf():
            return [written(shape.element, element) for element in meaning]
        case MapOf():
            return {key: written(shape.value, element) for key, element in meaning.items()}
        case _:
            return meaning


def record_written(record: Record, meaning: Mapping[str, Json]) -> JsonObject:
    """Write a group of fields. Go's `omitempty` drops empty maps and lists, yet never a nested group."""
    body: JsonObject = {}
    for name, shape in record.fields.items():
        given = meaning.get(name)
        if isinstance(shape, Record):
            body[name] = record_written(shape, given or {})
        elif given is None:
            if name in record.always_written:
                body[name] = shape.zero if isinstance(shape, Scalar) else None
        elif name in record.always_written or not is_empty_collection(shape, given):
            body[name] = written(shape, given)
    return body


def is_empty_collection(shape: Shape, meaning: Json) -> bool:
    """Tell whether `omitempty` drops this value; zero scalars never get here."""
    return isinstance(shape, ListOf | MapOf) and not meaning
