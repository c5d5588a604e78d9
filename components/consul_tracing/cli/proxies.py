"""Options that select the proxies of a mesh."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from consul_tracing.errors import CommandError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.proxies import Selection

ADMIN = re.compile(r"(https?://)?[A-Za-z0-9._\[\]:-]+:\d{1,5}/?")

Admins = Annotated[
    list[str] | None, typer.Option("--admin", metavar="HOST:PORT", help="Admin interface of a proxy. Repeatable.")
]
Agent = Annotated[bool, typer.Option("--agent", help="Read the proxies of the local Consul agent.")]
Kubernetes = Annotated[bool, typer.Option("--kubernetes", help="Read the proxies in the pods of a cluster.")]
Namespace = Annotated[str | None, typer.Option("--namespace", help="Namespace of the pods. Default: all.")]
Selector = Annotated[str | None, typer.Option("--selector", metavar="LABEL=VALUE", help="Label selector of the pods.")]


def selection(
    admin: Sequence[str] | None, namespace: str | None, selector: str | None, *, agent: bool, kubernetes: bool
) -> Selection:
    """Return the proxies that the options select. Raises CommandError."""
    from consul_tracing.sources.proxies import Selection  # noqa: PLC0415 - not for --help

    if not all(map(ADMIN.fullmatch, admin or [])):
        raise CommandError("--admin must have the form HOST:PORT, without credentials")
    for option, value in (("--namespace", namespace), ("--selector", selector)):
        if value and not kubernetes:
            raise CommandError(f"{option} requires --kubernetes")
    return Selection(admin or (), agent, kubernetes, namespace, selector)
