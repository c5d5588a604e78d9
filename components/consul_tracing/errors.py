"""Error formatting, and the exceptions that need no Pulumi, which takes half a second to import."""

from __future__ import annotations

import difflib
import json
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .codes import page_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MAX_VALUE_LENGTH = 60
"""Characters of a value that a message shows."""

CREDENTIALS_IN_URL = re.compile(r"//[^/\s]*@")

UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories of characters that change how a terminal shows other text."""

LARGEST_NUMBER = 10**20
"""Messages describe whole numbers of this size or larger, because Python limits the conversion of long integers."""

MAX_LISTED_KEYS = 40
"""Allowed keys that a message lists. For a longer list it suggests only the closest key."""


ABBREVIATIONS = {"otel": "opentelemetry", "otlp": "opentelemetry"}
"""Names that users write for a key that is not similar."""


@dataclass(frozen=True)
class Problem:
    """One invalid input."""

    path: str
    """The path of the input: `services.web.protocol`."""

    reason: str
    """The required value and the given one, unless it may be a secret."""

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class InputError(ValueError):
    """Inputs that are invalid, all in one error."""

    problems: tuple[Problem, ...]
    """The invalid inputs, sorted by path."""

    def __init__(self, component: str, problems: Iterable[Problem], *, is_stack: bool = False) -> None:
        """Report the problems of a component, or of the configuration of a stack, each once."""
        self.problems = tuple(sorted(dict.fromkeys(problems), key=lambda problem: problem.path))
        named = f'"{component}"' if component else "a component"
        super().__init__(_problems_text("CT101", f"stack {named}" if is_stack else named, self.problems))


class UnreadableError(Exception):
    """The backend cannot be read. The message is the server's."""


class CommandError(Exception):
    """The command could not run."""

    code = "CT601"

    def __init__(self, reason: str) -> None:
        """Report the reason, which is one line."""
        super().__init__(headline(self.code, printable(reason)))
        self.reason = reason


class FileError(CommandError):
    """A file has invalid syntax."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        """Report the file, the line and the reason."""
        super().__init__(f"{file}:{line}: {reason}")
        self.line = line
        self.reason = reason


def printable(text: str) -> str:
    """Return text from a file in one line that no terminal and no CI service reads as a command.

    Control characters, line breaks and marks of the direction of text become escapes. GitHub reads lines that start
    with `::`, and `##[` anywhere.
    """
    escaped = "".join(json.dumps(one)[1:-1] if unicodedata.category(one) in UNPRINTABLE else one for one in text)
    escaped = escaped.replace("##[", "##\\[").replace("##vso[", "##vso\\[")
    return f"\\{escaped}" if escaped.lstrip().startswith("::") else escaped


def headline(code: str, reason: str) -> str:
    """Return the first line of an error or a warning."""
    return f"consul-tracing: {code}: {reason}"


def message(code: str, reason: str, *lines: str) -> str:
    """Return the text of an error or a warning: the headline, lines such as the fix, and the address of its page."""
    return "\n  ".join([headline(code, reason), *lines, page_of(code)])


def _problems_text(code: str, subject: str, problems: Sequence[Problem]) -> str:
    inputs = len({problem.path for problem in problems})
    count = "1 input" if inputs == 1 else f"{inputs} inputs"
    verb = "is" if inputs == 1 else "are"
    return message(code, f"{count} of {subject} {verb} invalid", *map(str, problems))


def fix(purpose: str, *steps: str) -> list[str]:
    """Return the lines of a fix: its purpose, and its steps in the order of execution."""
    return [purpose, *(f"  {number}. {step}" for number, step in enumerate(steps, 1))]


def format_value(value: object) -> str:
    """Return a value as messages show it: JSON for plain values, the type for other values."""
    match value:
        case str() if CREDENTIALS_IN_URL.search(value):
            return "a URL with credentials (not shown)"
        case str() if "-----BEGIN" in value:
            return "key material (not shown)"
        case str() if len(value) > MAX_VALUE_LENGTH:
            return json.dumps(value[:MAX_VALUE_LENGTH] + "…", ensure_ascii=False)
        case int() if abs(value) >= LARGEST_NUMBER:
            return "a number with more than 20 digits"
        case str() | bool() | int() | float() | None:
            return json.dumps(value, ensure_ascii=False)
        case dict():
            return "a map"
        case list() | tuple():
            return "a list"
        case _:
            name = type(value).__name__
            return f"an {name}" if name[0].lower() in "aeiou" else f"a {name}"


def format_rate(percent: float) -> str:
    """Return a sampling rate as messages show it: `10 %`, and below 1 % also its meaning: `0.5 % = 1 in 200 requests`.

    A rate below 1 may be meant as a fraction of 1.
    """
    if not 0 < percent < 1:
        return f"{percent:g} %"
    requests = 100 / percent
    about = "" if math.isclose(requests, round(requests)) else "about "
    return f"{percent:g} % = {about}1 in {round(requests):,} requests"


def mismatch(expected: str, value: object) -> str:
    """Return the reason why a value is not the expected one."""
    separator = ";" if "," in expected else ","
    return f"must be {expected}{separator} got {format_value(value)}"


def closest(key: str, allowed: Sequence[str]) -> str | None:
    """Return the allowed key that is the most similar one, None if none is similar."""
    meant = ABBREVIATIONS.get(key.lower(), key.lower())
    found = [name for name in allowed if name.lower() == meant] or difflib.get_close_matches(key, allowed, n=1)
    return found[0] if found else None


def with_suggestion(reason: str, key: str, allowed: Sequence[str]) -> str:
    """Return the reason why a key is not allowed, with the closest allowed key and a list of all if it is short."""
    suggestion = f'; did you mean "{found}"?' if (found := closest(key, allowed)) else "."
    listed = "" if len(allowed) > MAX_LISTED_KEYS else f" Allowed: {', '.join(allowed)}"
    return f"{reason}{suggestion}{listed}".removesuffix(".")


def shortened(values: Sequence[str], most: int = 3) -> str:
    """Return the first values, and the number of the others."""
    more = f" and {len(values) - most} more" if len(values) > most else ""
    return ", ".join(values[:most]) + more


def error_reason(error: Exception) -> str:
    """Return the reason of an error in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())
