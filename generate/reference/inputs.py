"""The reference of the inputs: a table for each component and each group."""

from __future__ import annotations

import inspect
import re
from types import NoneType
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

from consul_tracing.inputs.validation import Settings
from generate.inputs import COMPONENTS, groups, inputs_of, title

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from generate.inputs import Input

HEADER = """\
# Inputs

The first name is that of Python and of stack files, the second one that of other languages. Text and whole numbers may
be Outputs of other resources, except where the type is *plain*.
"""

TABLE = "| Python | camelCase | type | default | meaning |\n|---|---|---|---|---|"
CHOICES = re.compile(r'(^|:) ?"[^"]+"(?:, "[^"]+")* or "[^"]+"\.(?=\s|$)')
"""A list of values, which the type repeats."""
MIN_REPEATED = 3
"""Inputs that a section repeats from another one, and does not describe again."""
DEFAULT = re.compile(r" ?\bDefault: (.+?)\.(?=\s|$)", re.DOTALL)
REQUIRED = re.compile(r" ?\bRequired\.(?=\s|$)")
KINDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "any value"}


def reference() -> str:
    """Return the reference."""
    every = [*COMPONENTS, *(group for group in groups(*COMPONENTS) if not group.component)]
    inputs = {group: inputs_of(group) for group in every}
    sections = [_section(group, inputs, every[:number]) for number, group in enumerate(every)]
    sections.insert(len(COMPONENTS), "## Groups of inputs\n")
    return "\n".join([HEADER, *sections])


def _section(group: type[Settings], inputs: Mapping[type, list[Input]], earlier: Sequence[type[Settings]]) -> str:
    level = "##" if group.component else "###"
    same: dict[str, list[Input]] = {}
    for other in earlier:
        if len(shared := [one for one in inputs[group] if one in inputs[other]]) >= MIN_REPEATED:
            same.setdefault(title(other), shared)
    repeated = [one for shared in same.values() for one in shared]
    rows = [_row(one) for one in inputs[group] if one not in repeated]
    notes = [
        f"\nAs for [{name}](#{name.lower()}): {', '.join(sorted(f'`{one.name}`' for one in shared))}.\n"
        for name, shared in same.items()
    ]
    return "\n".join([f"{level} {title(group)}\n\n{inspect.getdoc(group)}\n", TABLE, *rows, *(notes or [""])])


def _row(one: Input) -> str:
    default = DEFAULT.search(one.documentation)
    shown = "required" if one.field.is_required() else default[1] if default else ""
    meaning = REQUIRED.sub("", DEFAULT.sub("", one.documentation, count=1))
    if get_origin(one.field.annotation) is Literal:
        meaning = CHOICES.sub(lambda found: "." if found[1] else "", meaning)
    kind = _kind(one.field.annotation)
    plain = "plain " if kind.endswith(("text", "whole number")) and not one.accepts_output else ""
    cells = [f"`{one.name}`", f"`{camel_case(one.name)}`", plain + kind, shown, meaning]
    return f"| {' | '.join(' '.join(cell.split()) for cell in cells)} |"


def camel_case(name: str) -> str:
    """Return the name of an input in other languages: `traceId128bit`."""
    first, *others = name.split("_")
    return first + "".join(one[:1].upper() + one[1:] for one in others)


def _kind(annotation: Any) -> str:  # noqa: ANN401 - a type
    """Return the type of an input in words."""
    members = [one for one in get_args(annotation) if one is not NoneType]
    match get_origin(annotation):
        case None if isinstance(annotation, type) and issubclass(annotation, Settings):
            return f"[{title(annotation)}](#{title(annotation).lower()})"
        case None:
            return KINDS[annotation]
        case origin if origin is Literal:
            return ", ".join(f'`"{value}"`' for value in members)
        case origin if origin is list:
            return f"list of {_kind(members[0])}"
        case origin if origin is dict:
            return f"map of {_kind(members[1])}"
        case origin:
            return _kind(members[0])
