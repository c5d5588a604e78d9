"""The command `consul-tracing stale`."""

from typing import Annotated

import typer

from consul_tracing.cli.command import OutputFormat


def stale_command(
    *,
    admin: Annotated[list[str] | None, typer.Option(metavar="HOST:PORT", help="Admin interface of a proxy.")] = None,
    kubernetes: Annotated[bool, typer.Option("--kubernetes", help="Read the pods of a cluster.")] = False,
    namespace: Annotated[str | None, typer.Option(help="Namespace of the pods. Default: all.")] = None,
    form: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
) -> None:
    """List the proxies whose bootstrap is older than their configuration in Consul.

    The exit code is 1 if there are any, and 2 if a proxy cannot be read.
    """
    from rich.console import Console  # noqa: PLC0415 - not for --help

    from .listing import exit_code, find_stale, output  # noqa: PLC0415 - not for --help

    with Console(stderr=True).status("reading the proxies"):
        report = find_stale(admin or [], kubernetes=kubernetes, namespace=namespace)
    typer.echo(output(report, form))
    raise typer.Exit(exit_code(report))
