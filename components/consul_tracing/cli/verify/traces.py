"""The trace of a request: its services, missing spans, and traces that an application started instead of joining it."""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .calls import involved_services, is_received, unreported_calls
from .contexts import Propagation
from .failures import mesh_failure
from .trace_tree import trace_tree
from .tracers import UNNAMED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from consul_tracing.sources.spans import Span
    from consul_tracing.sources.stores import TraceStore

    from .calls import Call
    from .proxies import Proxy
    from .requests import SentRequest

POLL_SECONDS = 0.3

QUIET_SECONDS = 6.0
"""After this time without new spans a trace is regarded as final. Envoy reports spans at least every five seconds."""


@dataclass(frozen=True)
class Trace:
    """A request and the spans of its trace that have arrived."""

    request: SentRequest
    spans: tuple[Span, ...] = ()
    expected: tuple[str, ...] = ()
    """Services that must have a span, in lower case."""
    sender: str = ""
    """The service of the proxy that sends the request into the mesh, in lower case. Empty if it is not known."""
    untraced: frozenset[str] = frozenset()
    """The services whose proxies have no tracer by their registrations, in lower case, as far as Consul was asked."""
    nodes: Mapping[str, str] = field(default_factory=dict, compare=False)
    """The services of proxies by the ids of their nodes, in lower case."""
    seconds: float | None = field(default=None, compare=False)
    """Time from the request until its last span was in the store. None without spans."""

    @property
    def trace_id(self) -> str:
        """The id of the trace."""
        return self.spans[0].trace_id if self.spans else self.request.trace_id

    @property
    def services(self) -> tuple[str, ...]:
        """The services with a span, sorted."""
        return tuple(sorted({span.service for span in self.spans}))

    @cached_property
    def own_names(self) -> dict[str, str]:
        """The services whose proxies report spans under another name that no other service has, by this name."""
        owners: defaultdict[str, set[str]] = defaultdict(set)
        for span in self.spans:
            if node := span.tags.get("node_id"):
                owners[span.service].add(self.nodes.get(node, node))
        known = {*self.nodes.values()}
        own = {name: min(found) for name, found in owners.items() if len(found) == 1 and found <= known}
        return {name: service for name, service in own.items() if name not in {service, UNNAMED}}

    @property
    def reported(self) -> set[str]:
        """The services with a span, also under a name of their own."""
        return {*self.services, *self.own_names.values()}

    def has_spans_under_another_name(self, proxy: Proxy) -> bool:
        """Return whether a proxy reported spans under a name that is not that of its service."""
        names = {
            span.service.lower() for span in self.spans if proxy.node_id and span.tags.get("node_id") == proxy.node_id
        }
        return bool(names) and proxy.service.lower() not in names

    @cached_property
    def roots(self) -> tuple[Span, ...]:
        """The spans without a parent in the trace."""
        return tuple(tree.span for tree in trace_tree(self.spans))

    @property
    def called(self) -> list[str]:
        """The expected services that received a call, in the order of the request."""
        servers = {self.own_names.get(span.service, span.service) for span in self.spans if span.kind == "SERVER"}
        return [name for name in self.expected if name in servers]

    @cached_property
    def unreported(self) -> tuple[Call, ...]:
        """The calls of services of the mesh that no proxy reported as received, and that one should have reported."""
        accepted = self.untraced - {*self.expected}
        return tuple(call for call in unreported_calls(self.spans) if call.service not in accepted)

    @property
    def passed_without_span(self) -> list[str]:
        """The services on the path without a tracer by their registrations."""
        passed = {self.sender, *(call.service for call in unreported_calls(self.spans))}
        return sorted(passed & self.untraced - self.reported)

    @property
    def missing(self) -> tuple[str, ...]:
        """The services without a span: expected ones, called ones, and the sender of the request."""
        is_sender_required = self.is_sent_by_another_proxy and not self.expected and self.sender not in self.untraced
        sender = [self.sender] if self.sender and is_sender_required else []
        required = [*sender, *self.expected, *(call.service for call in self.unreported)]
        return tuple(name for name in dict.fromkeys(required) if name not in self.reported)

    @property
    def is_sent_by_another_proxy(self) -> bool:
        """Whether the first span is one of a sidecar that received the request from a proxy without a span."""
        return any(is_received(span) and self._is_first(span) for span in self.roots)

    @property
    def first_service(self) -> str:
        """The service of the first span. Empty without a span."""
        return next((span.service for span in self.roots), "")

    @property
    def orphans(self) -> tuple[Span, ...]:
        """The spans whose parent is missing. The parent of the first span may be the context of the request."""
        return tuple(span for span in self.roots if not self._is_first(span))

    def _is_first(self, span: Span) -> bool:
        is_shared = span.is_shared and span.id in self.request.span_ids
        return is_shared or span.parent_id in {None, *self.request.span_ids}

    @property
    def is_whole(self) -> bool:
        """Whether every expected and every called service has a span, for each call, and no parent is missing."""
        return bool(self.spans) and not (self.missing or self.unreported or self.orphans)

    @property
    def is_complete(self) -> bool:
        """Whether the trace is whole. Without expected services, the request must also have passed the mesh."""
        return self.is_whole and (bool(self.expected) or not self.failure)

    @property
    def failure(self) -> str:
        """Where the request failed in the mesh. Empty if it did not."""
        return mesh_failure(self.request, self.spans)


