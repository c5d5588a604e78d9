"""The examples of findings, from `examples.md`: the command `explain` and the reference show the same."""

from __future__ import annotations

import difflib
import re
from functools import cache
from importlib.resources import files
from typing import NamedTuple

COMPLETE = "complete"
"""The section with the complete entry of a traced mesh."""

SECTION = re.compile(r"^# (\w+)\n(.*?)(?=^# \w+\n\n|\Z)", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONTEXT = 3
"""Unchanged lines around a change."""


class Example(NamedTuple):
    """A file with one finding, and the file without it."""

    language: str
    bad: str
    good: str

    @property
    def change(self) -> str:
        """The change that removes the finding, as a unified diff without its head."""
        lines = difflib.unified_diff(self.bad.splitlines(), self.good.splitlines(), n=CONTEXT, lineterm="")
        return "\n".join(list(lines)[2:])


@cache
def examples() -> dict[str, Example]:
    """Return the example of each code that one file can show."""
    found = {code: BLOCK.findall(text) for code, text in _sections().items() if code != COMPLETE}
    return {code: Example(pair[0][0], pair[0][1], pair[1][1]) for code, pair in found.items() if pair}


def complete_entry() -> str:
    """Return the complete entry of a traced mesh, in HCL."""
    ((_, text),) = BLOCK.findall(_sections()[COMPLETE])
    return str(text)


def condition(code: str) -> str:
    """Return the options or the files that a finding requires. Empty if it requires none."""
    return BLOCK.sub("", _sections().get(code, "")).strip()


@cache
def _sections() -> dict[str, str]:
    return dict(SECTION.findall(files("consul_tracing.lint").joinpath("examples.md").read_text()))
