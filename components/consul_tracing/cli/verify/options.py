"""Options of the request that is verified and of the trace store."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Annotated

import typer

from consul_tracing.errors import CommandError

from .contexts import Propagation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.proxies import Selection

    from .store import StoreOptions
    from .verification import Plan

TIMEOUT = 30.0

SERVICE = re.compile(r"[\w.-]+")

Store = Annotated[
    str, typer.Option("--store", metavar="KIND=URL", help="Trace store: zipkin=URL, jaeger=URL or tempo=URL.")
]
Zipkin = Annotated[str, typer.Option("--zipkin", metavar="URL", help="Short for --store zipkin=URL.")]
StoreTokenFile = Annotated[
    str,
    typer.Option(
        "--store-token-file", metavar="FILE", help="Bearer token of the store. Default: CONSUL_TRACING_STORE_TOKEN."
    ),
]
StoreAuthFile = Annotated[
    str,
    typer.Option(
        "--store-auth-file", metavar="FILE", help="USER:PASSWORD of the store. Default: CONSUL_TRACING_STORE_AUTH."
    ),
]
StoreHeaders = Annotated[
    list[str] | None,
    typer.Option(
        "--store-header", metavar="'NAME: VALUE'", help="Header for the store, such as X-Scope-OrgID. Repeatable."
    ),
]
CaFile = Annotated[str, typer.Option("--ca-file", metavar="FILE", help="Certificates of the store's authorities, PEM.")]
Expect = Annotated[str, typer.Option("--expect", metavar="A,B,…", help="Services of the request, first its caller.")]
ContextHeaders = Annotated[Propagation, typer.Option("--propagation", help="Headers of the trace context.")]
Headers = Annotated[
    list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="Additional header. Repeatable.")
]
Timeout = Annotated[float, typer.Option("--timeout", min=0, help="Time for spans to arrive, in seconds.")]


def plan_of(  # noqa: PLR0913 - the options
    url: str,
    store: StoreOptions,
    proxies: Selection,
    *,
    expect: str = "",
    propagation: Propagation = Propagation.AUTO,
    headers: Sequence[str] = (),
    requests: int = 1,
    timeout: float = TIMEOUT,
) -> Plan:
    """Return the plan of a run with the current proxies. Raises CommandError."""
    from consul_tracing.sources.consul import DEFAULT_ADDRESS  # noqa: PLC0415 - not for --help
    from consul_tracing.sources.proxies import find_targets  # noqa: PLC0415 - not for --help

    from .requests import parsed_headers  # noqa: PLC0415 - not for --help
    from .store import store_of  # noqa: PLC0415 - not for --help
    from .verification import Plan  # noqa: PLC0415 - not for --help

    trace_store, expected = store_of(store), tuple(map(str.strip, expect.strip(", ").split(","))) if expect else ()
    if not all(map(SERVICE.fullmatch, expected)):
        raise CommandError("--expect must have the form A,B,…: names of services, separated by commas")
    targets = find_targets(proxies, expected)
    return Plan(
        url=url,
        store=trace_store,
        proxies=targets.admins,
        expected=expected,
        propagation=propagation,
        headers=parsed_headers(headers),
        requests=requests,
        timeout=timeout,
        # --agent reads the default address too.
        environment={**({"CONSUL_HTTP_ADDR": DEFAULT_ADDRESS} if proxies.agent else {}), **os.environ},
        notes=targets.facts,
    )
