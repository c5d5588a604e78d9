"""Proxies that must restart, as text or JSON, and the exit code."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from consul_tracing.cli.command import FINDINGS, OutputFormat
from consul_tracing.codes import pages_of
from consul_tracing.entries.propagation import TRACERS
from consul_tracing.errors import CommandError, shortened
from consul_tracing.sources.consul import consul_client
from consul_tracing.sources.proxies import find_targets

from .proxies import is_stopping
from .report import report_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from consul_tracing.sources.proxies import Selection

    from .report import Report

SECONDS_BETWEEN_READS = 2.0

MAX_NAMES = 5
"""Proxies that a line of progress names."""

HEAD = ("PROXY", "SERVICE", "ADDRESS", "SINCE", "DIFFERENCES")

STOPPING_HEAD = (
    "Correct this in Consul before a restart, or proxies may not start, or may reject requests (consul-tracing lint "
    "--consul):"
)
USELESS_HEAD = "Correct this in Consul, or a restart may not have the intended effect (consul-tracing lint --consul):"


def find_stale(selection: Selection) -> Report:
    """Read the proxies. Raises CommandError."""
    if not selection:
        raise CommandError("--admin, --agent or --kubernetes is required")
    return report_of(find_targets(selection), consul_client())


def wait_until_current(read: Callable[[], Report], seconds: float, progress: Callable[[str], object]) -> Report:
    """Return the first report in which all proxies are current, or the last one before the deadline.

    Raises CommandError if there is no report. Later errors are repeated until the deadline.
    """
    ends, report, failure, shown = time.monotonic() + seconds, read(), "", ""
    while not report.is_current and (remaining := ends - time.monotonic()) > 0:
        if (line := failure or remainder(report)) != shown:
            progress(shown := line)
        time.sleep(min(SECONDS_BETWEEN_READS, remaining))
        try:
            report, failure = read(), ""
        except CommandError as error:
            failure = error.reason
    return report


def remainder(report: Report) -> str:
    """Return a line with the proxies that are not current."""
    stale, unreadable = [one.proxy for one in report.stale], list(report.unreadable)
    total = len(report.proxies) + len(unreadable)
    parts = [f"{len(stale)} of {total} proxies must restart: {shortened(stale, MAX_NAMES)}"] if stale else []
    parts += [f"{len(unreadable)} cannot be read: {shortened(unreadable, MAX_NAMES)}"] if unreadable else []
    return ". ".join(parts)


def output(report: Report, form: OutputFormat) -> str:
    """Return the report as text or JSON."""
    return json.dumps(report.as_json(), indent=2) if form is OutputFormat.JSON else "\n".join(lines(report))


def exit_code(report: Report) -> int:
    """Return the exit code. Raises CommandError if no proxy is stale, but not all of them could be read."""
    if report.stale:
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
        rows += [
            (one.proxy, one.service, one.address, one.since, first),
            *(("", "", "", "", other) for other in others),
        ]
    if report.proxies:
        yield from aligned(rows)
    for name, reason in report.unreadable.items():
        yield f"{name} cannot be read: {reason}"
    if untraced := [one.proxy for one in report.stale if "tracer: removed" in one.differences]:
        yield f"Consul has no tracer for {shortened(untraced, MAX_NAMES)}: a restart ends their tracing"
    mistakes = dict.fromkeys(mistake for one in report.stale for mistake in one.mistakes)
    stopping = [one for one in mistakes if is_stopping(one)]
    yield from _listed(STOPPING_HEAD, stopping)
    yield from _listed(USELESS_HEAD, [one for one in mistakes if one not in stopping])
    if commands := dict.fromkeys(one.restart for one in report.stale if one.can_restart):
        yield "To restart what is stale:"
        yield from (f"  {command}" for command in commands)
    if common := report.common_propagation:
        safe = ", ".join(one.tracer for one in TRACERS if one != common and one.is_compatible(common))
        yield f"All proxies have the tracer {common.tracer}. A change to one of these keeps traces complete: {safe}"


def _listed(head: str, mistakes: Sequence[str]) -> Iterator[str]:
    if mistakes:
        yield head
        yield from (f"  {mistake}" for mistake in mistakes)
        yield from (f"  {line}" for line in pages_of(mistake.partition(":")[0] for mistake in mistakes))


def aligned(rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Yield the rows of a table with aligned columns."""
    table = list(rows)
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
