"""A trace as a tree in a table.

Parents are determined by ids only. Timestamps only order siblings, because each host has its own clock and a child may
appear to start before its parent.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from rich.markup import escape
from rich.table import Table

from consul_tracing.sources.spans import UNKNOWN, Span

MAX_LINES = 100
"""Spans of a trace that are shown."""

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

    A span with a missing parent is a root, and so is the first span of a cycle. A trace can be as deep as a loop of
    calls, so no function here calls itself.
    """
    ordered = sorted(spans, key=lambda span: _NEVER if span.start is None else span.start)
    by_id: defaultdict[str, list[int]] = defaultdict(list)
    for index, span in enumerate(ordered):
        by_id[span.id].append(index)
    children: defaultdict[int | None, list[int]] = defaultdict(list)
    for index, span in enumerate(ordered):
        children[_parent_of(span, ordered, by_id)].append(index)
    placed: set[int] = set()
    trees = [_subtree(root, ordered, children, placed) for root in children[None]]
    cycles = (index for index in range(len(ordered)) if index not in placed)
    return [*trees, *(_subtree(index, ordered, children, placed) for index in cycles)]


def trace_lines(spans: Sequence[Span]) -> Iterator[Line]:
    """Yield the rows of the trees, parents before children."""
    known = {span.id for span in spans}
    for tree in trace_tree(spans):
        following = [(tree, "", "")]
        while following:
            node, outline, indent = following.pop()
            yield _line(node.span, known, outline)
            for child in reversed(node.children):
                is_last = child is node.children[-1]
                branch, deeper = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
                following.append((child, indent + branch, indent + deeper))


def trace_table(spans: Sequence[Span]) -> Table:
    """Return the table of a trace: service, kind, name and duration."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("service")
    table.add_column("kind")
    table.add_column("name")
    table.add_column("duration", justify="right")
    for line in islice(trace_lines(spans), MAX_LINES):
        name = f"{escape(line.name)} [yellow]{line.note}[/]" if line.note else escape(line.name)
        table.add_row(f"[dim]{line.outline}[/]{escape(line.service)}", line.kind, name, line.duration)
    if len(spans) > MAX_LINES:
        table.add_row(f"… {len(spans) - MAX_LINES:,} more spans")
    return table


def _parent_of(span: Span, spans: Sequence[Span], by_id: Mapping[str, Sequence[int]]) -> int | None:
    """Return the index of the parent span.

    With shared span contexts, client and server span of a call have the same id. The client span is then the parent of
    the server span, and children of the server have the span with their service name as parent.
    """
    if span.is_shared and (callers := [i for i in by_id.get(span.id, ()) if not spans[i].is_shared]):
        return callers[0]
    candidates = [i for i in by_id.get(span.parent_id or "", ()) if spans[i] is not span]
    of_same_service = [i for i in candidates if spans[i].service == span.service]
    return next(iter([*of_same_service, *candidates]), None)


def _subtree(root: int, spans: Sequence[Span], children: Mapping[int | None, Sequence[int]], placed: set[int]) -> Node:
    order, following = [], [root]
    while following:
        index = following.pop()
        placed.add(index)
        order.append(index)
        following += [child for child in children.get(index, ()) if child not in placed]
    nodes: dict[int, Node] = {}
    for index in reversed(order):
        nodes[index] = Node(spans[index], tuple(nodes[child] for child in children.get(index, ()) if child in nodes))
    return nodes[root]


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
