"""Templates in files: Helm, consul-template and Jinja (`{{ }}`, `{% %}`), Terraform and shell (`${ }`, `%{ }`).

A reader sees a number in the place of each template, which every format accepts. A value with such a number is then
replaced by the expression: it is not checked, its neighbours are.
"""

from __future__ import annotations

import json
import re
from functools import cached_property
from itertools import count, islice
from typing import TYPE_CHECKING, Any

from .values import Heredoc, Items, JsonText, Map, Unevaluated, expressions

if TYPE_CHECKING:
    from collections.abc import Iterator

FIRST_PREFIX = 91827364
"""The first digits of a number that replaces a template. It has 16 digits, so that all readers can convert it."""

BRACES = re.compile(r"[{}]")
OPENING = re.compile(r"#?\{\{|\{%|^[^\S\n]*\{#(?=[^\n]*#\}[^\S\n]*$)|(?<!\$)\$\{|(?<!%)%\{", re.MULTILINE)
CLOSING = {"{{": "}}", "{%": "%}", "{#": "#}"}
CONTROL = re.compile(
    r"#?\{\{-?\s*(?:/\*|(?:if|else|end|range|with|define|block|break|continue|fail)\b|\$\w+\s*:?=)|\{%|\s*\{#"
    r"|%\{~?\s*(?:if|else|endif|for|endfor)\b"
)
"""Start of a template that has no text of its own."""

INDENTED = re.compile(r"\bn?indent\s+(\d{1,2})\b")
KEY = re.compile(r"[\"']?[\w./-]+[\"']?:(?:\s|$)")
FOLD = re.compile(r"[^\S\n]*\n\s*")
MAX_LENGTH = 2000
"""Characters of a template."""

MAX_DEPTH = 20
"""Braces in each other inside of a template."""

MAX_DISTANCE = 20
"""Lines between a template and its neighbours."""


