"""The command `consul-tracing lint`."""

from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS, STANDARD_INPUT, LintFormat
from consul_tracing.errors import CommandError


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
    from consul_tracing.lint.findings import Severity  # noqa: PLC0415 - not for --help
    from consul_tracing.lint.releases import oldest_releases  # noqa: PLC0415 - not for --help

    from .linting import lint, show  # noqa: PLC0415 - not for --help

    if not (files or consul or kubernetes):
        raise CommandError("files, --consul or --kubernetes is required")
    if fix and STANDARD_INPUT in (files or []):
        raise CommandError("--fix requires files")
    releases = oldest_releases(envoy, consul_version)
    found = lint(files or [], releases, fix=fix, consul=consul, kubernetes=kubernetes, namespace=namespace)
    show(found, output)
    if any(finding.severity is not Severity.INFO for finding in found):
        raise typer.Exit(FINDINGS)
