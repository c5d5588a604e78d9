"""Proxies that must restart, as text or JSON, and the exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from consul_tracing.cli.command import FINDINGS, OutputFormat
from consul_tracing.entries.propagation import TRACERS
from consul_tracing.errors import CommandError
from consul_tracing.sources.consul import consul_client
from consul_tracing.sources.envoy import admin_client

from .proxies import report_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .proxies import Report

HEAD = ("PROXY", "SERVICE", "SINCE", "DIFFERENCES")


def find_stale(addresses: Sequence[str], *, kubernetes: bool, namespace: str | None) -> Report:
    """Read the proxies. Raises CommandError."""
    if bool(addresses) == kubernetes:
        raise CommandError("exactly one of --admin and --kubernetes is required")
    if namespace and not kubernetes:
        raise CommandError("--namespace requires --kubernetes")
    consul = consul_client()
    if not kubernetes:
        return report_of([*map(admin_client, addresses)], consul)
    from .pods import report_of_pods  # noqa: PLC0415 - imports Pulumi

    return report_of_pods(namespace, consul)


def output(report: Report, form: OutputFormat) -> str:
    """Return the report as text or JSON."""
    return json.dumps(report.as_json(), indent=2) if form is OutputFormat.JSON else "\n".join(lines(report))


def exit_code(report: Report) -> int:
    """Return the exit code. Raises CommandError if no proxy is stale, but not all of them could be read."""
    if any(proxy.is_stale for proxy in report.proxies):
        return FINDINGS
    if report.unreadable:
        total = len(report.proxies) + len(report.unreadable)
        raise CommandError(
            f"{len(report.unreadable)} of {total} proxies cannot be read: {', '.join(report.unreadable)}"
        )
    return 0


def lines(report: Report) -> Iterator[str]:
    """Yield a table with one line per difference, and the proxies that cannot be read."""
    rows = [HEAD]
    for one in report.proxies:
        first, *others = one.differences or ["none"]
        rows += [(one.proxy, one.service, one.since, first), *(("", "", "", other) for other in others)]
    if report.proxies:
        yield from aligned(rows)
    for name, reason in report.unreadable.items():
        yield f"{name} cannot be read: {reason}"
    if common := report.common_propagation:
        safe = ", ".join(one.tracer for one in TRACERS if one != common and one.is_compatible(common))
        yield f"All proxies have the tracer {common.tracer}. A change to one of these keeps traces complete: {safe}"


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of a table with aligned columns."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
