"""The command `consul-tracing lint`."""

from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS, FailOn, LintFormat
from consul_tracing.errors import CommandError
from consul_tracing.names import STANDARD_INPUT

Ignored = Annotated[list[str] | None, typer.Option("--ignore", help="Codes to ignore: CT317,CT340. Repeatable.")]


def lint_command(  # noqa: PLR0913 - options of a command
    *,
    files: Annotated[list[str] | None, typer.Argument(help="Files and directories. - reads the input.")] = None,
    consul: Annotated[bool, typer.Option("--consul", help="Check the entries of Consul.")] = False,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Check the custom resources of a cluster.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the custom resources. Default: all.")] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Glob of files and directories. Repeatable.")] = None,
    ignore: Ignored = None,
    fail_on: Annotated[FailOn, typer.Option(help="Exit code 1 for errors only, or for warnings too.")] = FailOn.WARNING,
    output: Annotated[LintFormat, typer.Option("--format", help="Output format.")] = LintFormat.TEXT,
    fix: Annotated[bool, typer.Option("--fix", help="Write unambiguous fixes to the files.")] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Print what --fix would change.")] = False,
    envoy: Annotated[str | None, typer.Option("--envoy-version", help="Oldest Envoy of the mesh.")] = None,
    consul_version: Annotated[str | None, typer.Option(help="Oldest Consul of the mesh.")] = None,
    with_envoy: Annotated[str | None, typer.Option(help="Envoy that validates the tracing keys too.")] = None,
) -> None:
    """Find mistakes in the tracing configuration of files or of a live mesh.

    The exit code is 1 for errors and warnings (--fail-on), and 2 if the command could not run or an argument has no
    entry.
    """
    from consul_tracing.cli.selection import selected  # noqa: PLC0415 - not for --help
    from consul_tracing.lint.releases import oldest_releases  # noqa: PLC0415 - not for --help
    from consul_tracing.severities import Severity  # noqa: PLC0415 - not for --help

    from .linting import codes_of, lint, show  # noqa: PLC0415 - not for --help

    if not (files or consul or kubernetes):
        raise CommandError("files, --consul or --kubernetes is required")
    if fix and STANDARD_INPUT in (files or []):
        raise CommandError("--fix requires files")
    if diff and (fix or output is not LintFormat.TEXT or not files):
        raise CommandError("--diff requires files, and conflicts with --fix and --format")
    releases, ignored = oldest_releases(envoy, consul_version), codes_of(ignore or [])
    arguments = selected(files or [], exclude or [])
    if not (arguments or consul or kubernetes):
        raise CommandError("nothing is checked, because --exclude matches every argument")
    checked = lint(
        arguments,
        releases,
        ignored,
        fix=fix,
        consul=consul,
        kubernetes=kubernetes,
        namespace=namespace,
        envoy=with_envoy,
    )
    show(checked, output, diff=diff)
    if empty := [path for path, found in arguments.items() if checked.without_entries(found)]:
        verb = "contains" if len(empty) == 1 else "contain"
        raise CommandError(f"{', '.join(empty)} {verb} no config entry and no configuration of a proxy")
    failing = {Severity.ERROR, Severity(fail_on)}
    if any(finding.severity in failing for finding in checked.findings):
        raise typer.Exit(FINDINGS)
