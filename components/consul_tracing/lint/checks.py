"""The findings of files: each file alone, then the relations in each mesh."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consul_tracing.errors import FileError
from consul_tracing.files.documents import read_documents

from .findings import Finding, Issue
from .fixes import fixed, key
from .ignores import comments, divided
from .meshes import meshes
from .releases import Releases
from .rules import document_findings, findings, mesh_config

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consul_tracing.files.documents import Document

    from .ignores import Ignored


@dataclass(frozen=True)
class Checked:
    """The findings of files and of live entries."""

    findings: list[Finding]
    ignored: list[Ignored] = field(default_factory=list)
    fixed: list[Finding] = field(default_factory=list)
    """The former findings of fixed texts."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The text of each file with its fixes, also if the findings are those of the original texts."""


def check_texts(
    texts: Mapping[str, str], oldest: Releases | None = None, ignored: Collection[str] = (), *, fix: bool = False
) -> Checked:
    """Return the findings of files, in the order of the files and lines. `ignored`: codes that are no findings.

    `fix`: return the findings of the fixed texts. Otherwise a finding has a replacement if it would be fixed.
    """
    oldest = oldest or Releases()
    contents = {file: read_file(text, file) for file, text in texts.items()}
    documents = [document for found, _ in contents.values() for document in found]
    divisions = meshes(documents)
    found = [problem for _, problems in contents.values() for problem in problems]
    found += [one for mesh in divisions for one in findings(mesh, oldest)]
    remaining, not_shown = divided(found, {file: comments(text, file) for file, text in texts.items()}, ignored)
    mesh_of = {one.file: mesh for mesh in divisions for one in mesh}
    changed = dict(texts)
    applied: list[Finding] = []
    for file in dict.fromkeys(one.file for one in remaining if one.issue.replacement):
        defaults = [one for one in mesh_of[file] if one.kind == "proxy-defaults" and one.file != file]
        changed[file], removed = fixed(texts[file], _LintOfFile(file, defaults, oldest, ignored))
        applied += removed
    if fix:
        after = check_texts(changed, oldest, ignored)
        return Checked([_without_fix(one) for one in after.findings], after.ignored, applied, changed)
    fixable = {(one.file, key(one)) for one in applied}
    shown = [one if (one.file, key(one)) in fixable else _without_fix(one) for one in remaining]
    order = {file: number for number, file in enumerate(texts)}
    shown.sort(key=lambda one: (order[one.file], one.line or 0))
    return Checked(shown, not_shown, texts=changed)


def read_file(text: str, file: str) -> tuple[list[Document], list[Finding]]:
    """Return the documents of a file, or the finding of a file that cannot be read."""
    try:
        return read_documents(text, file), []
    except FileError as error:
        # A chart's template is not YAML before it is rendered.
        code = "CT330" if "{{" in text else "CT336"
        reason = "is not checked, because the file is a template" if code == "CT330" else error.reason
        return [], [Finding(Issue(code, (), reason), file, error.line, file)]


def _without_fix(finding: Finding) -> Finding:
    """Return a finding without its replacement, which is not applied."""
    return replace(finding, issue=replace(finding.issue, replacement=None)) if finding.issue.replacement else finding


@dataclass(frozen=True)
class _LintOfFile:
    """The findings of one file of a mesh, without relations."""

    file: str
    defaults: Sequence[Document]
    """The proxy-defaults entries in other files of the mesh."""
    oldest: Releases
    ignored: Collection[str]

    def __call__(self, text: str) -> list[Finding]:
        documents, problems = read_file(text, self.file)
        base = mesh_config([*self.defaults, *documents])
        found = [one for document in documents for one in document_findings(document, base, self.oldest)]
        return divided([*problems, *found], {self.file: comments(text, self.file)}, self.ignored)[0]