def wait_for_traces(
    store: TraceStore, traces: Sequence[Trace], timeout: float, progress: Callable[[Sequence[Trace]], object]
) -> list[Trace]:
    """Wait until all traces are complete, or as long as spans can arrive. Raises ServerError.

    Without expected services a trace is complete when spans stop arriving.
    """
    started = changed = time.monotonic()
    current = list(traces)
    while True:
        found = [trace if _is_settled(trace) else _read(store, trace) for trace in current]
        if found != current:
            current, changed = found, time.monotonic()
            progress(current)
        now = time.monotonic()
        is_quiet = now - changed >= QUIET_SECONDS
        if all(_is_settled(trace) for trace in current) or now - started >= timeout:
            return current
        if is_quiet and all(map(_is_final, sampled_traces(current))):
            return current
        time.sleep(POLL_SECONDS)


def other_traces(store: TraceStore, trace: Trace) -> list[Sequence[Span]]:
    """Return the traces that services of this trace started for it.

    Raises ServerError. One proxy reports the received request and the call, so the clocks of others do not matter.
    """
    found: dict[str, Sequence[Span]] = {}
    for server in (span for span in trace.spans if span.kind == "SERVER"):
        for spans in store.traces_of(server.service, server.start or 0, server.end):
            found.setdefault(spans[0].trace_id, spans)
    found.pop(trace.trace_id, None)
    return continuations(trace, found.values())


def continuations(trace: Trace, others: Iterable[Sequence[Span]]) -> list[Sequence[Span]]:
    """Return the traces that start in a sidecar of this trace while its application handles the request.

    If services are missing, one of them has a span or is called in such a trace. An application can also start traces
    that have nothing to do with the request.
    """
    servers = [span for span in trace.spans if span.kind == "SERVER"]
    return [
        spans
        for spans in others
        if any(_is_within(tree.span, server) for tree in trace_tree(spans) for server in servers)
        and (not trace.missing or not set(trace.missing).isdisjoint(involved_services(spans)))
    ]


def _is_within(root: Span, server: Span) -> bool:
    """Return whether a call started in a service while it handled a request. One sidecar reports both spans."""
    is_call = root.parent_id is None and root.kind == "CLIENT" and root.service == server.service
    is_call = is_call and root.tags.get("node_id") == server.tags.get("node_id")
    return is_call and (server.start or 0) <= (root.start or 0) <= server.end


def sampled_traces(traces: Sequence[Trace]) -> list[Trace]:
    """Return the traces without those that the first proxy did not sample: the requests had no context to follow."""
    has_spans = any(trace.spans for trace in traces)
    return [one for one in traces if one.spans or one.request.context is not Propagation.NONE or not has_spans]


def _is_final(trace: Trace) -> bool:
    return trace.is_complete or not trace.request.is_successful


def _is_settled(trace: Trace) -> bool:
    return bool(trace.expected) and trace.is_whole


def _read(store: TraceStore, trace: Trace) -> Trace:
    request = trace.request
    spans = store.spans(trace.trace_id) if trace.trace_id else ()
    if not spans and request.user_agent:
        spans = store.tagged_spans(request.user_agent)
    return trace if tuple(spans) == trace.spans else replace(trace, spans=tuple(spans), seconds=request.age)
