"""The command `consul-tracing lint`."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from consul_tracing.backends.kubernetes.access import ACCESS, Cluster, client_for
from consul_tracing.cli.command import FINDINGS, STANDARD_INPUT
from consul_tracing.codes import CODES
from consul_tracing.errors import CommandError, ConflictError, UnreadableError, error_reason, with_suggestion
from consul_tracing.lint.checks import Checked, check_texts
from consul_tracing.lint.findings import Severity
from consul_tracing.lint.ignores import divided
from consul_tracing.lint.releases import oldest_releases
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import ConsulClient

from . import report
from .live import catalog_services, consul_documents, kubernetes_documents, service_findings
from .selection import read_files, selected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consul_tracing.lint.releases import Releases


class LintFormat(StrEnum):
    """Output format of the findings."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class FailOn(StrEnum):
    """The least severity of a finding at which the exit code is 1."""

    ERROR = "error"
    WARNING = "warning"


def lint_command(  # noqa: PLR0913 - options of a command
    *,
    files: Annotated[list[str] | None, typer.Argument(help="Files and directories. - reads the input.")] = None,
    consul: Annotated[bool, typer.Option("--consul", help="Check the entries of Consul.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Check the custom resources of a cluster.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the custom resources. Default: all.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Glob of files and directories. Repeatable.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Codes that are no findings: CT317,CT340.")] = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit code 1 for errors only, or for warnings too.")] = FailOn.WARNING,
    output: Annotated[LintFormat, typer.Option("--format", help="Output format.")] = LintFormat.TEXT,
    fix: Annotated[bool, typer.Option("--fix", help="Write unambiguous fixes to the files.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what --fix would change.")] = False,
    envoy: Annotated[str | None, typer.Option("--envoy-version", help="Oldest Envoy of the mesh.")] = None,
    consul_version: Annotated[str | None, typer.Option(help="Oldest Consul of the mesh.")] = None,
) -> None:
    """Find mistakes in the tracing configuration of files or of a live mesh.

    The exit code is 1 for errors and warnings (--fail-on), and 2 if the command could not run or an argument has no
    entry.
    """
    oldest = oldest_releases(envoy, consul_version)
    ignored = codes_of(ignore or [])
    if not (files or consul or kubernetes):
        raise CommandError("files, --consul or --kubernetes is required")
    if fix and STANDARD_INPUT in (files or []):
        raise CommandError("--fix requires files")
    if diff and (fix or output is not LintFormat.TEXT or not files):
        raise CommandError("--diff requires files, and conflicts with --fix and --format")
    arguments = selected(files or [], exclude or [])
    texts, unread = read_files(arguments)
    checked = check_texts(texts, oldest, ignored, fix=fix)
    if fix:
        write_files(texts, checked.texts)
    with Console(stderr=True).status("reading the mesh"):
        live = [lint_consul(oldest)] if consul else []
        live += [lint_kubernetes(namespace, oldest)] if kubernetes else []
    remaining, not_shown = divided([*unread, *(one for part in live for one in part.findings)], {}, ignored)
    checked = replace(
        checked,
        findings=[*checked.findings, *remaining],
        ignored=[*checked.ignored, *not_shown],
        live={backend: number for part in live for backend, number in part.live.items()},
    )
    if diff:
        typer.echo("".join(report.as_diff(texts, checked.texts)), nl=False)
    else:
        show(checked, output)
    if empty := [path for path, found in arguments.items() if checked.without_entries(found)]:
        verb = "contains" if len(empty) == 1 else "contain"
        raise CommandError(f"{', '.join(empty)} {verb} no config entry and no configuration of a proxy")
    failing = {Severity.ERROR, Severity(fail_on)}
    if any(finding.severity in failing for finding in checked.findings):
        raise typer.Exit(FINDINGS)


def codes_of(options: Sequence[str]) -> frozenset[str]:
    """Return the codes of `--ignore`. Raises CommandError for a code that `lint` does not have."""
    codes = [code.strip().upper() for option in options for code in option.split(",")]
    known = [code for code in CODES if code.startswith("CT3")]
    if unknown := [code for code in codes if code not in known]:
        reason = with_suggestion(f'--ignore must be codes of lint, got "{unknown[0]}"', unknown[0], known)
        raise CommandError(reason)
    return frozenset(codes)


def write_files(texts: Mapping[str, str], changed: Mapping[str, str]) -> None:
    """Write the texts that have changed. Raises CommandError."""
    for file, text in changed.items():
        if text != texts[file]:
            try:
                Path(file).write_bytes(text.encode(errors="surrogateescape"))
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error_reason(error)}") from None


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
        case LintFormat.GITHUB:
            typer.echo("\n".join(report.as_github(checked)))
        case LintFormat.TEXT:
            console = Console(soft_wrap=True, highlight=False)
            for line in report.as_text(checked):
                console.print(line)
