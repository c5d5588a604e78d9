"""Findings of files and of live meshes, and their fixes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

from consul_tracing.cli.command import LintFormat
from consul_tracing.cli.selection import read_files
from consul_tracing.codes import CODES
from consul_tracing.errors import CommandError, error_reason, with_suggestion
from consul_tracing.lint.checks import Checked, check_texts, without_fix
from consul_tracing.lint.ignores import divided
from consul_tracing.lint.rules import findings
from consul_tracing.sources.consul import consul_client

from . import report
from .envoy import executable, validated
from .live import catalog_services, consul_documents, dropped_findings, service_findings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consul_tracing.lint.checks import Judge
    from consul_tracing.lint.releases import Releases


def lint(  # noqa: PLR0913 - options of the command
    arguments: Mapping[str, Sequence[str]],
    oldest: Releases | None,
    ignored: Collection[str],
    *,
    fix: bool,
    consul: bool,
    kubernetes: bool,
    namespace: str | None,
    envoy: str | None,
) -> Checked:
    """Return the findings of files, of Consul and of a cluster. Raises CommandError."""
    texts, unread = read_files(arguments)
    judge = partial(validated, envoy=executable(envoy)) if envoy else None
    checked = check_texts(texts, oldest, ignored, fix=fix, judge=judge)
    if fix:
        write_files(checked)
    with Console(stderr=True).status("reading the mesh"):
        live = [lint_consul(oldest, judge)] if consul else []
        if kubernetes:
            from .kubernetes import kubernetes_documents  # noqa: PLC0415 - imports Pulumi

            documents = kubernetes_documents(namespace)
            found = [*findings(documents, oldest), *(judge(documents) if judge else ())]
            live.append(Checked(found, live={"Kubernetes": len(documents)}))
    found_live = [without_fix(one) for part in live for one in part.findings]
    remaining, not_shown = divided([*unread, *found_live], {}, ignored)
    return replace(
        checked,
        findings=[*checked.findings, *remaining],
        ignored=[*checked.ignored, *not_shown],
        live={backend: number for part in live for backend, number in part.live.items()},
    )


def codes_of(options: Sequence[str]) -> frozenset[str]:
    """Return the codes of `--ignore`. Raises CommandError for a code that `lint` does not have."""
    codes = [code.strip().upper() for option in options for code in option.split(",")]
    known = [code for code in CODES if code.startswith("CT3")]
    if unknown := [code for code in codes if code not in known]:
        reason = with_suggestion(f'--ignore must be codes of lint, got "{unknown[0]}"', unknown[0], known)
        raise CommandError(reason)
    return frozenset(codes)


def write_files(checked: Checked) -> None:
    """Write the texts that have changed. Raises CommandError."""
    for file, (_, text) in checked.changes.items():
        try:
            Path(file).write_bytes(text.encode(errors="surrogateescape"))
        except OSError as error:
            raise CommandError(f"{file} cannot be written: {error_reason(error)}") from None


def lint_consul(oldest: Releases | None, judge: Judge | None = None) -> Checked:
    """Return the findings of a live Consul. Raises CommandError."""
    consul = consul_client()
    documents = consul_documents(consul)
    found = [*findings(documents, oldest), *(judge(documents) if judge else ())]
    found += dropped_findings(documents)
    found += service_findings(documents, catalog_services(consul), consul.address)
    return Checked(found, live={"Consul": len(documents)})


def show(checked: Checked, output: LintFormat, *, diff: bool) -> None:
    """Print the findings and what was checked, or the changes of the fixes."""
    match output:
        case _ if diff:
            typer.echo("".join(report.as_diff(checked.changes)), nl=False)
            typer.echo(report.summary(checked), err=True)
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
