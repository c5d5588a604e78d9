"""Findings that a team accepts: comments in files (`# consul-tracing: ignore=CT317 reason`), and codes of a run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.codes import CODES
from consul_tracing.errors import format_value
from consul_tracing.files.documents import form_of
from consul_tracing.files.values import line_numbers

from .findings import Finding, Issue

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

COMMENT = re.compile(r"(?:#|//|/\*)[^\S\n]*consul-tracing:[^\S\n]*(?P<text>ignore\b[^\n]*)", re.IGNORECASE)
IGNORE = re.compile(r"ignore\s*=\s*(?P<codes>CT\d+(?:\s*,\s*CT\d+)*)(?:[\s:]+(?P<reason>.*))?", re.IGNORECASE)
COMMENT_ENDS = re.compile(r"(?:\s*(?:\*/|-?\}\}))*\s*$")

ELSEWHERE = frozenset({"CT323", "CT327", "CT329", "CT339", "CT349", "CT356", "CT357", "CT358", "CT359"})
"""Findings that depend on other files or on options. A run without these does not report their ignores as unused."""


@dataclass(frozen=True)
class Comment:
    """A comment that ignores findings of its file."""

    line: int
    codes: tuple[str, ...]
    """Empty if the comment cannot be read."""
    reason: str
    """The rest of the comment: why the findings are accepted. The whole comment if it cannot be read."""


@dataclass(frozen=True)
class Ignored:
    """A finding that is ignored."""

    finding: Finding
    reason: str
    """The reason in the comment, or `--ignore`."""


def comments(text: str, file: str) -> list[Comment]:
    """Return the comments of a file that ignore findings. JSON has no comments."""
    if "consul-tracing" not in text or form_of(text, file) == "json":
        return []
    found = list(COMMENT.finditer(text))
    lines = line_numbers(text, [one.start() for one in found])
    return [_comment(line, one["text"]) for line, one in zip(lines, found, strict=True)]


def _comment(line: int, text: str) -> Comment:
    text = COMMENT_ENDS.sub("", text)
    if not (found := IGNORE.fullmatch(text)):
        return Comment(line, (), text)
    codes = tuple(code.strip().upper() for code in found["codes"].split(","))
    return Comment(line, codes, (found["reason"] or "").strip(" -:"))


def divided(
    findings: Iterable[Finding], comments_of: Mapping[str, Sequence[Comment]], codes: Collection[str] = ()
) -> tuple[list[Finding], list[Ignored]]:
    """Return the findings that remain, with one for each comment without effect, and those that are ignored."""
    remaining: list[Finding] = []
    ignored: list[Ignored] = []
    used: set[tuple[str, str]] = set()
    for one in findings:
        comment = next((it for it in comments_of.get(one.file, ()) if one.code in it.codes), None)
        if comment:
            used.add((one.file, one.code))
            ignored.append(Ignored(one, comment.reason))
        elif one.code in codes:
            ignored.append(Ignored(one, "--ignore"))
        else:
            remaining.append(one)
    for file, listed in comments_of.items():
        unused = [Finding(Issue("CT390", (), reason), file, line, file) for line, reason in _unused(file, listed, used)]
        remaining += [] if "CT390" in codes else unused
    return remaining, ignored


def _unused(file: str, listed: Iterable[Comment], used: set[tuple[str, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines of comments without effect, with the reasons."""
    for comment in listed:
        if not comment.codes:
            yield comment.line, f'must be "ignore=CT317 reason", got {format_value(comment.reason)}'
        for code in comment.codes:
            if code not in CODES:
                yield comment.line, f"ignores {code}, which is not a code"
            elif (file, code) not in used and code not in ELSEWHERE:
                yield comment.line, f"ignores {code}, which the file does not have"
