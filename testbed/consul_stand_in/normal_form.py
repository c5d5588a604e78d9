"""Normal form of a config entry: `config_json` decoded into Consul's Go structs and encoded again.

Both sides of a diff are decoded, so key order, the case of keys and omitted zero values cause no change.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, TypeAlias

from . import PluginError
from .entry_structs import ENTRY_STRUCTS, FreeForm, ListOf, MapOf, PointerTo, Scalar, Shape, Struct

Json: TypeAlias = Any
JsonObject: TypeAlias = dict[str, Any]

ESCAPED_BY_GO = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
"""Characters that Go's JSON encoder escapes. They occur inside strings only, so the whole text can be translated."""

IDENTITY = {"Kind", "Name", "Namespace", "Partition", "CreateIndex", "ModifyIndex", "Hash"}
"""Fields that `config_json` does not contain."""

NANOSECONDS = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
DURATION_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")


def decoded_config(kind: str, config_json: str) -> JsonObject:
    """Decode `config_json`. Raises PluginError if it is not an object or a field has the wrong type.

    Fields that the struct lacks are dropped silently, as in the official plugin.
    """
    try:
        config = json.loads(config_json)
    except ValueError as invalid:
        raise PluginError(f"failed to unmarshal configMap: {invalid}") from None
    if not isinstance(config, dict):
        raise PluginError(f"failed to unmarshal configMap: must be an object, got {type(config).__name__}")
    return decoded_struct(ENTRY_STRUCTS[kind], config, "config_json") if kind in ENTRY_STRUCTS else config


def encoded_config(kind: str, decoded: JsonObject) -> JsonObject:
    """Encode the fields of a decoded entry as Go encodes the struct."""
    return encoded_struct(ENTRY_STRUCTS[kind], decoded) if kind in ENTRY_STRUCTS else decoded


def same_config(kind: str, old: str, new: str) -> bool:
    """Whether two `config_json` decode to equal structs. Text that cannot be decoded differs from any other."""
    try:
        # As text: in Python 1 equals true.
        return go_json(decoded_config(kind, old)) == go_json(decoded_config(kind, new))
    except PluginError:
        return False


def normal_config_json(kind: str, live_entry: Mapping[str, Json]) -> str:
    """Return a live entry in the normal form of state and look-ups, an entry of another kind as Consul returns it."""
    if kind in ENTRY_STRUCTS:
        return go_json(encoded_config(kind, decoded_struct(ENTRY_STRUCTS[kind], live_entry, kind)))
    return go_json({name: value for name, value in live_entry.items() if name not in IDENTITY})


def go_json(value: Json) -> str:
    """Write JSON as Go's encoder writes a map, so that state of the official plugin compares equal."""
    compact = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return compact.translate(ESCAPED_BY_GO)


def decoded(shape: Shape, value: Json, path: str) -> Json:
    """Decode one value other than null."""
    match shape:
        case Scalar():
            return decoded_scalar(shape, value, path)
        case FreeForm():
            return with_plain_numbers(value)
        case PointerTo():
            return decoded(shape.target, value, path)
        case Struct():
            return decoded_struct(shape, value, path)
        case ListOf():
            elements = expected(list, value, path, "a list")
            return [decoded(shape.element, element, f"{path}[{index}]") for index, element in enumerate(elements)]
        case MapOf():
            entries = expected(Mapping, value, path, "an object")
            return {key: decoded(shape.value, element, f"{path}.{key}") for key, element in entries.items()}


def decoded_struct(shape: Struct, value: Json, path: str) -> JsonObject:
    """Decode a struct with every field present; null is Go's nil. Field names are matched without regard to case."""
    given = expected(Mapping, value, path, "an object")
    by_folded_name = {key.casefold(): key for key in reversed(list(given))}
    fields: JsonObject = {}
    for name, field in shape.fields.items():
        found = given.get(name if name in given else by_folded_name.get(name.casefold()))
        fields[name] = empty(field) if found is None else decoded(field, found, f"{path}.{name}")
    return fields


def decoded_scalar(kind: Scalar, value: Json, path: str) -> str | int | bool:
    """Decode a scalar of exactly this type."""
    if kind is Scalar.DURATION and isinstance(value, str):
        return nanoseconds(value, path)
    match kind, value:
        case (Scalar.FLAG, bool()) | (Scalar.TEXT, str()):
            return value  # type: ignore[no-any-return] # mypy does not narrow a tuple of Any
        case (Scalar.INTEGER | Scalar.DURATION, int() | float()) if not isinstance(value, bool):
            return int(value)
        case _:
            raise wrong_type(value, path, kind.value)


def nanoseconds(duration: str, path: str) -> int:
    """Return a Go duration such as `1m30s` in nanoseconds."""
    parts = DURATION_PART.findall(duration)
    if not parts or "".join(count + unit for count, unit in parts) != duration:
        raise wrong_type(duration, path, Scalar.DURATION.value)
    return round(sum(float(count) * NANOSECONDS[unit] for count, unit in parts))


def expected(kind: type, value: Json, path: str, name: str) -> Json:
    """Return the value if it is of this type."""
    if not isinstance(value, kind):
        raise wrong_type(value, path, name)
    return value


def wrong_type(value: Json, path: str, name: str) -> PluginError:
    """Build the error for a value of the wrong type. The value is not shown because it may be a secret."""
    return PluginError(f"failed to decode config entry: {path} must be {name}, got {type(value).__name__}")


def empty(shape: Shape) -> Json:
    """Return Go's zero value of a field."""
    match shape:
        case Scalar():
            return shape.zero
        case Struct():
            return {name: empty(field) for name, field in shape.fields.items()}
        case _:
            return None


def with_plain_numbers(value: Json) -> Json:
    """Write 10.0 as 10: Go decodes both to the same number."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case list():
            return [with_plain_numbers(element) for element in value]
        case dict():
            return {key: with_plain_numbers(element) for key, element in value.items()}
        case _:
            return value


def encoded(shape: Shape, value: Json) -> Json:
    """Encode one decoded value."""
    match shape:
        case _ if value is None:
            return None
        case PointerTo():
            return encoded(shape.target, value)
        case Struct():
            return encoded_struct(shape, value)
        case ListOf():
            return [encoded(shape.element, element) for element in value]
        case MapOf():
            return {key: encoded(shape.value, element) for key, element in value.items()}
        case _:
            return value


def encoded_struct(shape: Struct, value: Mapping[str, Json]) -> JsonObject:
    """Encode a struct. `omitempty` never omits a nested struct."""
    return {
        name: encoded(field, value[name])
        for name, field in shape.fields.items()
        if not shape.omits_empty or name in shape.never_omitted or not is_empty(field, value[name])
    }


def is_empty(shape: Shape, value: Json) -> bool:
    """Whether `omitempty` omits this value."""
    match shape:
        case Scalar():
            return bool(value == shape.zero)
        case ListOf() | MapOf():
            return not value
        case _:
            return value is None
