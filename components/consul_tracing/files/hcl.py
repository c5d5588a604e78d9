"""Reader of HCL 1, the part of HCL 2 that Terraform files use, and JSON. It keeps the line of each key."""

from __future__ import annotations

import json
import re
import sys
from bisect import bisect_right
from typing import NoReturn

from consul_tracing.errors import FileError

from .values import Blocks, Heredoc, Items, JsonText, Map, Unevaluated, expressions

BLANKS = re.compile(r"(?:\s|#[^\n]*|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
BLANKS_IN_LINE = re.compile(r"(?:[^\S\n]|/\*.*?\*/)*", re.DOTALL)
IDENTIFIER = re.compile(r"[^\W\d][\w.-]*")
NUMBER_OF_HCL1 = re.compile(
    r"-?(?:(?P<hexadecimal>0[xX][0-9a-fA-F]+)|[0-9]*(?P<fraction>\.[0-9]+)|[0-9]+)(?P<exponent>[eE][+-]?[0-9]+)?"
)
"""A number, after which HCL 1 accepts the next key without a blank."""

NUMBER = re.compile(rf"{NUMBER_OF_HCL1.pattern}(?![A-Za-z0-9_])")
HEREDOC = re.compile(r"<<(-?)([^\W\d][\w.-]*)[^\S\n]*\n")
QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"')
ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))")
TEMPLATE = re.compile(r"(?<!\$)\$\{|(?<!%)%\{")
TEMPLATE_OF_HCL1 = re.compile(r"\$\{")
ATTRIBUTE = re.compile(r"\.[\w.-]+")
FOR = re.compile(r"for\s")
CONSTANTS = {"true": True, "false": False, "null": None}
ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "a": "\a", "v": "\v", '"': '"', "\\": "\\", "/": "/"}
MAX_DIGITS = 400
"""Characters of a number. A float has at most 309 digits, and Python limits the conversion of long integers."""

MAX_SHOWN = 60
"""Characters of a key in a message."""

JSON = json.JSONDecoder(strict=False)
ENCODERS = frozenset({"jsonencode", "yamlencode"})
CLOSING = {"{": "}", "[": "]", "(": ")"}
OPERATORS = frozenset("?+-*/%=!<>&|.[")
"""Characters after a literal that make it part of an expression."""


def parse(text: str, file: str, first_line: int = 1, *, is_hcl1: bool = False) -> Map:
    """Return the content of an HCL text. Raises FileError for invalid syntax.

    `first_line`: the line in the file on which the text starts. `is_hcl1`: it has no `%{ }` and no escapes of `${`.
    """
    reader = Reader(text, file, first_line, is_hcl1=is_hcl1)
    content = reader.members("")
    reader.reject_rest()
    return content


def parse_expression(text: str, file: str, line: int) -> object:
    """Return the value of an expression that is in one line of a file. Raises FileError for invalid syntax."""
    return Reader(text, file, line).value()


def parse_json(text: str, file: str, first_line: int = 1) -> object:
    """Return the value of a JSON text. Raises FileError for invalid syntax."""
    try:
        json.loads(text, parse_constant=_reject_constant)
    except ValueError as error:
        line = first_line + (error.lineno - 1 if isinstance(error, json.JSONDecodeError) else 0)
        raise FileError(file, line, str(error).partition(": line")[0]) from None
    return Reader(text, file, first_line, is_json=True).value()


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


