"""Where a request ended, by the spans of its trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .requests import ERROR_STATUS
from .trace_tree import trace_tree

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.sources.spans import Span

    from .requests import SentRequest
    from .trace_tree import Node

SERVER_ERROR = 500
"""The first status of errors of a server."""

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


RETRIED = "URX"
"""Flag of a response that Envoy passes on after the last retry."""


def mesh_failure(request: SentRequest, spans: Sequence[Span]) -> str:
    """Return where a request failed in the mesh. Empty if it did not: an application can respond with an error."""
    if request.is_successful:
        return ""
    failures = _failures(spans)
    if request.status is None or request.responder:
        places = [*map(_place, failures[:1]), *([request.responder] if request.responder else [])]
        return "; ".join(places) or "where it ended is unknown"
    is_passed_on = request.status >= SERVER_ERROR
    by_proxies = [span for span in failures if _flags(span) and (is_passed_on or _status(span) == str(request.status))]
    return next(map(_place, by_proxies), "")


def first_error(spans: Sequence[Span]) -> str:
    """Return where a request failed first: at the deepest span with an error. Empty if there is none."""
    return next(map(_place, _failures(spans)), "")


def _failures(spans: Sequence[Span]) -> list[Span]:
    """Return the spans with an error, the deepest ones first."""
    return [node.span for tree in trace_tree(spans) for node in _deepest_first(tree) if _is_failure(node.span)]


def _place(span: Span) -> str:
    flags = [RESPONSE_FLAGS.get(flag, flag) for flag in _flags(span)]
    status = f"status {_status(span)}" if _status(span) else "no status"
    cluster = _tag(span, "upstream_cluster.name").partition(".")[0]
    upstream = f" to {cluster}" if span.kind == "CLIENT" and cluster else ""
    return f"it ended at the {span.kind} span of {span.service}{upstream}: " + ", ".join([status, *flags])


def last_servers(spans: Sequence[Span]) -> list[str]:
    """Return the services that received the request and have no span of a call."""
    leaves = [node.span for tree in trace_tree(spans) for node in _deepest_first(tree) if not node.children]
    return sorted({span.service for span in leaves if span.kind == "SERVER"})


def _deepest_first(node: Node) -> Iterator[Node]:
    """Return the spans that a response passed. Of the attempts of a call, it is the last one."""
    found, following = [], [node]
    while following:
        found.append(one := following.pop())
        following += one.children[-1:] if one.span.kind == "CLIENT" else one.children
    return reversed(found)


def _is_failure(span: Span) -> bool:
    status = _status(span)
    return bool(_tag(span, "error")) or (status.isdigit() and (int(status) >= ERROR_STATUS or status == "0"))


def _flags(span: Span) -> list[str]:
    """Return the flags of a response that a proxy made."""
    return [flag for flag in _tag(span, "response_flags").split(",") if flag not in {"-", "", RETRIED}]


def _status(span: Span) -> str:
    return _tag(span, "http.status_code")


def _tag(span: Span, name: str) -> str:
    return span.tags.get(name, "")
