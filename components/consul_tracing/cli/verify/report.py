"""The result of `verify` as text and as JSON."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from consul_tracing.codes import CODES, page_of, pages_of
from consul_tracing.errors import headline
from consul_tracing.sources.spans import UNKNOWN

from .trace_tree import trace_lines, trace_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.spans import Span

    from .decisions import Decisions
    from .evidence import Cause
    from .traces import Trace

VERSION = 1
"""Version of the JSON format."""

CODE = re.compile(r"\bCT\d{3}\b")

PUBLIC_TAGS = frozenset({"error", "http.status_code", "node_id", "response_flags", "upstream_cluster.name"})


@dataclass(frozen=True)
class Result:
    """The result for one request: its trace and, if it is incomplete, the causes."""

    trace: Trace
    page: str = ""
    """The address of the page of the trace in the store. Empty if there is none."""
    requests: int = 1
    """Requests that were sent."""
    sampled: int = 1
    """Requests that are sampled, or that should be."""
    complete: int = 0
    """Requests with a complete trace."""
    causes: Sequence[Cause] = ()
    others: Sequence[Sequence[Span]] = ()
    """Traces that should be part of this one."""
    decisions: Sequence[Decisions] = ()
    """The sampling decisions of the proxies since their start."""
    notes: Sequence[str] = ()
    """Facts that could not be read."""


def as_json(result: Result, indent: int | None = 2) -> str:
    """Return the result in the documented JSON format, in one line without an indent."""
    trace = result.trace
    content: dict[str, Any] = {
        "version": VERSION,
        "time": time_of(result),
        "trace_id": trace.trace_id,
        "page": result.page,
        "complete": trace.is_complete,
        "seconds": trace.seconds,
        "services": trace.services,
        "missing": trace.missing,
        "calls_without_span": [{"caller": call.caller, "service": call.service} for call in trace.unreported],
        "requests": {"sent": result.requests, "sampled": result.sampled, "complete": result.complete},
        "spans": [span_as_json(span) for span in trace.spans],
        "causes": [cause_as_json(cause) for cause in result.causes],
        "sampling": [one.as_json() for one in result.decisions],
        "notes": result.notes,
    }
    return json.dumps(content, indent=indent)


def time_of(result: Result) -> str:
    """Return the time of the request: `2026-01-31T12:00:00Z`."""
    return timestamp(result.trace.request.started / 1e6)


def timestamp(seconds: float) -> str:
    """Return a time since the epoch as text."""
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%SZ}"


def print_text(result: Result, console: Console) -> None:
    """Print the trace as a tree, the missing services and the causes."""
    trace, request = result.trace, result.trace.request
    identity = f"trace {trace.trace_id}" if trace.trace_id else "no trace"
    _print(console, f"GET {request.url}: {request.outcome}, {identity}", "")
    for spans in [without_caller(trace), *result.others] if trace.spans else []:
        console.print(trace_table(spans))
        _print(console, "")
    if result.page:
        _print(console, f"Page of the trace: {result.page}", "")
    for line in summary(result):
        _print(console, line)


def cause_as_json(cause: Cause) -> JsonObject:
    """Return a cause without what it explains."""
    return {
        "code": cause.code,
        "proxy": cause.proxy,
        "evidence": cause.evidence,
        "fix": cause.fix,
        "page": page_of(cause.code),
    }


def span_as_json(span: Span) -> JsonObject:
    """Return a span in Zipkin's format without tags that may contain secrets: headers and the query of the URL."""
    fields = {
        "traceId": span.trace_id,
        "id": span.id,
        "parentId": span.parent_id,
        "kind": span.kind,
        "name": span.name,
        "timestamp": span.start,
        "duration": span.duration,
        "shared": span.is_shared or None,
        "localEndpoint": {"serviceName": span.service},
        "tags": {name: value for name, value in span.tags.items() if name in PUBLIC_TAGS},
    }
    return {name: value for name, value in fields.items() if value is not None and value != UNKNOWN}


def without_caller(trace: Trace) -> list[Span]:
    """Return the spans of a trace. Those whose parent is the request of this command have no parent."""
    callers = trace.request.span_ids
    return [replace(span, parent_id=None) if span.parent_id in callers else span for span in trace.spans]


def summary(result: Result) -> list[str]:
    """Return the lines below the trees."""
    trace = result.trace
    counted = f"{result.complete} of {result.sampled} traces are complete" if result.requests > 1 else ""
    if unsampled := result.requests - result.sampled:
        counted += f", and {unsampled} of {result.requests} requests were not sampled"
    if trace.is_complete:
        services = (
            f"{len(trace.services)} service{'s' * (len(trace.services) > 1)}: {', '.join(in_order(trace.spans))}."
        )
        return [f"{counted or 'The trace is complete'}: {services}", *_notes(result), *_pages(result)]
    incomplete = "The trace is incomplete." if trace.spans else "No span has arrived."
    lines = [*([f"{counted}. The first incomplete one is shown."] if counted else [incomplete])]
    lines += [f"Services without a span: {', '.join(trace.missing)}"] if trace.missing else []
    silent = dict.fromkeys(f"{call.caller} to {call.service}" for call in trace.unreported)
    lines += [f"Calls without a span of the called service: {', '.join(silent)}"] if silent else []
    lines += [f"Spans whose parent is missing: {len(trace.orphans)}"] if trace.orphans else []
    for cause in grouped(result.causes):
        lines += ["", *cause_text(cause).splitlines()]
    lines += [] if result.causes else ["", "No cause was found."]
    return [*lines, *_notes(result), *_pages(result)]


def in_order(spans: Sequence[Span]) -> list[str]:
    """Return the services with a span in the order of the request."""
    return list(dict.fromkeys(line.service for line in trace_lines(spans)))


def grouped(causes: Sequence[Cause]) -> list[Cause]:
    """Return the causes with those of several proxies as one, if they differ in the proxy only."""
    proxies: dict[tuple[str, str, str], list[str]] = {}
    for cause in causes:
        proxies.setdefault((cause.code, cause.evidence, cause.fix), []).append(cause.proxy)
    return [
        replace(cause, proxy=", ".join(names))
        for cause in causes
        if (names := proxies.pop((cause.code, cause.evidence, cause.fix), None))
    ]


def cause_text(cause: Cause) -> str:
    """Return the message of a cause: its title, the evidence and the fix."""
    first = headline(cause.code, f"{CODES[cause.code].title}: {cause.proxy}")
    return "\n  ".join([first, cause.evidence, f"To fix: {cause.fix}"])


def _notes(result: Result) -> list[str]:
    return ["", *(f"Note: {note}" for note in result.notes)] if result.notes else []


def _pages(result: Result) -> list[str]:
    """Return the addresses of the codes of causes and notes."""
    codes = [cause.code for cause in result.causes] + [code for note in result.notes for code in CODE.findall(note)]
    return ["", *pages_of(codes)] if codes else []


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
