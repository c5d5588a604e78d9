"""Unambiguous fixes in files. Each is kept only if it removes its finding and causes no other."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from .findings import Finding

    Lint = Callable[[str], Sequence[Finding]]
    """Function that returns the findings of the text of a file."""


def fixed(text: str, lint: Lint) -> str:
    """Return the text of a file with all fixes that are unambiguous."""
    rejected: set[tuple[object, ...]] = set()
    while True:
        findings = lint(text)
        candidate = next((one for one in findings if one.issue.replacement and _key(one) not in rejected), None)
        if candidate is None:
            return text
        before = Counter(map(_key, findings))
        changed = next((one for one in _changes(text, candidate) if Counter(map(_key, lint(one))) < before), None)
        if changed is None:
            rejected.add(_key(candidate))
        else:
            text = changed


def _key(finding: Finding) -> tuple[object, ...]:
    return finding.code, finding.entry, finding.issue.path, finding.issue.reason


def _changes(text: str, finding: Finding) -> Iterator[str]:
    """Yield the text with the replacement at its first place from the line of the finding, also in escaped JSON."""
    assert finding.issue.replacement is not None  # noqa: S101 - candidates have one
    assert finding.line is not None  # noqa: S101 - files have lines
    lines = text.splitlines(keepends=True)
    start = sum(len(line) for line in lines[: finding.line - 1])
    old, new = finding.issue.replacement
    for one, replacement in ((old, new), (_escaped(old), _escaped(new))):
        if (position := text.find(one, start)) >= 0:
            yield text[:position] + replacement + text[position + len(one) :]


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
