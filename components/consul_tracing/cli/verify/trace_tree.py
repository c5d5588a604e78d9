"""A trace as a tree in a table.

Parents are determined by ids only. Timestamps only order siblings, because each host has its own clock and a child may
appear to start before its parent.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich.markup import escape
from rich.table import Table

from consul_tracing.sources.spans import UNKNOWN, Span

_NEVER = float("inf")


@dataclass(frozen=True)
class Node:
    """A span and its children, ordered by timestamp."""

    span: Span
    children: tuple["Node", ...]


@dataclass(frozen=True)
class Line:
    """The table row of a span."""

    outline: str
    service: str
    kind: str
    name: str
    duration: str
    note: str = ""


def trace_tree(spans: Sequence[Span]) -> list[Node]:
    """Build the trees of these spans: one tree if no span is missing.

    A span with a missing parent is a root, and so is the first span of a cycle.
    """
    ordered = sorted(spans, key=lambda span: _NEVER if span.start is None else span.start)
    parents = [_parent_of(span, ordered) for span in ordered]
    placed: set[int] = set()
    roots = [index for index, parent in enumerate(parents) if parent is None]
    trees = [_subtree(root, ordered, parents, placed) for root in roots]
    cycles = (index for index in range(len(ordered)) if index not in placed)
    return [*trees, *(_subtree(index, ordered, parents, placed) for index in cycles)]


def trace_lines(spans: Sequence[Span]) -> list[Line]:
    """Return the rows of the trees, parents before children."""
    known = {span.id for span in spans}
    return [line for tree in trace_tree(spans) for line in _lines(tree, known, "", "")]


def trace_table(spans: Sequence[Span]) -> Table:
    """Return the table of a trace: service, kind, name and duration."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("service")
    table.add_column("kind")
    table.add_column("name")
    table.add_column("duration", justify="right")
    for line in trace_lines(spans):
        name = f"{escape(line.name)} [yellow]{line.note}[/]" if line.note else escape(line.name)
        table.add_row(f"[dim]{line.outline}[/]{escape(line.service)}", line.kind, name, line.duration)
    return table


def _parent_of(span: Span, spans: Sequence[Span]) -> int | None:
    """Return the index of the parent span.

    With shared span contexts, client and server span of a call have the same id. The client span is then the parent of
    the server span, and children of the server have the span with their service name as parent.
    """
    if span.is_shared:
        callers = [i for i, other in enumerate(spans) if other.id == span.id and not other.is_shared]
        if callers:
            return callers[0]
    candidates = [i for i, other in enumerate(spans) if other.id == span.parent_id and other is not span]
    of_same_service = [i for i in candidates if spans[i].service == span.service]
    return next(iter([*of_same_service, *candidates]), None)


def _subtree(root: int, spans: Sequence[Span], parents: Sequence[int | None], placed: set[int]) -> Node:
    placed.add(root)
    children = [
        _subtree(index, spans, parents, placed)
        for index, parent in enumerate(parents)
        if parent == root and index not in placed
    ]
    return Node(spans[root], tuple(children))


def _lines(node: Node, known: Collection[str], outline: str, indent: str) -> list[Line]:
    lines = [_line(node.span, known, outline)]
    for child in node.children:
        is_last = child is node.children[-1]
        branch, deeper = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        lines += _lines(child, known, indent + branch, indent + deeper)
    return lines


def _line(span: Span, known: Collection[str], outline: str) -> Line:
    is_orphan = (span.parent_id or span.id) not in known
    return Line(
        outline,
        span.service,
        span.kind,
        span.name,
        _milliseconds(span.duration),
        "(parent is missing)" if is_orphan else "",
    )


def _milliseconds(microseconds: int | None) -> str:
    return UNKNOWN if microseconds is None else f"{microseconds / 1000:.1f} ms"
