"""The command `consul-tracing stale`."""

from typing import Annotated

import typer

from consul_tracing.cli.command import OutputFormat
from consul_tracing.cli.proxies import Admins, Agent, Kubernetes, Namespace, Selector, selection


def stale_command(  # noqa: PLR0913 - options of a command
    *,
    admin: Admins = None,
    agent: Agent = False,
    kubernetes: Kubernetes = False,
    namespace: Namespace = None,
    selector: Selector = None,
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", min=0, help="Wait until no proxy is stale, at most for this time.")
    ] = 0.0,
    form: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
) -> None:
    """List the proxies whose bootstrap is older than their configuration in Consul, and what restarts them.

    The exit code is 1 if there are any, and 2 if a proxy cannot be read.
    """
    from functools import partial  # noqa: PLC0415 - not for --help

    from rich.console import Console  # noqa: PLC0415 - not for --help

    from .listing import exit_code, find_stale, output, wait_until_current  # noqa: PLC0415 - not for --help

    console = Console(stderr=True, soft_wrap=True, highlight=False, markup=False)
    read = partial(find_stale, selection(admin, namespace, selector, agent=agent, kubernetes=kubernetes))
    with console.status("reading the proxies"):
        report = wait_until_current(read, wait, console.print)
    typer.echo(output(report, form))
    raise typer.Exit(exit_code(report))