class Masked:
    """A text with numbers in the place of its templates. Line breaks stay."""

    def __init__(self, text: str, *, is_yaml: bool = False, is_hcl: bool = False, is_json: bool = False) -> None:
        """Replace the templates. HCL's own ones, `${ }` and `%{ }`, are left to its reader.

        `is_json`: templates have the escapes of the JSON text around them.
        """
        self._is_json = is_json
        self._is_hcl = is_hcl
        self._prefix = next(one for one in map(str, count(FIRST_PREFIX)) if one not in text)
        # Two underscores and a colon follow where the template adds members to a map.
        self._number = re.compile(rf"{self._prefix}(\d{{8}})(?:__:?)?")
        self.templates: list[str] = []
        self.lines: set[int] = set()
        """The lines, from 1, with templates."""
        self.own_lines: set[int] = set()
        """The lines that have templates only."""
        self.text = self._masked(text, is_yaml=is_yaml, is_hcl=is_hcl)

    def _masked(self, text: str, *, is_yaml: bool, is_hcl: bool) -> str:
        spans = [span for span in _spans(text) if not (is_hcl and text[span[0]] in "$%")]
        if not spans:
            return text
        parts, end = [], 0
        for start, after in spans:
            parts += [text[end:start], self._replaced(text[start:after])]
            end = after
        masked = "".join([*parts, text[end:]])
        lines = masked.split("\n")
        for index, line in enumerate(lines):
            if self._prefix in line:
                numbers = self._number.finditer(line)
                breaks = sum(self.templates[int(number[1])].count("\n") for number in numbers)
                self.lines |= set(range(index + 1, index + breaks + 2))
                lines[index] = self._own_line(lines, index, is_yaml=is_yaml)
        return "\n".join(lines)

    def _replaced(self, template: str) -> str:
        self.templates.append(template)
        return f"{self._prefix}{len(self.templates) - 1:08d}" + "\n" * template.count("\n")

    def may_cause_error(self, line: int) -> bool:
        """Return whether a syntax error in a line can have a template as its cause: in the line, or one around it."""
        return line in self.lines or not self.own_lines.isdisjoint((line - 1, line + 1))

    @cached_property
    def has_control(self) -> bool:
        """Whether a template has no text of its own, such as `{{ if }}`. The text may be valid only when rendered."""
        return any(map(CONTROL.match, self.templates))

    def _own_line(self, lines: list[str], index: int, *, is_yaml: bool) -> str:
        """Return a line. One that has templates only is empty without a value, and has the indentation of its value."""
        line = lines[index]
        found = [self.templates[int(one[1])] for one in self._number.finditer(line)]
        if self._number.sub("", line).strip():
            return line
        self.own_lines.add(index + 1)
        values = [one for one in found if not CONTROL.match(one)]
        if not values:
            return ""
        if not is_yaml:
            return line
        indented = INDENTED.search(values[-1])
        width = int(indented[1]) if indented else _indentation(line)
        number = next(one[0] for one in self._number.finditer(line) if self.templates[int(one[1])] == values[-1])
        before, after = self._neighbours(lines, index, width)
        if not before:
            width = 0
        is_member = not width or _is_key(before, width) or _is_key(after, width)
        return " " * width + number + ("__:" if is_member else "")

    def _neighbours(self, lines: list[str], index: int, width: int) -> Iterator[str]:
        """Yield the nearest lines before and after a line that have content of their own and no larger indentation."""
        for numbers in (range(index - 1, -1, -1), range(index + 1, len(lines))):
            nearest = (lines[one] for one in islice(numbers, MAX_DISTANCE))
            yield next((one for one in nearest if self._number.sub("", one).strip() and _indentation(one) <= width), "")

    def restored(self, value: object) -> Any:  # noqa: ANN401 - any value
        """Return a value in which texts and numbers with templates are unevaluated."""
        if not self.templates:
            return value
        match value:
            case Map():
                return self._restored_map(value)
            case Items():
                return Items(map(self.restored, value), value.lines)
            case list():
                return type(value)(map(self.restored, value))
            case JsonText():
                encoded = self.restored(value.encoded)
                return Unevaluated(self.original(value), encoded) if any(expressions(encoded)) else value
            case str() if self._prefix in value:
                text = self.original(value, is_quoted=not isinstance(value, Heredoc))
                # A reader of YAML folds the lines of text in quotes.
                folded = Heredoc(text) if isinstance(value, Heredoc) else FOLD.sub(" ", text)
                return Unevaluated(text, inner=folded)
            case int() if not isinstance(value, bool) and str(value).lstrip("-").startswith(self._prefix):
                return Unevaluated(self.original(str(value)))
            case Unevaluated():
                inner = None if value.inner is None else type(value.inner)(self.original(value.inner))
                return Unevaluated(self.original(value.text), self.restored(value.encoded), inner)
            case _:
                return value

    def _restored_map(self, value: Map) -> Map:
        restored = Map(value.line)
        in_branches = value.replaced if self.has_control else set()
        restored.replaced = value.replaced - in_branches
        for key, member in value.items():
            if self._number.fullmatch(key):
                restored.has_unknown_keys = True
                continue
            is_one = key not in in_branches
            found = self.restored(member) if is_one else Unevaluated("a value in each branch of a template")
            restored[self.original(key)] = found
            restored.lines[self.original(key)] = value.lines.get(key, value.line)
        return restored

    def original(self, text: str, *, is_quoted: bool = False) -> str:
        """Return a text with its templates. In JSON, and in quotes in HCL, templates have the escapes of the text."""
        is_escaped = self._is_json or (self._is_hcl and is_quoted)

        def template(number: re.Match[str]) -> str:
            index = int(number[1])
            if index >= len(self.templates):
                return number[0]
            return _unescaped(self.templates[index]) if is_escaped else self.templates[index]

        return self._number.sub(template, text)


def _unescaped(template: str) -> str:
    """Return a template without the escapes of JSON text. One that is not in text has none."""
    try:
        return str(json.loads(f'"{template}"', strict=False))
    except ValueError:
        return template


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the starts and ends of the templates."""
    position, missing = 0, set[str]()
    while opening := OPENING.search(text, position):
        position = opening.end()
        kind = opening[0][-2:]
        if kind in missing:
            continue
        if kind in CLOSING:
            end = text.find(CLOSING[kind], position)
            if end < 0:
                missing.add(kind)
                continue
            end += len(CLOSING[kind])
        else:
            end = _balanced(text, position)
        if 0 <= end <= opening.start() + MAX_LENGTH:
            yield opening.start(), end
            position = end


def _balanced(text: str, position: int) -> int:
    """Return the end of an expression in braces, -1 if it has none."""
    depth = 1
    for brace in BRACES.finditer(text, position, position + MAX_LENGTH):
        depth += 1 if brace[0] == "{" else -1
        if not depth:
            return brace.end()
        if depth > MAX_DEPTH:
            break
    return -1


def _indentation(line: str) -> int:
    return len(line) - len(line.lstrip())


def _is_key(line: str, width: int) -> bool:
    return _indentation(line) == width and bool(KEY.match(line.lstrip()))
