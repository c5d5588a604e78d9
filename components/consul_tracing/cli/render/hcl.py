"""HCL for Consul (HCL 1) and for Terraform (HCL 2), in the layout of `terraform fmt`."""

from __future__ import annotations

import re
from itertools import groupby
from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

IDENTIFIER = re.compile(r"(?!(?:false|for|null|true)$)[A-Za-z_][A-Za-z0-9_]*")
"""A key without quotes."""

ESCAPES = {**{code: f"\\u{code:04x}" for code in range(32)}, **{ord(one): f"\\{one}" for one in '"\\'}, 10: "\\n"}


class Expression(str):
    """Text that is HCL."""

    __slots__ = ()


def attributes(members: Mapping[str, object]) -> Iterator[str]:
    """Yield the lines of a map. Attributes of one line that follow each other are aligned."""
    texts = {name if IDENTIFIER.fullmatch(name) else text(name): expression(value) for name, value in members.items()}
    for is_block, group in groupby(texts, key=lambda key: "\n" in texts[key]):
        keys = list(group)
        width = 0 if is_block else max(map(len, keys))
        for key in keys:
            yield from f"{key:{width}} = {texts[key]}".split("\n")


def expression(value: object) -> str:
    """Return the text of a value."""
    match value:
        case Expression():
            return value
        case dict() if value:
            return "\n".join(["{", *indented(attributes(value)), "}"])
        case list():
            members = [expression(member) for member in value]
            if len(members) == 1 or not any("\n" in member for member in members):
                return f"[{', '.join(members)}]"
            return "\n".join(["[", *indented(f"{member}," for member in members), "]"])
        case str():
            return text(value)
        case _:
            return canonical_json(value)


def indented(texts: Iterable[str]) -> Iterator[str]:
    """Yield the lines of texts, indented."""
    yield from (f"  {line}".rstrip() for one in texts for line in one.split("\n"))


def text(value: str) -> str:
    """Return a string in quotes, without the escapes that only JSON has."""
    return f'"{value.translate(ESCAPES)}"'