class Reader:
    """Recursive-descent parser with a position in the text."""

    def __init__(
        self, text: str, file: str, first_line: int = 1, *, is_json: bool = False, is_hcl1: bool = False
    ) -> None:
        """Start at the beginning of the text. JSON has no templates."""
        self.text = text.removeprefix("\ufeff")
        self.file = file
        self.position = 0
        self._depth = 0
        self.is_json = is_json
        self.is_hcl1 = is_hcl1
        self._template = TEMPLATE_OF_HCL1 if is_hcl1 else TEMPLATE
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
        self._depth += bool(end)
        while (found := self.peek()) != end:
            if not found:
                self.fail(f'"{end}" is required before the end of the file')
            self._member(content)
            if self.peek() == ",":
                self.position += 1
        self.position += len(end)
        self._depth -= bool(end)
        return content

    def _member(self, content: Map) -> None:
        line, path = self.line, [self._key()]
        while (found := self.peek()) not in {"=", ":", "{"}:
            if found != '"' and not IDENTIFIER.match(self.text, self.position):
                self.fail(f'"=" or "{{" is required after the key "{path[-1][:MAX_SHOWN]}"')
            path.append(self._key())
        if found != "{":
            self.position += 1
        if self.is_hcl1 and not self._depth and not self.peek():
            # The parser of HCL 1 takes the end of the text after "=" for the end of the file.
            return
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
        start = self.position
        word = self._skip(IDENTIFIER)
        if not word and found != "(":
            self.fail(f'a key is required, got "{found}"')
        # Terraform's expressions as keys: `(var.a)`, `upper("a")`, `var.names[0]`.
        while self.text.startswith(("(", "["), self.position) and not self.is_json:
            self._skip_brackets()
            self._skip(ATTRIBUTE)
        return self.text[start : self.position]

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
        if number := (NUMBER_OF_HCL1 if self.is_hcl1 else NUMBER).match(self.text, self.position):
            return self._number(number)
        word = IDENTIFIER.match(self.text, self.position)
        if word and word[0] in CONSTANTS:
            self.position = word.end()
            return CONSTANTS[word[0]]
        if word and word[0] in ENCODERS:
            return self._encoded(word.end())
        return Unevaluated("")

    def _number(self, number: re.Match[str]) -> int | float:
        if len(number[0]) > MAX_DIGITS:
            self.fail(f"a number has at most {MAX_DIGITS} digits")
        self.position = number.end()
        if number["hexadecimal"]:
            return int(number[0], 16)
        return float(number[0]) if number["fraction"] or number["exponent"] else int(number[0])

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
        members = Items()
        self.peek()
        if FOR.match(self.text, self.position):
            self.position = start
            return Unevaluated("")
        while (found := self.peek()) != "]":
            if not found:
                self.fail('"]" is required before the end of the file')
            members.lines.append(self.line)
            members.append(self.value())
            if self.peek() == ",":
                # HCL 1 accepts further commas, and none after a list in a list.
                while self.peek() == "," and not self.is_json:
                    self.position += 1
                self.position += self.is_json
            elif self.peek() not in {"]", ""} and not isinstance(members[-1], list):
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
            if self._template.match(self.text, self.position):
                self._skip_template()
            else:
                self.position += 2 if found == "\\" else 1
        self.position += 1
        quoted = self.text[start + 1 : self.position - 1]
        if self._template.search(quoted):
            content = ESCAPE.sub(lambda escape: ESCAPED.get(escape[5], escape[0]), quoted)
            return Unevaluated(f'"{quoted}"', inner=content)
        return self._literal_text(ESCAPE.sub(self._unescaped, quoted))

    def _skip_template(self) -> None:
        start = self.position
        self.position += 2
        depth = 1
        while depth:
            found = self.text[self.position : self.position + 1]
            if not found:
                self.position = start
                self.fail("the template has no closing brace")
            if quoted := QUOTED.match(self.text, self.position):
                self.position = quoted.end()
                continue
            depth += {"{": 1, "}": -1}.get(found, 0)
            self.position += 1

    def _unescaped(self, escape: re.Match[str]) -> str:
        code = escape[1] or escape[2] or escape[3] or escape[4]
        if code:
            number = int(code, 8 if escape[4] else 16)
            return chr(number) if number <= sys.maxunicode else self.fail(f'the escape "{escape[0]}" is not supported')
        return ESCAPED[escape[5]] if escape[5] in ESCAPED else self.fail(f'the escape "{escape[0]}" is not supported')

    def _literal_text(self, text: str) -> str:
        """Return text without the escapes of templates."""
        return text if self.is_hcl1 else text.replace("$${", "${").replace("%%{", "%{")

    def _heredoc(self) -> str | Unevaluated:
        start = HEREDOC.match(self.text, self.position)
        if not start:
            self.fail('a value is required, got "<"')
        end = re.compile(rf"^[^\S\n]*{re.escape(start[2])}[^\S\n]*\r?$", re.MULTILINE).search(self.text, start.end())
        if not end:
            self.fail(f"the heredoc has no closing {start[2]}")
        content = self.text[start.end() : end.start()]
        self.position = end.end()
        unindented = _without_indentation(content) if start[1] else content
        if self._template.search(content):
            return Unevaluated(content, inner=Heredoc(unindented))
        return Heredoc(self._literal_text(unindented))

    def _encoded(self, after: int) -> object:
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
            self.fail(f'")" is required after the argument of {self.text[start:after]}')
        self.position += 1
        if any(expressions(value)):
            return Unevaluated(self.text[start : self.position], value)
        text = JsonText(json.dumps(value, ensure_ascii=False))
        text.encoded = value
        return text

    def _expression(self, start: int) -> Unevaluated:
        """Skip an expression: up to a comma, a closing bracket or the end of the line outside of brackets."""
        self.position = start
        while self.position < len(self.text):
            found = self.text[self.position]
            if found in CLOSING:
                self._skip_brackets()
            elif found in ",\n)]}#" or self.text.startswith("//", self.position):
                break
            else:
                self._skip_in_expression(found)
        expression = self.text[start : self.position].strip()
        return Unevaluated(expression) if expression else self.fail("a value is required")

    def _skip_brackets(self) -> None:
        """Skip a bracket, its content and the bracket that closes it."""
        open_brackets: list[str] = []
        start = self.position
        while self.position < len(self.text):
            found = self.text[self.position]
            if found in CLOSING:
                open_brackets.append(CLOSING[found])
            elif found == open_brackets[-1]:
                open_brackets.pop()
            elif found == "#":
                self.peek()
                continue
            else:
                self._skip_in_expression(found)
                continue
            self.position += 1
            if not open_brackets:
                return
        self.position = start
        self.fail(f'"{open_brackets[-1]}" is required before the end of the file')

    def _skip_in_expression(self, found: str) -> None:
        """Skip a text, a comment or another character."""
        if found == '"':
            self._string()
        elif HEREDOC.match(self.text, self.position):
            self._heredoc()
        elif self.text.startswith("//", self.position):
            self.peek()
        elif self.text.startswith("/*", self.position):
            if not self._skip(BLANKS_IN_LINE):
                self.peek()
        else:
            self.position += 1


def _without_indentation(text: str) -> str:
    lines = text.splitlines(keepends=True)
    widths = [len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()]
    return "".join(line[min(widths, default=0) :] if line.strip() else line.lstrip(" \t") for line in lines)
