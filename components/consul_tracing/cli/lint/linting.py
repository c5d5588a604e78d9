"""Findings of files and of live meshes, and their fixes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from consul_tracing.cli.command import LintFormat
from consul_tracing.errors import CommandError, error_reason
from consul_tracing.lint.fixes import fixed
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import consul_client

from . import report
from .files import Checked, check, lint_texts, related, text_of
from .live import catalog_services, consul_documents, service_findings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.lint.findings import Finding
    from consul_tracing.lint.releases import Releases


def lint(  # noqa: PLR0913 - options of the command
    arguments: Mapping[str, list[str]],
    oldest: Releases | None,
    *,
    fix: bool,
    consul: bool,
    kubernetes: bool,
    namespace: str | None,
) -> Checked:
    """Return the findings of files, of Consul and of a cluster. Raises CommandError."""
    texts = {file: text_of(file) for files in arguments.values() for file in files}
    checked = check(fix_files(texts, oldest) if fix else texts, oldest)
    with Console(stderr=True).status("reading the mesh"):
        checked += lint_consul(oldest) if consul else Checked()
        if kubernetes:
            from .kubernetes import kubernetes_documents  # noqa: PLC0415 - imports Pulumi

            documents = kubernetes_documents(namespace)
            checked += Checked(findings(documents, oldest), live={"Kubernetes": len(documents)})
    return checked


def fix_files(texts: dict[str, str], oldest: Releases | None) -> dict[str, str]:
    """Write the files whose findings have unambiguous fixes, and return all texts. Raises CommandError."""
    changed = dict(texts)
    for file in texts:
        text = fixed(changed[file], partial(_lint_with, changed, file, oldest))
        if text != changed[file]:
            changed[file] = text
            try:
                Path(file).write_bytes(text.encode(errors="surrogateescape"))
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error_reason(error)}") from None
    return changed


def _lint_with(texts: dict[str, str], file: str, oldest: Releases | None, text: str) -> list[Finding]:
    return [one for one in lint_texts(related(file, {**texts, file: text}), oldest) if one.file == file]


def lint_consul(oldest: Releases | None) -> Checked:
    """Return the findings of a live Consul. Raises CommandError."""
    consul = consul_client()
    documents = consul_documents(consul)
    found = service_findings(documents, catalog_services(consul), consul.address)
    return Checked([*findings(documents, oldest), *found], live={"Consul": len(documents)})


def show(checked: Checked, output: LintFormat) -> None:
    """Print the findings and what was checked."""
    match output:
        case LintFormat.JSON:
            typer.echo(report.as_json(checked))
        case LintFormat.SARIF:
            typer.echo(report.as_sarif(checked.findings))
        case LintFormat.TEXT:
            console = Console(soft_wrap=True, highlight=False)
            for line in report.as_text(checked):
                console.print(line)
