"""Generator of Envoy's messages: the fields, types and constraints of the messages in Envoy's configuration."""

import json
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import envoy  # type: ignore[import-untyped]
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.descriptor_pb2 import DescriptorProto
from google.protobuf.json_format import MessageToDict
from validate import validate_pb2  # type: ignore[import-untyped]

ENVOY = Path(envoy.__path__[0])

FOLDERS = ("config", "extensions")
"""Folders of the messages in bootstraps."""

RULES = frozenset(
    {
        *("defined_only", "gt", "gte", "in", "lt", "lte", "max_items", "min_bytes", "min_items", "min_len"),
        *("min_pairs", "not_in", "required"),
    }
)
"""The constraints that are checked. The patterns of text are not: their regular expressions are not Python's."""

TYPES = {
    getattr(FieldDescriptor, f"TYPE_{name.upper()}"): name
    for name in ("bool", "bytes", "double", "float", "int32", "int64", "string", "uint32", "uint64")
}


def envoy_messages() -> str:
    """Return the content of `messages.json`: one message or enumeration in a line."""
    messages, enums = _reachable(_roots())
    names = {"messages": {name: _message(one) for name, one in messages.items()}}
    names["enums"] = {name: {one.name: one.number for one in enum.values} for name, enum in enums.items()}
    parts = []
    for kind, found in names.items():
        lines = [f"{json.dumps(name)}: {json.dumps(found[name])}" for name in sorted(found)]
        parts.append(f'"{kind}": {{\n' + ",\n".join(lines) + "\n}")
    return "{\n" + ",\n".join(parts) + "\n}\n"


def _roots() -> Iterator[Descriptor]:
    for file in sorted(file for folder in FOLDERS for file in (ENVOY / folder).rglob("v3*/*_pb2.py")):
        if "rate_limit_quota" in file.parts:
            # Its dependency google.rpc.Status is also in another file of pulumi, with which it cannot be loaded.
            continue
        module = import_module(".".join(("envoy", *file.relative_to(ENVOY).with_suffix("").parts)))
        yield from module.DESCRIPTOR.message_types_by_name.values()


def _reachable(roots: Iterator[Descriptor]) -> tuple[dict[str, Descriptor], dict[str, EnumDescriptor]]:
    """Return the messages and enumerations of the fields of all messages. protobuf's own have a form of their own."""
    messages: dict[str, Descriptor] = {}
    enums: dict[str, EnumDescriptor] = {}
    pending = list(roots)
    while pending:
        message = pending.pop()
        if message.full_name in messages or message.full_name.startswith("google.protobuf."):
            continue
        if not message.GetOptions().map_entry:
            messages[message.full_name] = message
        for field in message.fields:
            if field.enum_type is not None:
                enums[field.enum_type.full_name] = field.enum_type
            if field.message_type is not None:
                pending.append(field.message_type)
    return messages, enums


def _message(message: Descriptor) -> dict[str, Any]:
    proto = DescriptorProto()
    message.CopyToProto(proto)
    groups: dict[str, list[list[str]]] = {"one_of": [], "at_most_one_of": []}
    for one in message.oneofs:
        is_required = one.GetOptions().Extensions[validate_pb2.required]
        if is_required or len(one.fields) > 1:
            groups["one_of" if is_required else "at_most_one_of"].append([field.name for field in one.fields])
    found = {"fields": {field.name: _field(field) for field in message.fields}, **groups}
    found["reserved"] = list(proto.reserved_name)
    return {name: value for name, value in found.items() if value or name == "fields"}


def _field(field: FieldDescriptor) -> str | dict[str, Any]:
    """Return the name of a field's type, with its constraints if there are any."""
    entry = field.message_type if field.message_type is not None and field.message_type.GetOptions().map_entry else None
    value = entry.fields_by_name["value"] if entry else field
    kind = value.message_type or value.enum_type
    found: dict[str, Any] = {"type": kind.full_name if kind else TYPES[value.type]}
    if entry:
        found["form"] = "map"
    elif field.is_repeated:
        found["form"] = "list"
    elif field.has_presence and field.message_type is None:
        found["form"] = "optional"
    found |= _rules(field)
    if _is_required(found, is_plain=not field.has_presence and not field.is_repeated):
        found["required"] = True
    if field.containing_oneof is not None:
        found.pop("required", None)
    return str(found["type"]) if found.keys() == {"type"} else found


def _is_required(rules: dict[str, Any], *, is_plain: bool) -> bool:
    """Return whether Envoy rejects an unset field. The constraints of a plain field apply to its zero."""
    is_positive = any(rules.get(name, 0) > 0 for name in ("gte", "min_bytes", "min_len")) or rules.get("gt", -1) >= 0
    rejects_zero = is_plain and (is_positive or 0 in rules.get("not_in", ()) or "" not in rules.get("in", [""]))
    return rejects_zero or bool(rules.get("min_items") or rules.get("min_pairs"))


def _rules(field: FieldDescriptor) -> dict[str, Any]:
    rules = MessageToDict(field.GetOptions().Extensions[validate_pb2.rules], preserving_proto_field_name=True)
    flat = {name: value for one in rules.values() if isinstance(one, dict) for name, value in one.items()}
    items = flat.get("items", {})
    flat |= {name: value for one in items.values() for name, value in one.items() if name == "min_len"}
    return {name: _plain(flat[name]) for name in sorted(RULES & flat.keys()) if "ignore_empty" not in flat}


def _plain(value: Any) -> Any:  # noqa: ANN401 - a constraint
    """Return a number that protobuf's JSON has as text as a number, and a duration in seconds."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and not value.removesuffix("s").replace(".", "").isdigit():
        return value
    number = float(value.removesuffix("s") if isinstance(value, str) else value)
    return int(number) if number.is_integer() else number
