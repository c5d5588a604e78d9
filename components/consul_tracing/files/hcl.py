"""Reader of HCL 1, the part of HCL 2 that Terraform files use, and JSON. It keeps the line of each key."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from consul_tracing.errors import FileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import FieldPath

BLANKS = re.compile(r"(?:\s|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
BLANKS_IN_LINE = re.compile(r"(?:[^\S\n]|/\*.*?\*/)*", re.DOTALL)
IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
NUMBER = re.compile(r"-?\d+(?P<fraction>\.\d+)?(?P<exponent>[eE][+-]?\d+)?(?![A-Za-z0-9_])")
HEREDOC = re.compile(r"<<(-?)([A-Za-z_][A-Za-z0-9_.-]*)[^\S\n]*\n")
QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|(.))")
TEMPLATE = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")
FOR = re.compile(r"for\s")
CONSTANTS = {"true": True, "false": False, "null": None}
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", '"': '"', "\\": "\\", "/": "/"}
MAX_DIGITS = 400
"""Characters of a number. A float has at most 309 digits, and Python limits the conversion of long integers."""

JSON = json.JSONDecoder(strict=False)
CLOSING = {"{": "}", "[": "]", "(": ")"}
OPERATORS = frozenset("?+-*/%=!<>&|.[")
"""Characters after a literal that make it part of an expression."""


class Map(dict[str, Any]):
    """A map with the lines of its keys."""

    def __init__(self, line: int) -> None:
        """Create an empty map that starts on a line."""
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}
        self.replaced: set[str] = set()
        """The keys whose value replaced another one."""

    def put(self, key: str, value: object, line: int) -> None:
        """Set a key. Repeated maps form a list, as repeated blocks do. Other repeated values replace each other."""
        existing = self.get(key)
        if isinstance(value, Map) and isinstance(existing, Map | Blocks):
            self[key] = Blocks([*existing, value] if isinstance(existing, Blocks) else [existing, value])
            return
        if key in self:
            self.replaced.add(key)
        self[key] = value
        self.lines[key] = line


class Blocks(list[Any]):
    """Repeated blocks with the same name."""


class Heredoc(str):
    """Text that starts in the line after its key."""

    __slots__ = ()


class JsonText(str):
    """The text that `jsonencode` returns, with the encoded value."""

    __slots__ = ("encoded",)

    encoded: object


@dataclass(frozen=True)
class Unevaluated:
    """An expression whose value is unknown: a variable, a function or a template."""

    text: str
    """The expression as in the file."""

    encoded: Any = None
    """The argument of `jsonencode`, if only parts of it are unknown."""


def parse(text: str, file: str) -> Map:
    """Return the content of an HCL file. Raises FileError for invalid syntax."""
    reader = Reader(text, file)
    content = reader.members("")
    reader.reject_rest()
    return content


def parse_json(text: str, file: str, first_line: int = 1) -> object:
    """Return the value of a JSON text. Raises FileError for invalid syntax.

    `first_line`: the line in the file on which the text starts.
    """
    try:
        json.loads(text)
    except ValueError as error:
        line = first_line + (error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0)
        raise FileError(file, line, str(error).partition(": line")[0]) from None
    return Reader(text, file, first_line, is_json=True).value()


class Reader:
    """Recursive-descent parser with a position in the text."""

    def __init__(self, text: str, file: str, first_line: int = 1, *, is_json: bool = False) -> None:
        """Start at the beginning of the text. JSON has no templates."""
        self.text = text.removeprefix("\ufeff")
        self.file = file
        self.position = 0
        self.is_json = is_json
        self._first_line = first_line
        self._line_ends = [match.start() for match in re.finditer("\n", self.text)]

    @property
    def line(self) -> int:
        """The current line."""
        return self._first_line + bisect_right(self._line_ends, self.position - 1)

    def fail(self, reason: str) -> NoReturn:
        """Reject the text at the current line."""
        raise FileError(self.file, self.line, " ".join(reason.split()))

    def peek(self) -> str:
        """Skip blanks and comments, and return the next character. Empty at the end of the text."""
        self._skip(BLANKS)
        if self.text.startswith("/*", self.position):
            self.fail("the comment has no end")
        return self.text[self.position : self.position + 1]

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.position)
        if match is None:
            return ""
        self.position = match.end()
        return match[0]

    def reject_rest(self) -> None:
        """Reject text after the last member."""
        if found := self.peek():
            self.fail(f'a key is required, got "{found}"')

    def members(self, end: str) -> Map:
        """Read the attributes and blocks of a body or an object up to `end`: the closing brace, or none for a body."""
        content = Map(self.line)
        while (found := self.peek()) != end:
            if not found:
                self.fail(f'"{end}" is required before the end of the file')
            self._member(content)
            if self.peek() == ",":
                self.position += 1
        self.position += len(end)
        return content

    def _member(self, content: Map) -> None:
        line, path = self.line, [self._key()]
        while (found := self.peek()) not in {"=", ":", "{"}:
            if found != '"' and not IDENTIFIER.match(self.text, self.position):
                self.fail(f'"=" or "{{" is required after the key "{path[-1]}"')
            path.append(self._key())
        if found != "{":
            self.position += 1
        *labels, last = path
        for label in labels:
            if not isinstance(content.get(label), Map):
                content.put(label, Map(line), line)
            content = content[label]
            if isinstance(content, Blocks):
                content = content[-1]
        content.put(last, self.value(), line)

    def _key(self) -> str:
        found = self.peek()
        if found == '"':
            key = self._string()
            return key if isinstance(key, str) else key.text
        if found == "(":
            return self._expression(self.position).text
        return self._skip(IDENTIFIER) or self.fail(f'a key is required, got "{found}"')

    def value(self) -> object:
        """Read a value. An expression that is not a literal is unevaluated."""
        self.peek()
        start = self.position
        value = self._literal()
        if isinstance(value, Unevaluated) and value.encoded is None and self.position == start:
            return self._expression(start)
        if not self.is_json:
            self._skip(BLANKS_IN_LINE)
            following = self.text[self.position : self.position + 1]
            is_comment = self.text.startswith("//", self.position)
            if following in OPERATORS and following and not is_comment:
                return self._expression(start)
        return value

    def _literal(self) -> object:
        """Read a literal. Returns Unevaluated without reading anything if there is none."""
        match self.peek():
            case '"':
                return self._string()
            case "{":
                return self._braces()
            case "[":
                return self._list()
            case "<":
                return self._heredoc()
            case "":
                self.fail("a value is required")
        if number := NUMBER.match(self.text, self.position):
            if len(number[0]) > MAX_DIGITS:
                self.fail(f"a number has at most {MAX_DIGITS} digits")
            self.position = number.end()
            return float(number[0]) if number["fraction"] or number["exponent"] else int(number[0])
        word = IDENTIFIER.match(self.text, self.position)
        if word and word[0] in CONSTANTS:
            self.position = word.end()
            return CONSTANTS[word[0]]
        if word and word[0] == "jsonencode":
            return self._jsonencode(word.end())
        return Unevaluated("")

    def _braces(self) -> object:
        start = self.position
        self.position += 1
        self.peek()
        is_for = FOR.match(self.text, self.position)
        self.position = start
        if is_for:
            return Unevaluated("")
        self.position += 1
        return self.members("}")

    def _list(self) -> object:
        start = self.position
        self.position += 1
        members: list[object] = []
        self.peek()
        if FOR.match(self.text, self.position):
            self.position = start
            return Unevaluated("")
        while (found := self.peek()) != "]":
            if not found:
                self.fail('"]" is required before the end of the file')
            members.append(self.value())
            if self.peek() == ",":
                self.position += 1
            elif self.peek() not in {"]", ""}:
                self.fail('"," or "]" is required in a list')
        self.position += 1
        return members

    def _string(self) -> str | Unevaluated:
        if self.is_json:
            value, self.position = JSON.raw_decode(self.text, self.position)
            return str(value)
        start = self.position
        self.position += 1
        while (found := self.text[self.position : self.position + 1]) != '"':
            if found in {"", "\n"}:
                self.fail("the text has no closing quote in its line")
            if TEMPLATE.match(self.text, self.position):
                self._skip_template()
            else:
                self.position += 2 if found == "\\" else 1
        self.position += 1
        quoted = self.text[start + 1 : self.position - 1]
        if TEMPLATE.search(quoted):
            return Unevaluated(f'"{quoted}"')
        return _literal_text(ESCAPE.sub(self._unescaped, quoted))

    def _skip_template(self) -> None:
        self.position += 2
        depth = 1
        while depth:
            found = self.text[self.position : self.position + 1]
            if found in {"", "\n"}:
                self.fail("the template has no closing brace in its line")
            if quoted := QUOTED.match(self.text, self.position):
                self.position = quoted.end()
                continue
            depth += {"{": 1, "}": -1}.get(found, 0)
            self.position += 1

    def _unescaped(self, escape: re.Match[str]) -> str:
        code = escape[1] or escape[2] or escape[3]
        if code:
            number = int(code, 16)
            return chr(number) if number <= sys.maxunicode else self.fail(f'the escape "{escape[0]}" is not supported')
        return ESCAPED[escape[4]] if escape[4] in ESCAPED else self.fail(f'the escape "{escape[0]}" is not supported')

    def _heredoc(self) -> str | Unevaluated:
        start = HEREDOC.match(self.text, self.position)
        if not start:
            self.fail('a value is required, got "<"')
        end = re.compile(rf"^[^\S\n]*{re.escape(start[2])}[^\S\n]*\r?$", re.MULTILINE).search(self.text, start.end())
        if not end:
            self.fail(f"the heredoc has no closing {start[2]}")
        content = self.text[start.end() : end.start()]
        self.position = end.end()
        if TEMPLATE.search(content):
            return Unevaluated(content)
        return Heredoc(_literal_text(_without_indentation(content) if start[1] else content))

    def _jsonencode(self, after: int) -> object:
        start = self.position
        self.position = after
        if self.peek() != "(":
            self.position = start
            return Unevaluated("")
        self.position += 1
        value = self.value()
        if self.peek() == ",":
            self.position += 1
        if self.peek() != ")":
            self.fail('")" is required after the argument of jsonencode')
        self.position += 1
        if any(expressions(value)):
            return Unevaluated(self.text[start : self.position], value)
        text = JsonText(json.dumps(value, ensure_ascii=False))
        text.encoded = value
        return text

    def _expression(self, start: int) -> Unevaluated:
        """Skip an expression: up to a comma, a closing bracket or the end of the line outside of brackets."""
        self.position = start
        open_brackets: list[str] = []
        while self.position < len(self.text):
            found = self.text[self.position]
            if found == '"':
                self._string()
            elif HEREDOC.match(self.text, self.position):
                self._heredoc()
            elif found == "#" or self.text.startswith(("//", "/*"), self.position):
                if not open_brackets and found == "#":
                    break
                self.peek()
            elif open_brackets and found == open_brackets[-1]:
                open_brackets.pop()
                self.position += 1
            elif not open_brackets and found in ",\n)]}":
                break
            else:
                if found in CLOSING:
                    open_brackets.append(CLOSING[found])
                self.position += 1
        expression = self.text[start : self.position].strip()
        return Unevaluated(expression) if expression else self.fail("a value is required")


def _literal_text(text: str) -> str:
    """Return text without the escapes of templates."""
    return text.replace("$${", "${").replace("%%{", "%{")


def _without_indentation(text: str) -> str:
    lines = text.splitlines(keepends=True)
    widths = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    return "".join(line[min(widths, default=0) :] if line.strip() else line.lstrip(" \t") for line in lines)


def expressions(value: object, path: FieldPath = ()) -> Iterator[tuple[FieldPath, str]]:
    """Yield the paths and texts of the expressions inside a value."""
    match value:
        case Unevaluated():
            yield path, value.text
        case dict():
            for key, member in value.items():
                yield from expressions(member, (*path, key))
        case list():
            for index, member in enumerate(value):
                yield from expressions(member, (*path, str(index)))
