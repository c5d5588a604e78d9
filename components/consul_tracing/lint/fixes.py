"""Unambiguous fixes in the text of a file. Each removes its finding and causes none that is as severe."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from typing import TYPE_CHECKING

from consul_tracing.severities import Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from .findings import Finding

    Lint = Callable[[str], Sequence[Finding]]
    """Function that returns the findings of the text of a file."""

    Key = tuple[object, ...]

FIXABLE = frozenset({"CT302", "CT303", "CT306", "CT307", "CT309", "CT314", "CT325"})
"""Codes of findings that `--fix` can remove, some of them in certain forms only."""

ROUNDS = 4
"""Fixes that appear one after the other: a tracer is checked when its type is fixed."""

RANKS = {Severity.ERROR: 2, Severity.WARNING: 1, Severity.INFO: 0}


def fixed(text: str, findings: Sequence[Finding], lint: Lint) -> tuple[str, list[Finding]]:
    """Return the text of a file with the unambiguous fixes of its findings, and the findings that they removed."""
    return _fixed(text, findings, list(dict.fromkeys(key(one) for one in findings if one.issue.replacement)), lint)


def key(finding: Finding) -> Key:
    """Return what identifies a finding in a file, also after lines have moved."""
    return finding.code, finding.entry, finding.issue.path, finding.issue.reason


def _fixed(text: str, findings: Sequence[Finding], keys: list[Key], lint: Lint) -> tuple[str, list[Finding]]:
    """Fix the findings with these keys: all together, or if that does not work, half of them at a time."""
    wanted = set(keys)
    chosen = [one for one in findings if key(one) in wanted]
    if not chosen:
        return text, []
    changed, after, applied = _applied(text, findings, chosen, lint)
    if _is_better(findings, after, chosen, applied):
        return changed, applied
    if len(keys) == 1:
        return text, []
    middle = len(keys) // 2
    text, first = _fixed(text, findings, keys[:middle], lint)
    text, second = _fixed(text, lint(text) if first else findings, keys[middle:], lint)
    return text, first + second


def _applied(
    text: str, findings: Sequence[Finding], chosen: Sequence[Finding], lint: Lint
) -> tuple[str, Sequence[Finding], list[Finding]]:
    """Return the text with the fixes of findings and of those that appear thereby, its findings, and what was fixed."""
    seen = {key(one) for one in findings}
    applied: list[Finding] = []
    after = findings
    for _ in range(ROUNDS):
        starts = [0, *(one.end() for one in re.finditer("\n", text))]
        # From the last line to the first, because a fix can remove lines.
        for one in sorted(chosen, key=lambda it: it.line or 1, reverse=True):
            text = _replaced(text, one, starts[(one.line or 1) - 1 - one.issue.text_line])
        applied += chosen
        after = lint(text)
        chosen = [one for one in after if one.issue.replacement and key(one) not in seen]
        seen.update(map(key, chosen))
        if not chosen:
            break
    return text, after, applied


def _is_better(
    before: Iterable[Finding], after: Sequence[Finding], chosen: Iterable[Finding], applied: Collection[Finding]
) -> bool:
    """Return whether the fixed findings are gone, and each new finding is less severe than those that were chosen."""
    known = Counter(map(key, before))
    limit = min(RANKS[one.severity] for one in chosen)
    found = Counter(map(key, after))
    new = [one for one in after if found[key(one)] > known[key(one)]]
    return found.keys().isdisjoint(map(key, applied)) and all(RANKS[one.severity] < limit for one in new)


def _replaced(text: str, finding: Finding, start: int) -> str:
    """Replace the text of a finding at its first place from its line on, also if it is escaped or indented."""
    assert finding.issue.replacement is not None  # noqa: S101 - chosen findings have one
    old, new = finding.issue.replacement
    pairs = ((old, new), (_escaped(old), _escaped(new)))
    places = [(position, *pair) for pair in pairs if (position := text.find(pair[0], start)) >= 0]
    if not places and (indented := _indented(old).search(text, start)):
        line_end = ("\r\n" if "\r\n" in indented[0] else "\n") + indented.groupdict().get("indent", "")
        places = [(indented.start(), indented[0], new.replace("\n", line_end))]
    if not places:
        return text
    position, old, new = min(places)
    return text[:position] + new + text[position + len(old) :]


def _indented(text: str) -> re.Pattern[str]:
    """Return a pattern for lines of YAML's `|` or HCL's `<<-`, whose indentation in the file is not in their text."""
    first, *others = text.split("\n")
    indents = itertools.chain([r"(?P<indent>[^\S\n]*)"], itertools.repeat("(?P=indent)"))
    patterns = (next(indents) + re.escape(line) if line.strip() else r"[^\S\n]*" for line in others)
    return re.compile(r"\r?\n".join([re.escape(first), *patterns]))


def _escaped(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)[1:-1]
