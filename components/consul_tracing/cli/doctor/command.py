"""The command `consul-tracing doctor`."""

from functools import partial
from typing import Annotated

import typer

from consul_tracing.cli.command import PageFormat
from consul_tracing.cli.lint.command import Ignored
from consul_tracing.cli.proxies import Admins, Agent, Kubernetes, Namespace, Selector, selection
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.options import (
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
from consul_tracing.errors import CommandError


def doctor_command(  # noqa: PLR0913, PLR0917 - options of a command
    url: Annotated[str, typer.Argument(metavar="[URL]", help="URL that enters the mesh, for verify.")] = "",
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
    timeout: Timeout = TIMEOUT,
    store_token_file: StoreTokenFile = "",
    store_auth_file: StoreAuthFile = "",
    store_header: StoreHeaders = None,
    ca_file: CaFile = "",
    ignore: Ignored = None,
    output: Annotated[PageFormat, typer.Option("--format", help="Output format.")] = PageFormat.TEXT,
) -> None:
    """Report the versions, the findings of lint, and the results of stale and verify, in one page without secrets.

    The exit code is the worst one of the sections: 0 without findings, 1 with findings, and 2 if one could not run.
    """
    import time  # noqa: PLC0415 - not for --help

    from rich.console import Console  # noqa: PLC0415 - not for --help

    from consul_tracing.cli.lint.linting import codes_of  # noqa: PLC0415 - not for --help
    from consul_tracing.cli.verify.report import timestamp  # noqa: PLC0415 - not for --help
    from consul_tracing.cli.verify.requests import parsed_headers  # noqa: PLC0415 - not for --help
    from consul_tracing.cli.verify.store import StoreOptions, client_of  # noqa: PLC0415 - not for --help

    from .examination import Examination, secrets_of  # noqa: PLC0415 - not for --help
    from .page import Page, rendered  # noqa: PLC0415 - not for --help

    if bool(url) != bool(store or zipkin):
        raise CommandError("URL requires --store" if url else "--store requires URL")
    selected = selection(admin, namespace, selector, agent=agent, kubernetes=kubernetes)
    stored = StoreOptions(store, zipkin, store_token_file, store_auth_file, store_header or [], ca_file)
    plan = partial(plan_of, url, stored, expect=expect, propagation=propagation, headers=header or [], timeout=timeout)
    examination = Examination(
        selected, client_of(stored)[1] if url else None, plan if url else None, codes_of(ignore or [])
    )
    secrets = secrets_of(url, parsed_headers(header or []), examination.store)
    with Console(stderr=True).status("reading the mesh"):
        page = Page(timestamp(time.time()), examination.sections())
    typer.echo(rendered(page, output, secrets))
    raise typer.Exit(page.exit_code)
