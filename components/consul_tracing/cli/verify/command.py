"""The command `consul-tracing verify`."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS, OutputFormat
from consul_tracing.cli.proxies import Admins, Agent, Kubernetes, Namespace, Selector, selection
from consul_tracing.errors import CommandError

from .contexts import MAX_REQUESTS, Propagation
from .options import (
    TIMEOUT,
    CaFile,
    ContextHeaders,
    Expect,
    Headers,
    Store,
    StoreAuthFile,
    StoreHeaders,
    StoreTokenFile,
    Timeout,
    Zipkin,
    plan_of,
)

WIDTH_WITHOUT_TERMINAL = 160

MAX_INTERVAL = 86_400
"""Seconds of a day."""


def verify_command(  # noqa: PLR0913, PLR0917 - options of a command
    url: Annotated[str, typer.Argument(metavar="URL", help="URL that enters the mesh.")],
    store: Store = "",
    zipkin: Zipkin = "",
    expect: Expect = "",
    admin: Admins = None,
    agent: Agent = False,  # noqa: FBT002 - an option
    kubernetes: Kubernetes = False,  # noqa: FBT002 - an option
    namespace: Namespace = None,
    selector: Selector = None,
    propagation: ContextHeaders = Propagation.AUTO,
    header: Headers = None,
    requests: Annotated[
        int, typer.Option(min=1, max=MAX_REQUESTS, help=f"Number of requests, at most {MAX_REQUESTS}.")
    ] = 1,
    timeout: Timeout = TIMEOUT,
    store_token_file: StoreTokenFile = "",
    store_auth_file: StoreAuthFile = "",
    store_header: StoreHeaders = None,
    ca_file: CaFile = "",
    output: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
    interval: Annotated[
        int | None,
        typer.Option(min=1, max=MAX_INTERVAL, metavar="SECONDS", help="Verify at this interval until SIGTERM."),
    ] = None,
    metrics: Annotated[
        str | None, typer.Option(metavar="[HOST:]PORT", help="Serve metrics for Prometheus (with --interval).")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the result as JUnit XML.")] = None,
) -> None:
    """Send requests through the mesh, show their trace, and find the cause if it is incomplete.

    The exit code is 0 for complete traces, 1 for an incomplete one, and 2 if the command could not run. With
    --interval it is 0 after SIGTERM and SIGINT. If CONSUL_HTTP_ADDR is set, the config entries in Consul are compared
    with the configuration of the proxies.
    """
    from rich.console import Console  # noqa: PLC0415 - not for --help

    from consul_tracing.sources.http import parsed_url, shown_url  # noqa: PLC0415 - not for --help

    from .junit import junit_report, write_report  # noqa: PLC0415 - not for --help
    from .metrics import listen_address  # noqa: PLC0415 - not for --help
    from .report import as_json, print_text  # noqa: PLC0415 - not for --help
    from .store import StoreOptions  # noqa: PLC0415 - not for --help
    from .verification import verify  # noqa: PLC0415 - not for --help
    from .watch import Watch  # noqa: PLC0415 - not for --help

    if metrics is not None and interval is None:
        raise CommandError("--metrics requires --interval")
    address = None if metrics is None else listen_address(metrics)
    shown = shown_url(parsed_url(url))
    selected = selection(admin, namespace, selector, agent=agent, kubernetes=kubernetes)
    stored = StoreOptions(store, zipkin, store_token_file, store_auth_file, store_header or [], ca_file)
    plan = partial(
        plan_of,
        url,
        stored,
        selected,
        expect=expect,
        propagation=propagation,
        headers=header or [],
        requests=requests,
        timeout=timeout,
    )
    if interval is not None:
        Watch(shown, plan, interval, output, address, junit).run()
        return
    with Console(stderr=True).status("starting") as status:
        result = verify(plan(), status.update)
    if output is OutputFormat.JSON:
        typer.echo(as_json(result))
    else:
        print_text(result, Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL))
    if junit is not None:
        write_report(junit, junit_report(result))
    if not result.trace.is_complete:
        raise typer.Exit(FINDINGS)
