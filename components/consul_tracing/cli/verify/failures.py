"""Where a request ended, by the spans of its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .requests import ERROR_STATUS
from .trace_tree import trace_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.sources.spans import Span

    from .trace_tree import Node

RESPONSE_FLAGS = {
    "DC": "the caller closed the connection",
    "NR": "no route",
    "UAEX": "denied by an intention",
    "UC": "the upstream closed the connection",
    "UF": "the upstream refuses connections",
    "UH": "the upstream has no healthy instance",
    "UO": "the upstream has too many requests",
    "UT": "the upstream did not respond in time",
}
"""Ref: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage"""


def last_failure(spans: Sequence[Span]) -> str:
    """Return where a request ended: the deepest span with an error. Empty if there is none."""
    failures = [node.span for tree in trace_tree(spans) for node in _deepest_first(tree) if _is_failure(node.span)]
    if not failures:
        return ""
    span = failures[0]
    flags = [
        RESPONSE_FLAGS.get(flag, flag) for flag in _tag(span, "response_flags").split(",") if flag not in {"-", ""}
    ]
    status = f"status {_tag(span, 'http.status_code')}" if _tag(span, "http.status_code") else "no status"
    cluster = _tag(span, "upstream_cluster.name").partition(".")[0]
    upstream = f" to {cluster}" if span.kind == "CLIENT" and cluster else ""
    return f"it ended at the {span.kind} span of {span.service}{upstream}: " + ", ".join([status, *flags])


def last_servers(spans: Sequence[Span]) -> list[str]:
    """Return the services that received the request and have no span of a call."""
    leaves = [node.span for tree in trace_tree(spans) for node in _deepest_first(tree) if not node.children]
    return sorted({span.service for span in leaves if span.kind == "SERVER"})


def _deepest_first(node: Node) -> Iterator[Node]:
    for child in node.children:
        yield from _deepest_first(child)
    yield node


def _is_failure(span: Span) -> bool:
    status = _tag(span, "http.status_code")
    return bool(_tag(span, "error")) or (status.isdigit() and (int(status) >= ERROR_STATUS or status == "0"))


def _tag(span: Span, name: str) -> str:
    return span.tags.get(name, "")
