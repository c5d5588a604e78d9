"""The command `consul-tracing verify`."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from consul_tracing.cli.command import FINDINGS, OutputFormat
from consul_tracing.errors import CommandError

from .contexts import MAX_REQUESTS, Propagation

WIDTH_WITHOUT_TERMINAL = 160

ADMIN = re.compile(r"(https?://)?[A-Za-z0-9._\[\]:-]+:\d{1,5}/?")


def verify_command(  # noqa: PLR0913, PLR0917 - options of a command
    url: Annotated[str, typer.Argument(metavar="URL", help="URL that enters the mesh.")],
    store: Annotated[
        str, typer.Option(metavar="KIND=URL", help="Trace store: zipkin=URL, jaeger=URL or tempo=URL.")
    ] = "",
    zipkin: Annotated[str, typer.Option(metavar="URL", help="Short for --store zipkin=URL.")] = "",
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
    requests: Annotated[int, typer.Option(min=1, max=MAX_REQUESTS, help="Number of requests.")] = 1,
    timeout: Annotated[float, typer.Option(min=0, help="Time for spans to arrive, in seconds.")] = 30.0,
    store_token_file: Annotated[
        str, typer.Option(metavar="FILE", help="Bearer token of the store. Default: CONSUL_TRACING_STORE_TOKEN.")
    ] = "",
    store_auth_file: Annotated[
        str, typer.Option(metavar="FILE", help="USER:PASSWORD of the store. Default: CONSUL_TRACING_STORE_AUTH.")
    ] = "",
    store_header: Annotated[
        list[str] | None,
        typer.Option(metavar="'NAME: VALUE'", help="Header for the store, such as X-Scope-OrgID. Repeatable."),
    ] = None,
    ca_file: Annotated[str, typer.Option(metavar="FILE", help="Certificates of the store's authorities, PEM.")] = "",
    output: Annotated[OutputFormat, typer.Option("--format", help="Output format.")] = OutputFormat.TEXT,
) -> None:
    """Send requests through the mesh, show their trace, and find the cause if it is incomplete.

    The exit code is 0 for complete traces, 1 for an incomplete one, and 2 if the command could not run. If
    CONSUL_HTTP_ADDR is set, the config entries in Consul are compared with the configuration of the proxies.
    """
    from rich.console import Console  # noqa: PLC0415 - not for --help

    from consul_tracing.sources.envoy import admin_client  # noqa: PLC0415 - not for --help

    from .report import as_json, print_text  # noqa: PLC0415 - not for --help
    from .requests import parsed_headers  # noqa: PLC0415 - not for --help
    from .store import StoreOptions, store_of  # noqa: PLC0415 - not for --help
    from .verification import Plan, verify  # noqa: PLC0415 - not for --help

    if not all(map(ADMIN.fullmatch, admin or [])):
        raise CommandError("--admin must have the form HOST:PORT, without credentials")
    plan = Plan(
        url=url,
        store=store_of(StoreOptions(store, zipkin, store_token_file, store_auth_file, store_header or [], ca_file)),
        proxies=[admin_client(one) for one in dict.fromkeys(admin or [])],
        expected=tuple(filter(None, map(str.strip, expect.split(",")))),
        propagation=propagation,
        headers=parsed_headers(header or []),
        requests=requests,
        timeout=timeout,
    )
    with Console(stderr=True).status("starting") as status:
        result = verify(plan, status.update)
    if output is OutputFormat.JSON:
        typer.echo(as_json(result))
    else:
        print_text(result, Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL))
    if not result.trace.is_complete:
        raise typer.Exit(FINDINGS)
