"""Render entries as resources of Terraform, with the fields that Consul adds: its provider compares them."""

from __future__ import annotations

import re
from itertools import count, groupby
from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import canonical_json, filled_in
from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.names import HTTP_PROTOCOLS, TRACING_KEYS

from .rendering import IDENTIFIER, accepted, entries_of_consul

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.entries.entry import Entry
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject

KEYWORDS = frozenset({"false", "for", "null", "true"})
"""Identifiers that are no keys of an object."""

ESCAPES = {**{code: f"\\u{code:04x}" for code in range(32)}, **{ord(one): f"\\{one}" for one in '"\\'}, 10: "\\n"}


def as_terraform(settings: MeshSettings) -> str:
    """Render all entries as `consul_config_entry`. An HTTP default of the mesh depends on the services."""
    labels: dict[str, Entry] = {}
    for entry in entries_of_consul(settings):
        label = re.sub(r"[^\w-]", "_", f"{entry.kind.replace('-', '_')}_{entry.name}")
        names = (label if number == 1 else f"{label}_{number}" for number in count(1))
        labels[next(name for name in names if name not in labels)] = entry
    *services, mesh = labels
    dependencies = {mesh: services} if settings.default_protocol in HTTP_PROTOCOLS else {}
    blocks = [_resource(label, entry, dependencies.get(label, [])) for label, entry in labels.items()]
    return accepted(settings) + "\n".join(blocks)


def _resource(label: str, entry: Entry, dependencies: list[str]) -> str:
    identity = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
    lines = [
        *_attributes({key: _text(value) for key, value in identity.items() if value}),
        "",
        *_attributes({"config_json": f"jsonencode({_expression(_encoded(filled_in(entry.kind, entry.body)))})"}),
    ]
    if dependencies:
        listed = ",\n".join(f"  consul_config_entry.{name}" for name in dependencies)
        lines += ["", *f"depends_on = [\n{listed},\n]".split("\n")]
    indented = "\n".join(f"  {line}".rstrip() for line in lines)
    return f'resource "consul_config_entry" "{label}" {{\n{indented}\n}}\n'


class _Json(dict[str, object]):
    """An object that `jsonencode` converts to text."""


def _encoded(body: JsonObject) -> JsonObject:
    """Return a body whose tracing keys are objects. The text of several clusters is not one JSON value."""
    config = dict(body.get("Config", {}))
    for key in config.keys() & TRACING_KEYS:
        objects = json_objects(config[key]) or []
        if len(objects) == 1:
            config[key] = _Json(objects[0])
    return {**body, "Config": config} if config else body


def _attributes(expressions: dict[str, str]) -> Iterator[str]:
    """Yield the lines of attributes as `terraform fmt` aligns them: those of one line that follow each other."""
    for is_block, group in groupby(expressions.items(), key=lambda one: "\n" in one[1]):
        pairs = [
            (key if IDENTIFIER.fullmatch(key) and key not in KEYWORDS else _text(key), text) for key, text in group
        ]
        width = 0 if is_block else max(len(key) for key, _ in pairs)
        for key, text in pairs:
            yield from f"{key:{width}} = {text}".split("\n")


def _expression(value: object) -> str:
    match value:
        case _Json():
            return f"jsonencode({_expression(dict(value))})"
        case dict() if value:
            lines = _attributes({key: _expression(member) for key, member in value.items()})
            return "\n".join(["{", *(f"  {line}" for line in lines), "}"])
        case list():
            members = [_expression(member) for member in value]
            if len(value) == 1 or not any("\n" in member for member in members):
                return f"[{', '.join(members)}]"
            lines = (f"  {line}" for member in members for line in f"{member},".split("\n"))
            return "\n".join(["[", *lines, "]"])
        case str():
            return _text(value)
        case _:
            return canonical_json(value)


def _text(value: str) -> str:
    escaped = value.translate(ESCAPES).replace("${", "$${").replace("%{", "%%{")
    return f'"{escaped}"'
