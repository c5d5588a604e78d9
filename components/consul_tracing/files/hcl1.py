"""The grammar of HCL 1, in which Consul reads config entries, registrations and its configuration.

`hcl.py` reads more than HCL 1, because Terraform and Nomad read HCL 2. This module finds the first construct of a text
that Consul refuses. Source: `hcl/scanner` and `hcl/parser` of hashicorp/hcl 1.0.1-vault-7, which Consul 1.22 uses.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from typing import NamedTuple

LARGEST_RUNE = 0x10FFFF
LARGEST_OCTAL = 0o377
INTEGERS = range(-(2**63), 2**63)

TOKEN = re.compile(
    r"""
    (?P<blank>[ \t\n\r]+ | \#[^\n]* | //[^\n]* | /\*.*?\*/)
    | (?P<word>[^\W\d][\w.-]*)
    | (?P<incomplete>-?0[xX](?![0-9a-fA-F]) | -?[0-9]+(?:\.[0-9]*)?[eE](?![+-]?[0-9]))
    | (?P<number>-?0[xX][0-9a-fA-F]+ | -?[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)? | \.[0-9]+)
    | (?P<heredoc><<-?[\w]+\n)
    | (?P<text>")
    | (?P<mark>[][{},=])
    """,
    re.VERBOSE | re.DOTALL,
)
ESCAPE = re.compile(r'\\(?:[abfnrtv\\"]|([0-7]{3})|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U([0-9a-fA-F]{8}))')
IN_TEXT = re.compile(r'[^"\\\n${}]+')
WORD_END = re.compile(r"[^\s,\]}]*")
INTEGER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
RESERVED = re.compile("[\0\ue123]")
MAX_SHOWN = 30

LITERALS = frozenset({"number", "text", "heredoc", "bool"})
VALUES = "a value must be text in double quotes, a number, true, false, a list or a map"


class Refused(Exception):  # noqa: N818 - the verdict of a reader, not a failure of it
    """The construct that Consul refuses."""

    def __init__(self, position: int, reason: str) -> None:
        """Keep the position in the text and the reason."""
        super().__init__(reason)
        self.position = position
        self.reason = reason


class Token(NamedTuple):
    """A token with its position. `kind`: a name of TOKEN, `bool`, the mark itself, or empty at the end of the text."""

    kind: str
    text: str
    position: int


def first_refused(text: str) -> tuple[int, str] | None:
    """Return the line and the reason of the first construct that is not HCL 1. None if Consul can parse the text."""
    text = text.replace("\r\n", "\n")
    try:
        if reserved := RESERVED.search(text):
            raise Refused(reserved.start(), f"{reserved[0]!r} is not supported")  # noqa: TRY301 - one place of the verdict
        _Grammar(text).body("")
    except Refused as refused:
        ends = [match.start() for match in re.finditer("\n", text)]
        return 1 + bisect_right(ends, refused.position - 1), f"Consul reads HCL 1: {refused.reason}"
    return None


class _Grammar:
    """Recursive descent over the tokens of a text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.token = self._scanned()

    def body(self, end: str) -> None:
        """Check the members of a body or a map up to `end`: the closing brace, or none for the whole text."""
        while self.token.kind != end:
            self._member(is_last_of_text=not end)
            if self.token.kind == ",":
                self._next()
        self._next()

    def _member(self, *, is_last_of_text: bool) -> None:
        keys = []
        while self.token.kind in {"word", "text"}:
            keys.append(self.token.text)
            self._next()
        if not keys:
            self._refuse(f"a key is required, got {self._found()}")
        if self.token.kind == "{":
            self._next()
            self.body("}")
            return
        if self.token.kind != "=":
            self._refuse(f'"=" or "{{" is required after the key "{keys[-1]}", got {self._found()}')
        if len(keys) > 1:
            self._refuse(f'"{{" is required after the keys "{" ".join(keys)}", got "="')
        self._next()
        # The parser takes the end of the text after "=" for the end of the body.
        if self.token.kind or not is_last_of_text:
            self._value()

    def _value(self) -> None:
        match self.token.kind:
            case "{":
                self._next()
                self.body("}")
            case "[":
                self._next()
                self._list()
            case kind if kind in LITERALS:
                self._next()
            case "word" if self.text.startswith("(", self.position):
                self._refuse(f"{VALUES}, got the function {self.token.text}()")
            case "word" if self.token.text == "null":
                self._refuse(f"{VALUES}, got null. Remove the key")
            case "word":
                self._refuse(f'{VALUES}, got the word {self.token.text}. Write "{self.token.text}"')
            case _:
                self._refuse(f"{VALUES}, got {self._found()}")

    def _list(self) -> None:
        while self.token.kind != "]":
            if self.token.kind == ",":
                self._next()
                continue
            is_list = self.token.kind == "["
            self._value()
            # The parser requires no comma after a list in a list.
            if not is_list and self.token.kind not in {",", "]"}:
                self._refuse(f'"," or "]" is required in a list, got {self._found()}')
        self._next()

    def _next(self) -> None:
        self.token = self._scanned()

    def _scanned(self) -> Token:
        while match := TOKEN.match(self.text, self.position):
            kind, start = str(match.lastgroup), self.position
            self.position = match.end()
            match kind:
                case "blank":
                    continue
                case "text":
                    self._skip_text(start)
                case "heredoc":
                    self._skip_heredoc(match[0], start)
                case "number":
                    _check_number(match[0], start)
                case "incomplete":
                    raise Refused(start, f"a number must have digits after {match[0]}")
                case "word":
                    kind = "bool" if match[0] in {"true", "false"} else kind
                case _:
                    kind = match[0]
            return Token(kind, self.text[start : self.position].strip('"'), start)
        if self.position == len(self.text):
            return Token("", "", self.position)
        raise Refused(self.position, self._illegal())

    def _illegal(self) -> str:
        found = self.text[self.position]
        if self.text.startswith("/*", self.position):
            return "the comment has no end"
        if self.text.startswith("<<", self.position):
            return "a heredoc starts with << and a word, which ends the line"
        match found:
            case "'":
                return "text must be in double quotes, got a single quote"
            case ":":
                return '"=" is required after a key, got ":"'
            case "(" | ")" | "?" | "+" | "-" | "*" | "/" | "%" | "!" | "<" | ">" | "&" | "|" | ".":
                return f'an expression is not supported, got "{found}"'
            case _:
                return f"{found!r} is not a character of the language outside of text"

    def _skip_text(self, start: int) -> None:
        """Skip a text up to its closing quote. Quotes and line breaks inside of `${}` belong to the text."""
        depth = 0
        while True:
            if plain := IN_TEXT.match(self.text, self.position):
                self.position = plain.end()
            found = self.text[self.position : self.position + 1]
            if not found or (found == "\n" and not depth):
                raise Refused(start, "the text has no closing quote in its line")
            if found == '"' and not depth:
                self.position += 1
                return
            if found == "\\":
                self._skip_escape()
                continue
            if not depth and self.text.startswith("${", self.position):
                depth, self.position = 1, self.position + 2
                continue
            depth += {"{": 1, "}": -1}.get(found, 0) if depth else 0
            self.position += 1

    def _skip_escape(self) -> None:
        escape = ESCAPE.match(self.text, self.position)
        if (
            not escape
            or (escape[1] and int(escape[1], 8) > LARGEST_OCTAL)
            or (escape[2] and int(escape[2], 16) > LARGEST_RUNE)
        ):
            raise Refused(
                self.position, f'the escape "{self.text[self.position : self.position + 2]}" is not supported'
            )
        self.position = escape.end()

    def _skip_heredoc(self, start: str, position: int) -> None:
        marker = start[2:-1]
        # The parser compares the length of the line with that of the marker and its "-".
        closing = re.compile(rf"^[ \t\r\f\v]*{re.escape(marker.removeprefix('-'))}\r*\n", re.MULTILINE)
        place = self.position
        while match := closing.search(self.text, place):
            if len(match[0]) > len(marker):
                self.position = match.end()
                return
            place = match.end()
        raise Refused(position, f"the heredoc has no line with {marker.removeprefix('-')} only at its end")

    def _found(self) -> str:
        if not self.token.kind:
            return "the end of the text"
        found = WORD_END.match(self.text, self.token.position)
        shown = (found[0] if found else "") or self.token.text
        return f'"{shown[:MAX_SHOWN]}{"…" if len(shown) > MAX_SHOWN else ""}"'

    def _refuse(self, reason: str) -> None:
        raise Refused(self.token.position, reason)


def _check_number(text: str, position: int) -> None:
    """Reject numbers that Go cannot convert: integers have 64 bits, and a leading 0 for octal digits."""
    if not INTEGER.fullmatch(text):
        if math.isinf(float(text)):
            raise Refused(position, f"a number must have at most 64 bits, got {text[:MAX_SHOWN]}")
        return
    digits = text.removeprefix("-")
    try:
        base = 16 if digits[:2] in {"0x", "0X"} else 8 if digits != "0" and digits[0] == "0" else 10
        number = int(text, base) if len(text) < MAX_SHOWN else None
    except ValueError:
        number = None
    if number is None or number not in INTEGERS:
        raise Refused(position, f"a whole number must have at most 64 bits and no leading 0, got {text[:MAX_SHOWN]}")
