"""Reader of YAML that keeps the line of each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import yaml

from consul_tracing.errors import FileError

from .values import Heredoc, Items, Map

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_YAML_VALUES = 200_000
"""Maximum number of values in a YAML file. Aliases of aliases can multiply them."""

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The loader that uses libyaml, if PyYAML has it. It is 15 times faster."""

CONSTRUCTOR = yaml.constructor.SafeConstructor()
SCALARS = {
    "tag:yaml.org,2002:null": lambda _node: None,
    "tag:yaml.org,2002:bool": CONSTRUCTOR.construct_yaml_bool,
    "tag:yaml.org,2002:int": CONSTRUCTOR.construct_yaml_int,
    "tag:yaml.org,2002:float": CONSTRUCTOR.construct_yaml_float,
}
"""Readers of scalars by tag. Others, such as dates, remain text, because JSON does not have them."""

MERGE = "tag:yaml.org,2002:merge"


def parse_yaml(text: str, file: str, first_line: int = 1) -> Iterator[object]:
    """Yield the documents of a YAML text, with the lines of their keys. Raises FileError for invalid syntax.

    `first_line`: the line in the file on which the text starts.
    """
    reader = _YamlReader(file, first_line)
    try:
        for node in yaml.compose_all(text, LOADER):
            yield reader.value(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or " ".join(str(error).split())
        # libyaml reports the end of the text in the line after the last one.
        line = min(mark.line, text.rstrip().count("\n")) if mark else 0
        raise FileError(file, first_line + line, reason) from None


class _YamlReader:
    """Converter of YAML nodes, with a limit of the number of values."""

    def __init__(self, file: str, first_line: int) -> None:
        self.file = file
        self._first_line = first_line
        self._remaining = MAX_YAML_VALUES

    def value(self, node: yaml.Node) -> object:
        self._remaining -= 1
        if self._remaining < 0:
            self._fail(node, f"the file must have at most {MAX_YAML_VALUES} values, aliases included")
        match node:
            case yaml.MappingNode():
                return self._map(node)
            case yaml.SequenceNode():
                return Items(map(self.value, node.value), map(self._line, node.value))
            case yaml.ScalarNode():
                return self._scalar(node)
        raise TypeError(node)

    def _map(self, node: yaml.MappingNode) -> Map:
        content = Map(self._line(node))
        merged: list[object] = []
        for key, member in node.value:
            if not isinstance(key, yaml.ScalarNode):
                self._fail(key, "a key must be text")
            value = self.value(member)
            if key.tag == MERGE:
                merged += value if isinstance(value, list) else [value]
                continue
            if key.value in content:
                content.replaced.add(key.value)
            content[key.value] = value
            content.lines[key.value] = self._line(key)
        for other in merged:
            if not isinstance(other, Map):
                self._fail(node, '"<<" must be a map or a list of maps')
            content.lines = other.lines | content.lines
            content.update({key: value for key, value in other.items() if key not in content})
        return content

    def _scalar(self, node: yaml.ScalarNode) -> object:
        if node.tag not in SCALARS:
            return Heredoc(node.value) if node.style == "|" else node.value
        try:
            return SCALARS[node.tag](node)
        except (ValueError, LookupError, OverflowError):
            self._fail(node, f"the value cannot be read: {node.value}")

    def _line(self, node: yaml.Node) -> int:
        line: int = self._first_line + node.start_mark.line
        return line

    def _fail(self, node: yaml.Node, reason: str) -> NoReturn:
        raise FileError(self.file, self._line(node), reason)
