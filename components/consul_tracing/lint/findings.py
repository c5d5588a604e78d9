"""Findings: mistakes in a document, each with a code, a place and a fix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.codes import CODES, page_of
from consul_tracing.severities import Severity, severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import FieldPath


NOT_CHECKED = "CT330"
"""The code of a value that is not checked, which has no fix."""


@dataclass(frozen=True)
class Issue:
    """A mistake at a path of a document."""

    code: str
    path: FieldPath
    """Path in the fields of the document. The members of JSON text continue the path of its key."""
    reason: str
    fix: str = ""
    """Instruction. Default: the fix of the code."""
    replacement: tuple[str, str] | None = None
    """Text in the file and its replacement, where the fix is unambiguous."""
    severity: Severity | None = None
    """Severity where it depends on the versions of the mesh. Default: that of the code."""
    text_line: int = 0
    """The line in the text of a heredoc, from 1. 0: the line of the path."""


@dataclass(frozen=True)
class Finding:
    """An issue and its place."""

    issue: Issue
    file: str
    """The file, `-` for standard input, or the address of Consul or Kubernetes."""
    line: int | None
    """The line. None in a live mesh."""
    entry: str
    """The entry: `proxy-defaults/global`, or `registration web`."""

    @property
    def code(self) -> str:
        """The code: CT301."""
        return self.issue.code

    @property
    def severity(self) -> Severity:
        """The severity of the issue. Default: that of its code."""
        return self.issue.severity or severity(self.issue.code)

    @property
    def place(self) -> str:
        """The place as people read it: `global.hcl:7`, or the live entry."""
        return f"{self.file}:{self.line}" if self.line is not None else self.entry

    @property
    def fix(self) -> str:
        """The instruction that removes the finding."""
        return self.issue.fix or CODES[self.issue.code].fix

    def as_json(self) -> Mapping[str, object]:
        """Return the finding for `--format json`."""
        replaced = self.issue.replacement
        return {
            "code": self.code,
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "entry": self.entry,
            "path": ".".join(self.issue.path),
            "reason": self.issue.reason,
            "fix": self.fix,
            "replacement": replaced and {"old": replaced[0], "new": replaced[1]},
            "page": page_of(self.code),
        }
