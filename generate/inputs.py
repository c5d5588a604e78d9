"""The inputs of the components, as the settings of the package define them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import re
import textwrap
from itertools import pairwise
from typing import TYPE_CHECKING, cast

from consul_tracing.inputs.entry_settings import ServiceProtocolsSettings
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.inputs.validation import Settings, groups_in
from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

COMPONENTS: tuple[type[Settings], ...] = (MeshSettings, ServiceProtocolsSettings, ZipkinCollectorSettings)

WIDTH = 116
"""Characters of a line of documentation, without indentation."""


@dataclasses.dataclass(frozen=True)
class Input:
    """An input of a component or a group."""

    name: str
    documentation: str
    accepts_output: bool
    accepts_none: bool
    field: FieldInfo = dataclasses.field(compare=False)


def inputs_of(group: type[Settings]) -> list[Input]:
    """Return the inputs of a group, with their documentation."""
    texts = {name: text for base in reversed(group.__mro__) for name, text in _docstrings(base)}
    return [
        Input(
            name,
            _with_default(texts[name], field, is_choice=name in group.one_of),
            group.accepts_output(name) and name not in group.keeps_none,
            name in group.keeps_none,
            field,
        )
        for name, field in group.model_fields.items()
    ]


def _docstrings(model: type) -> Iterator[tuple[str, str]]:
    """Yield the documented fields of a class. pydantic's `use_attribute_docstrings` would slow down each import."""
    if not issubclass(model, Settings):
        return
    (definition,) = ast.parse(inspect.getsource(model)).body
    for statements in pairwise(cast("ast.ClassDef", definition).body):
        match statements:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(found))):
                yield name, inspect.cleandoc(found)


def _with_default(text: str, field: FieldInfo, *, is_choice: bool) -> str:
    """Return the documentation with the default, which replaces `{default}` or ends the first paragraph."""
    default = _default(field)
    if "{default}" in text:
        return text.replace("{default}", default)
    if is_choice or re.search(r"\b(Default|Required)\b", text):
        return text
    sentence = "Required." if field.is_required() else default and f"Default: {default}."
    first, gap, further = text.partition("\n\n")
    filled = textwrap.fill(f"{first} {sentence}", WIDTH, break_on_hyphens=False, break_long_words=False)
    return filled + gap + further


def _default(field: FieldInfo) -> str:
    """Return the default as text. Empty for required inputs and for groups."""
    match None if field.is_required() else field.get_default(call_default_factory=True):
        case None | [] | {}:
            return "none"
        case Settings():
            return ""
        case float(number):
            return f"{number:g}"
        case list() as members:
            return f"`{json.dumps(members)}`"
        case value:
            return json.dumps(value)


def groups(*roots: type[Settings]) -> list[type[Settings]]:
    """Return all groups within components, each after the groups of its inputs."""
    found: list[type[Settings]] = []
    for root in roots:
        nested = [one for field in root.model_fields.values() for one in groups_in(field.annotation)]
        found += [one for one in [*groups(*nested), _documented(root)] if one not in found]
    return found


def title(group: type[Settings]) -> str:
    """Return the name of a group for users."""
    return group.component or _documented(group).__name__


def _documented(group: type[Settings]) -> type[Settings]:
    """Return the group that documents a group: its base, if only the defaults differ."""
    base = group.__base__ or group
    has_same_inputs = issubclass(base, Settings) and base.model_fields.keys() == group.model_fields.keys()
    return base if has_same_inputs and not group.component else group
