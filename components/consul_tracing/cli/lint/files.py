"""The files that `lint` checks, and the findings in them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from consul_tracing.cli.command import STANDARD_INPUT, read_bytes, read_text
from consul_tracing.errors import CommandError, FileError
from consul_tracing.files.documents import is_about_consul, may_have_entries, read_file
from consul_tracing.files.finder import NOT_READ, Content, Place, lines_of_tracing_keys
from consul_tracing.lint.findings import Finding, Issue, Severity
from consul_tracing.lint.rules import GATEWAYS, findings, identity
from consul_tracing.lint.unread import content_findings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consul_tracing.files.document import Document
    from consul_tracing.lint.releases import Releases

SUFFIXES = frozenset({".hcl", ".json", ".nomad", ".tf", ".yaml", ".yml"})
"""Files that are read in a directory."""

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

    def __add__(self, other: Checked) -> Checked:
        """Return the findings of both, and what both have checked."""
        return Checked([*self.findings, *other.findings], {**self.files, **other.files}, {**self.live, **other.live})

    def without_entries(self, files: Sequence[str]) -> bool:
        """Return whether files have neither an entry nor a finding that explains why."""
        explained = {one.file for one in self.findings if one.severity is not Severity.INFO}
        return not any(self.files.get(file) or file in explained for file in files)


def selected(path: str) -> list[str]:
    """Return the files of an argument. Of a directory: the files in which entries are written."""
    directory = Path(path)
    if path == STANDARD_INPUT or not directory.is_dir():
        return [path]
    found = (one for one in directory.rglob("*") if one.suffix in SUFFIXES and one.is_file())
    return sorted(str(one) for one in found if not any(map(_is_skipped, one.relative_to(directory).parts[:-1])))


def _is_skipped(directory: str) -> bool:
    """Return whether a directory holds copies of other projects, or files of tools: `.terraform`, `node_modules`."""
    return directory.startswith(".") or directory == "node_modules"


def text_of(file: str) -> str:
    """Return the text of a file. Bytes that are not UTF-8 become INVALID_BYTE. Raises CommandError."""
    return read_text(file) if file == STANDARD_INPUT else read_bytes(file).decode(errors="surrogateescape")


def lint_texts(texts: Mapping[str, str], oldest: Releases | None) -> list[Finding]:
    """Return the findings of files that belong to one mesh."""
    return check(texts, oldest).findings


def check(texts: Mapping[str, str], oldest: Releases | None) -> Checked:
    """Return the findings of files that belong to one mesh, and the numbers of their entries."""
    order = {file: number for number, file in enumerate(texts)}
    documents: list[Document] = []
    found: list[Finding] = []
    entries: dict[str, int] = {}
    for file, text in texts.items():
        content = _content(text, file)
        if isinstance(content, FileError):
            found += [Finding(Issue("CT336", (), content.reason), file, content.line, file)]
            entries[file] = 0
        else:
            documents += content.documents
            found += content_findings(content, file)
            entries[file] = len(content.documents)
    found += findings(documents, oldest)
    return Checked(sorted(found, key=lambda one: (order[one.file], one.line or 0)), entries)


def related(file: str, texts: Mapping[str, str]) -> dict[str, str]:
    """Return the files on which the findings of a file depend: proxy-defaults, gateways and the same entries."""
    own = {identity(document) for document in _documents(texts[file], file)}
    return {
        one: text
        for one, text in texts.items()
        if one == file
        or any(
            document.kind in {"proxy-defaults", *GATEWAYS} or identity(document) in own
            for document in _documents(text, one)
        )
    }


def _documents(text: str, file: str) -> Sequence[Document]:
    content = _content(text, file)
    return () if isinstance(content, FileError) else content.documents


def _unread_text(text: str, file: str, error: FileError) -> Content | FileError:
    """Return the tracing keys in a file of another format, such as a script, or its syntax error."""
    lines = lines_of_tracing_keys(text)
    if file == STANDARD_INPUT or Path(file).suffix.lower() in SUFFIXES or not lines:
        return error
    return Content(unread=[Place(line, NOT_READ) for line in lines])


@lru_cache(maxsize=10_000)
def _content(text: str, file: str) -> Content | FileError:
    """Return the content of a file, or the reason why it cannot be read. A file that is not about Consul has none.

    It is read once although `--fix` checks all files after each fix.
    """
    if not may_have_entries(text):
        return Content()
    is_ours = is_about_consul(text)
    if is_ours and (invalid := INVALID_BYTE.search(text)):
        return FileError(file, text.count("\n", 0, invalid.start()) + 1, "the text must be UTF-8")
    try:
        return read_file(text, file)
    except FileError as error:
        return _unread_text(text, file, error) if is_ours else Content()
    except Exception as error:
        raise CommandError(f"{file} cannot be checked: {type(error).__name__}: {error}") from error
