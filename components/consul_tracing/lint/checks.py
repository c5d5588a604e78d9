"""The findings of files: each file alone, then the relations in each mesh."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePath
from typing import TYPE_CHECKING

from consul_tracing.errors import CommandError, FileError
from consul_tracing.files.documents import FORMS, is_about_consul, may_have_entries, read_file
from consul_tracing.files.finder import NOT_READ, Content, Place, lines_of_tracing_keys
from consul_tracing.names import STANDARD_INPUT
from consul_tracing.severities import Severity

from .findings import Finding, Issue
from .fixes import fixed, key
from .ignores import comments, divided
from .meshes import is_mesh, meshes
from .releases import Releases
from .rules import document_findings, findings, mesh_config
from .unread import content_findings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from consul_tracing.files.document import Document

    from .ignores import Ignored

    Judge = Callable[[Sequence[Document]], Iterable[Finding]]

INVALID_BYTE = re.compile("[\udc80-\udcff]")
"""A byte that is not UTF-8, as `surrogateescape` decodes it."""


@dataclass(frozen=True)
class Checked:
    """Findings, and what was checked."""

    findings: list[Finding] = field(default_factory=list)
    files: Mapping[str, int] = field(default_factory=dict)
    """The number of entries by file."""
    live: Mapping[str, int] = field(default_factory=dict)
    """The number of entries by backend: Consul, Kubernetes."""
    ignored: list[Ignored] = field(default_factory=list)
    fixed: list[Finding] = field(default_factory=list)
    """The former findings of fixed texts."""
    changes: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """The texts before and after the fixes, by file, also if the findings are those of the texts before."""

    def without_entries(self, files: Sequence[str]) -> bool:
        """Return whether files have neither an entry nor a finding that explains why."""
        found = [*self.findings, *(one.finding for one in self.ignored)]
        explained = {one.file for one in found if one.severity is not Severity.INFO}
        return not any(self.files.get(file) or file in explained for file in files)


def check_texts(
    texts: Mapping[str, str],
    oldest: Releases | None = None,
    ignored: Collection[str] = (),
    *,
    fix: bool = False,
    judge: Judge | None = None,
) -> Checked:
    """Return the findings of files, in the order of the files and lines. `ignored`: codes that are no findings.

    `fix`: return the findings of the fixed texts. Otherwise a finding has a replacement if it would be fixed.
    `judge`: returns further findings of each mesh.
    """
    oldest = oldest or Releases()
    contents = {file: read(text, file) for file, text in texts.items()}
    documents = [document for found, _ in contents.values() for document in found]
    divisions = meshes(documents)
    found = [problem for _, problems in contents.values() for problem in problems]
    found += [one for mesh in divisions for one in findings(mesh, oldest)]
    if judge and not fix:
        found += [one for mesh in divisions for one in judge(mesh)]
    remaining, not_shown = divided(found, {file: comments(text, file) for file, text in texts.items()}, ignored)
    defaults = {one.file: list(filter(is_mesh, mesh)) for mesh in divisions for one in mesh}
    changes, applied = _fixes(texts, remaining, defaults, partial(_file_findings, oldest, ignored))
    if fix:
        after = check_texts(
            {**texts, **{file: text for file, (_, text) in changes.items()}}, oldest, ignored, judge=judge
        )
        return replace(after, findings=[without_fix(one) for one in after.findings], fixed=applied, changes=changes)
    fixable = {(one.file, key(one)) for one in applied}
    shown = [one if (one.file, key(one)) in fixable else without_fix(one) for one in remaining]
    order = {file: number for number, file in enumerate(texts)}
    shown.sort(key=lambda one: (order[one.file], one.line or 0))
    entries = {file: len(found) for file, (found, _) in contents.items()}
    return Checked(shown, entries, ignored=not_shown, changes=changes)


def _fixes(
    texts: Mapping[str, str],
    found: Iterable[Finding],
    defaults: Mapping[str, Sequence[Document]],
    lint: Callable[[Sequence[Document], str, str], list[Finding]],
) -> tuple[dict[str, tuple[str, str]], list[Finding]]:
    """Return the texts that change, and the findings that are fixed. `defaults`: proxy-defaults in the file's mesh."""
    by_file: Mapping[str, list[Finding]] = defaultdict(list)
    for one in found:
        by_file[one.file].append(one)
    changes: dict[str, tuple[str, str]] = {}
    applied: list[Finding] = []
    for file, own in by_file.items():
        if any(one.issue.replacement for one in own):
            others = [one for one in defaults[file] if one.file != file]
            text, removed = fixed(texts[file], own, partial(lint, others, file))
            if removed:
                changes[file] = (texts[file], text)
                applied += removed
    return changes, applied


def read(text: str, file: str) -> tuple[list[Document], list[Finding]]:
    """Return the documents of a file, and the findings beside them. A file that is not about Consul has none."""
    plain = text.replace("\0", "")
    if not may_have_entries(plain):
        return [], []
    is_ours = is_about_consul(plain)
    if is_ours and (invalid := INVALID_BYTE.search(text)):
        return [], [_unreadable(file, text.count("\n", 0, invalid.start()) + 1, "the text must be UTF-8")]
    try:
        content = read_file(text, file)
    except FileError as error:
        other = _of_another_format(text, file) if is_ours else Content()
        if other is None:
            return [], [_unreadable(file, error.line, error.reason)]
        content = other
    except Exception as error:
        raise CommandError(f"{file} cannot be checked: {type(error).__name__}: {error}") from error
    return content.documents, list(content_findings(content, file))


def _of_another_format(text: str, file: str) -> Content | None:
    """Return the tracing keys of a file that is no HCL, JSON or YAML, such as a script. None for a syntax error."""
    unread = [Place(line, NOT_READ) for line in lines_of_tracing_keys(text)]
    has_suffix = file == STANDARD_INPUT or PurePath(file).suffix.lower() in FORMS
    is_other = not has_suffix if unread else text.startswith("#!")
    return Content(unread=unread) if is_other else None


def _unreadable(file: str, line: int, reason: str) -> Finding:
    return Finding(Issue("CT336", (), reason), file, line, file)


def without_fix(finding: Finding) -> Finding:
    """Return a finding without its replacement, which is not applied."""
    return replace(finding, issue=replace(finding.issue, replacement=None)) if finding.issue.replacement else finding


def _file_findings(
    oldest: Releases, ignored: Collection[str], defaults: Sequence[Document], file: str, text: str
) -> list[Finding]:
    """Return the findings of one file, without relations. `defaults`: proxy-defaults in other files of its mesh."""
    documents, problems = read(text, file)
    base = mesh_config([*defaults, *documents])
    found = [one for document in documents for one in document_findings(document, base, oldest)]
    return divided([*problems, *found], {file: comments(text, file)}, ignored)[0]
