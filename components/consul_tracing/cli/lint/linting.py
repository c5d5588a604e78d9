"""Findings of files and of live meshes, and their fixes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from consul_tracing.cli.command import STANDARD_INPUT, LintFormat, read_text
from consul_tracing.errors import CommandError, FileError, error_reason
from consul_tracing.files.documents import Document, read_documents
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.lint.fixes import fixed
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import consul_client

from . import report
from .live import catalog_services, consul_documents, service_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.lint.releases import Releases


SUFFIXES = frozenset({".hcl", ".json", ".nomad", ".tf", ".yaml", ".yml"})
"""Files that are read in a directory."""


def lint(  # noqa: PLR0913 - options of the command
    files: Sequence[str], oldest: Releases | None, *, fix: bool, consul: bool, kubernetes: bool, namespace: str | None
) -> list[Finding]:
    """Return the findings of files, of Consul and of a cluster. Raises CommandError."""
    texts = {file: read_text(file) for file in selected(files)}
    found = lint_texts(fix_files(texts, oldest) if fix else texts, oldest)
    with Console(stderr=True).status("reading the mesh"):
        found += lint_consul(oldest) if consul else []
        if kubernetes:
            from .kubernetes import kubernetes_documents  # noqa: PLC0415 - imports Pulumi

            found += findings(kubernetes_documents(namespace), oldest)
    return found


def selected(paths: Sequence[str]) -> Iterator[str]:
    """Yield the files of the arguments. Of a directory: the files in which entries are written. Raises CommandError."""
    for path in paths:
        directory = Path(path)
        if path != STANDARD_INPUT and directory.is_dir():
            yield from sorted(str(one) for one in directory.rglob("*") if one.suffix in SUFFIXES and one.is_file())
        else:
            yield path


def lint_texts(texts: dict[str, str], oldest: Releases | None) -> list[Finding]:
    """Return the findings of files that belong to one mesh."""
    order = {file: number for number, file in enumerate(texts)}
    documents: list[Document] = []
    unreadable: list[Finding] = []
    for file, text in texts.items():
        try:
            documents += read_documents(text, file)
        except FileError as error:
            # A chart's template is not YAML before it is rendered.
            code = "CT330" if "{{" in text else "CT336"
            reason = "is not checked, because the file is a template" if code == "CT330" else error.reason
            unreadable.append(Finding(Issue(code, (), reason), file, error.line, file))
    return sorted([*unreadable, *findings(documents, oldest)], key=lambda one: (order[one.file], one.line or 0))


def fix_files(texts: dict[str, str], oldest: Releases | None) -> dict[str, str]:
    """Write the files whose findings have unambiguous fixes, and return all texts. Raises CommandError."""
    changed = dict(texts)
    for file in texts:
        text = fixed(changed[file], partial(_lint_with, changed, file, oldest))
        if text != changed[file]:
            changed[file] = text
            try:
                Path(file).write_bytes(text.encode())
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error_reason(error)}") from None
    return changed


def _lint_with(texts: dict[str, str], file: str, oldest: Releases | None, text: str) -> list[Finding]:
    return [one for one in lint_texts({**texts, file: text}, oldest) if one.file == file]


def lint_consul(oldest: Releases | None) -> list[Finding]:
    """Return the findings of a live Consul. Raises CommandError."""
    consul = consul_client()
    documents = consul_documents(consul)
    return [*findings(documents, oldest), *service_findings(documents, catalog_services(consul), consul.address)]


def show(found: Sequence[Finding], output: LintFormat) -> None:
    """Print the findings."""
    match output:
        case LintFormat.JSON:
            typer.echo(report.as_json(found))
        case LintFormat.SARIF:
            typer.echo(report.as_sarif(found))
        case LintFormat.TEXT:
            console = Console(soft_wrap=True, highlight=False)
            for line in report.as_text(found):
                console.print(line)
