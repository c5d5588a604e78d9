"""Render entries as resources of Terraform, with the fields that Consul adds: its provider compares them."""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import filled_in
from consul_tracing.envoy_messages.json_values import json_objects
from consul_tracing.names import HTTP_PROTOCOLS, TRACING_KEYS

from .hcl import Expression, attributes, expression, indented
from .rendering import accepted, entries_of_consul

if TYPE_CHECKING:
    from consul_tracing.entries.entry import Entry
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import JsonObject


def as_terraform(settings: MeshSettings) -> str:
    """Render all entries as `consul_config_entry`. An HTTP default of the mesh depends on the services."""
    labels: dict[str, Entry] = {}
    for entry in entries_of_consul(settings):
        label = re.sub(r"[^\w-]", "_", f"{entry.kind.replace('-', '_')}_{entry.name}")
        names = (label if number == 1 else f"{label}_{number}" for number in count(1))
        labels[next(name for name in names if name not in labels)] = entry
    *services, mesh = labels
    dependencies = {mesh: services} if settings.default_protocol in HTTP_PROTOCOLS else {}
    return accepted(settings) + "\n".join(_resource(*one, dependencies.get(one[0], [])) for one in labels.items())


def _resource(label: str, entry: Entry, dependencies: list[str]) -> str:
    identity = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
    encoded = Expression(f"jsonencode({expression(_encoded(filled_in(entry.kind, entry.body)))})")
    lines = [*attributes({key: value for key, value in identity.items() if value})]
    lines += ["", *attributes({"config_json": encoded})]
    if dependencies:
        lines += ["", "depends_on = [", *(f"  consul_config_entry.{name}," for name in dependencies), "]"]
    text = "\n".join([f'resource "consul_config_entry" "{label}" {{', *indented(lines), "}", ""])
    # Terraform reads these characters in a string as an expression.
    return text.replace("${", "$${").replace("%{", "%%{")


def _encoded(body: JsonObject) -> JsonObject:
    """Return a body whose tracing keys are `jsonencode`. The text of several clusters is not one JSON value."""
    config = dict(body.get("Config", {}))
    for key in config.keys() & TRACING_KEYS:
        objects = json_objects(config[key]) or []
        if len(objects) == 1:
            config[key] = Expression(f"jsonencode({expression(objects[0])})")
    return {**body, "Config": config} if config else body
