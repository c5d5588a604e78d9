"""The result of `verify` as text and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

from consul_tracing.codes import CODES
from consul_tracing.errors import message

from .trace_tree import trace_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from consul_tracing.sources.zipkin import Span

    from .diagnosis import Cause
    from .traces import Trace

VERSION = 1
"""Version of the JSON format."""

PUBLIC_FIELDS = frozenset(
    {"traceId", "id", "parentId", "kind", "name", "timestamp", "duration", "shared", "localEndpoint"}
)
PUBLIC_TAGS = frozenset({"error", "http.status_code", "node_id", "response_flags", "upstream_cluster.name"})


@dataclass(frozen=True)
class Result:
    """The result for one request: its trace and, if it is incomplete, the causes."""

    trace: Trace
    requests: int = 1
    """Requests that were sent."""
    complete: int = 0
    """Requests with a complete trace."""
    causes: Sequence[Cause] = ()
    others: Sequence[Sequence[Span]] = ()
    """Traces that should be part of this one."""
    notes: Sequence[str] = ()
    """Facts that could not be read."""


def as_json(result: Result) -> str:
    """Return the result in the documented JSON format."""
    trace = result.trace
    content: dict[str, Any] = {
        "version": VERSION,
        "trace_id": trace.trace_id,
        "complete": trace.is_complete,
        "services": trace.services,
        "missing": trace.missing,
        "spans": [public_fields(span) for span in trace.spans],
        "causes": [asdict(cause) for cause in result.causes],
        "notes": result.notes,
    }
    return json.dumps(content, indent=2)


def print_text(result: Result, console: Console) -> None:
    """Print the trace as a tree, the missing services and the causes."""
    trace, request = result.trace, result.trace.request
    identity = f"trace {trace.trace_id}" if trace.trace_id else "no trace"
    _print(console, f"GET {request.url}: {request.outcome}, {identity}", "")
    for spans in [without_caller(trace), *result.others] if trace.spans else []:
        console.print(trace_table(spans))
        _print(console, "")
    for line in summary(result):
        _print(console, line)


def public_fields(span: Span) -> Span:
    """Return a span without tags that may contain secrets: headers and the query of the URL."""
    tags = {name: value for name, value in span.get("tags", {}).items() if name in PUBLIC_TAGS}
    return cast("Span", {key: value for key, value in span.items() if key in PUBLIC_FIELDS} | {"tags": tags})


def without_caller(trace: Trace) -> list[Span]:
    """Return the spans of a trace. Those whose parent is the request of this command have no parent."""
    callers = trace.request.span_ids
    return [
        cast("Span", {key: value for key, value in span.items() if key != "parentId" or value not in callers})
        for span in trace.spans
    ]


def summary(result: Result) -> list[str]:
    """Return the lines below the trees."""
    trace = result.trace
    counted = f"{result.complete} of {result.requests} traces are complete" if result.requests > 1 else ""
    if trace.is_complete:
        failed = [] if trace.request.is_successful else ["The request failed, and tracing works."]
        return [counted or "The trace is complete.", *failed, *_notes(result)]
    incomplete = "The trace is incomplete." if trace.spans else "No span has arrived."
    lines = [*([f"{counted}. The first incomplete one is shown."] if counted else [incomplete])]
    lines += [f"Services without a span: {', '.join(trace.missing)}"] if trace.missing else []
    lines += [f"Spans whose parent is missing: {len(trace.orphans)}"] if trace.orphans else []
    for cause in result.causes:
        lines += ["", *cause_text(cause).splitlines()]
    lines += [] if result.causes else ["", "No cause was found."]
    return lines + _notes(result)


def cause_text(cause: Cause) -> str:
    """Return the message of a cause: its title, the evidence and the fix."""
    return message(cause.code, f"{CODES[cause.code].title}: {cause.proxy}", cause.evidence, f"To fix: {cause.fix}")


def _notes(result: Result) -> list[str]:
    return ["", *(f"Note: {note}" for note in result.notes)] if result.notes else []


def _print(console: Console, *lines: str) -> None:
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
