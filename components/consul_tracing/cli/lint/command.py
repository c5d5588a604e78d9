"""The command `consul-tracing lint`."""

from __future__ import annotations

from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from consul_tracing.backends.kubernetes.access import ACCESS, Cluster, client_for
from consul_tracing.cli.command import FINDINGS, STANDARD_INPUT
from consul_tracing.errors import CommandError, ConflictError, UnreadableError, error_reason
from consul_tracing.lint.findings import Finding, Severity
from consul_tracing.lint.fixes import fixed
from consul_tracing.lint.releases import oldest_releases
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import ConsulClient

from . import report
from .files import Checked, check, lint_texts, selected, text_of
from .live import catalog_services, consul_documents, kubernetes_documents, service_findings

if TYPE_CHECKING:
    from consul_tracing.lint.releases import Releases


class LintFormat(StrEnum):
    """Output format of the findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


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

    The exit code is 1 for errors and warnings, and 2 if the command could not run or an argument has no entry.
    """
    oldest = oldest_releases(envoy, consul_version)
    if not (files or consul or kubernetes):
        raise CommandError("files, --consul or --kubernetes is required")
    if fix and STANDARD_INPUT in (files or []):
        raise CommandError("--fix requires files")
    arguments = {path: selected(path) for path in files or []}
    texts = {file: text_of(file) for found in arguments.values() for file in found}
    checked = check(fix_files(texts, oldest) if fix else texts, oldest)
    with Console(stderr=True).status("reading the mesh"):
        checked += lint_consul(oldest) if consul else Checked()
        checked += lint_kubernetes(namespace, oldest) if kubernetes else Checked()
    show(checked, output)
    if empty := [path for path, found in arguments.items() if checked.without_entries(found)]:
        verb = "contains" if len(empty) == 1 else "contain"
        raise CommandError(f"{', '.join(empty)} {verb} no config entry and no configuration of a proxy")
    if any(finding.severity is not Severity.INFO for finding in checked.findings):
        raise typer.Exit(FINDINGS)


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
    return [one for one in lint_texts({**texts, file: text}, oldest) if one.file == file]


def lint_consul(oldest: Releases | None) -> Checked:
    """Return the findings of a live Consul. Raises CommandError."""
    with ConsulClient() as client:
        documents = consul_documents(client)
        found = service_findings(documents, catalog_services(client), client.address)
        return Checked([*findings(documents, oldest), *found], live={"Consul": len(documents)})


def lint_kubernetes(namespace: str | None, oldest: Releases | None) -> Checked:
    """Return the findings of the custom resources in a namespace, or in all. Raises CommandError."""
    try:
        documents = kubernetes_documents(Cluster(client_for(dict.fromkeys(ACCESS))), namespace)
    except (UnreadableError, ConflictError) as error:
        raise CommandError(f"Kubernetes cannot be read: {error}") from None
    return Checked(findings(documents, oldest), live={"Kubernetes": len(documents)})


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
