"""The command `consul-tracing lint`."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from consul_tracing.backends.kubernetes.access import ACCESS, Cluster, client_for
from consul_tracing.cli.command import FINDINGS, STANDARD_INPUT, read_text
from consul_tracing.errors import CommandError, ConflictError, FileError, UnreadableError, error_reason
from consul_tracing.files.documents import Document, read_documents
from consul_tracing.lint.findings import Finding, Issue, Severity
from consul_tracing.lint.fixes import fixed
from consul_tracing.lint.releases import oldest_releases
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import consul_client

from . import report
from .live import catalog_services, consul_documents, kubernetes_documents, service_findings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.lint.releases import Releases


class LintFormat(StrEnum):
    """Output format of the findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


SUFFIXES = frozenset({".hcl", ".json", ".nomad", ".tf", ".yaml", ".yml"})
"""Files that are read in a directory."""


def lint_command(  # noqa: PLR0913 - options of a command
    *,
    files: Annotated[list[str] | None, typer.Argument(help="Files and directories. - reads the input.")] = None,
    consul: Annotated[bool, typer.Option("--consul", help="Check the entries of Consul.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Check the custom resources of a cluster.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the custom resources. Default: all.")] = None,
    output: Annotated[LintFormat, typer.Option("--format", help="Output format.")] = LintFormat.TEXT,
    fix: Annotated[bool, typer.Option("--fix", help="Write unambiguous fixes to the files.")] = False,
    envoy: Annotated[str | None, typer.Option("--envoy-version", help="Oldest Envoy of the mesh.")] = None,
    consul_version: Annotated[str | None, typer.Option(help="Oldest Consul of the mesh.")] = None,
) -> None:
    """Find mistakes in the tracing configuration of files or of a live mesh.

    The exit code is 1 for errors and warnings, and 2 if the command could not run.
    """
    oldest = oldest_releases(envoy, consul_version)
    if not (files or consul or kubernetes):
        raise CommandError("files, --consul or --kubernetes is required")
    if fix and STANDARD_INPUT in (files or []):
        raise CommandError("--fix requires files")
    texts = {file: read_text(file) for file in selected(files or [])}
    found = lint_texts(fix_files(texts, oldest) if fix else texts, oldest)
    with Console(stderr=True).status("reading the mesh"):
        found += lint_consul(oldest) if consul else []
        found += lint_kubernetes(namespace, oldest) if kubernetes else []
    show(found, output)
    if any(finding.severity is not Severity.INFO for finding in found):
        raise typer.Exit(FINDINGS)


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


def lint_kubernetes(namespace: str | None, oldest: Releases | None) -> list[Finding]:
    """Return the findings of the custom resources in a namespace, or in all. Raises CommandError."""
    try:
        documents = kubernetes_documents(Cluster(client_for(dict.fromkeys(ACCESS))), namespace)
    except (UnreadableError, ConflictError) as error:
        raise CommandError(f"Kubernetes cannot be read: {error}") from None
    return findings(documents, oldest)


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
