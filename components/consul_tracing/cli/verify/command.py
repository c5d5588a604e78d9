"""The command `consul-tracing verify`."""

from __future__ import annotations

import re
import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS, OutputFormat
from consul_tracing.errors import CommandError

from .contexts import Propagation

WIDTH_WITHOUT_TERMINAL = 160

MAX_INTERVAL = 86_400
"""Seconds of a day."""

ADMIN = re.compile(r"(https?://)?[A-Za-z0-9._\[\]:-]+:\d{1,5}/?")


def verify_command(  # noqa: PLR0913, PLR0917 - options of a command
    url: Annotated[str, typer.Argument(metavar="URL", help="URL that enters the mesh.")],
    zipkin: Annotated[str, typer.Option(metavar="URL", help="Trace store with Zipkin's API.")],
    expect: Annotated[str, typer.Option(metavar="A,B,…", help="Services of the request, first its caller.")] = "",
    admin: Annotated[
        list[str] | None, typer.Option(metavar="HOST:PORT", help="Admin interface of a proxy. Repeatable.")
    ] = None,
    propagation: Annotated[
        Propagation, typer.Option(help="Headers of the trace context. OpenTelemetry reads w3c.")
    ] = Propagation.B3,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Additional header. Repeatable.")
    ] = None,
    requests: Annotated[int, typer.Option(min=1, max=100, help="Number of requests.")] = 1,
    timeout: Annotated[float, typer.Option(min=0, help="Time for spans to arrive, in seconds.")] = 30.0,
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

    from consul_tracing.sources.envoy import admin_client  # noqa: PLC0415 - not for --help
    from consul_tracing.sources.http import parsed_url, shown_url  # noqa: PLC0415 - not for --help
    from consul_tracing.sources.stores.zipkin import Zipkin  # noqa: PLC0415 - not for --help

    from .junit import junit_report, write_report  # noqa: PLC0415 - not for --help
    from .metrics_server import listen_address  # noqa: PLC0415 - not for --help
    from .report import as_json, print_text  # noqa: PLC0415 - not for --help
    from .requests import parsed_headers  # noqa: PLC0415 - not for --help
    from .verification import Plan, verify  # noqa: PLC0415 - not for --help
    from .watch import Watch  # noqa: PLC0415 - not for --help

    if metrics is not None and interval is None:
        raise CommandError("--metrics requires --interval")
    address = None if metrics is None else listen_address(metrics)
    shown = shown_url(parsed_url(url))

    def plan() -> Plan:
        if not all(map(ADMIN.fullmatch, admin or [])):
            raise CommandError("--admin must have the form HOST:PORT, without credentials")
        return Plan(
            url=url,
            store=Zipkin(zipkin),
            proxies=[admin_client(one) for one in dict.fromkeys(admin or [])],
            expected=tuple(filter(None, map(str.strip, expect.split(",")))),
            propagation=propagation,
            headers=parsed_headers(header or []),
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
