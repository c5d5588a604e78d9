"""The causes of an incomplete trace."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.errors import shortened

from .causes.calls import flattened_calls, unreported_services
from .causes.delivery import other_store, unavailable_store, undelivered_spans
from .causes.listeners import missing_cluster, other_rejections, rejected_listeners
from .causes.propagation import lost_headers, own_spans, untraced_calls
from .causes.protocols import services_without_http, unknown_services
from .causes.requests import (
    failed_request,
    refused_request,
    rerouted_calls,
    unsampled_by_caller,
    url_of_a_sidecar,
    url_past_the_caller,
)
from .causes.sampling import (
    limited_callers,
    replaced_listener,
    undecided_request,
    unparsed_block,
    unsampled_request,
)
from .causes.service_names import common_names
from .causes.tracers import stale_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .evidence import Cause, Evidence
    from .proxies import Proxy

    Finder = Callable[[Evidence], Iterable[Cause]]


def each_suspect(check: Callable[[Proxy, Evidence], Cause | None]) -> Finder:
    """Return a function that checks each proxy without a span."""
    return lambda evidence: filter(None, [check(proxy, evidence) for proxy in evidence.suspects])


FINDERS: tuple[Finder, ...] = (
    url_of_a_sidecar,
    url_past_the_caller,
    unknown_services,
    common_names,
    rejected_listeners,
    each_suspect(stale_tracer),
    each_suspect(missing_cluster),
    each_suspect(replaced_listener),
    services_without_http,
    unavailable_store,
    each_suspect(undelivered_spans),
    failed_request,
    unsampled_by_caller,
    flattened_calls,
    limited_callers,
    unparsed_block,
    undecided_request,
    unsampled_request,
    other_store,
    own_spans,
    lost_headers,
    rerouted_calls,
    refused_request,
    untraced_calls,
    unreported_services,
)
"""First the causes that the facts show, then those that only the absence of spans suggests."""


def secondary_facts(evidence: Evidence) -> Iterator[str]:
    """Return notes about what is not a cause."""
    yield from other_rejections(evidence)
    for proxy in evidence.proxies:
        if not proxy.is_on_path and (cause := stale_tracer(proxy, evidence)):
            yield f"{proxy.label} did not receive the request; {cause.evidence} ({cause.code})"
    port, entries = evidence.trace.request.port, shortened([proxy.label for proxy, _ in evidence.entries])
    if len(evidence.entries) > 1:
        yield f"the proxy that received the request is unknown, because several listen on port {port}: {entries}"
    elif evidence.proxies and not evidence.entries:
        yield f"no proxy that is read listens on port {port} of the URL"


def diagnose(evidence: Evidence) -> list[Cause]:
    """Return all causes of an incomplete trace, in the order in which to fix them.

    The rule: each cause explains something (`Cause.explains`), and the functions after it judge only what no cause
    explains yet: `suspects`, `missing`, `has_cause(name)` and `is_explained` of Evidence. So independent causes are all
    reported, and a cause hides what only follows from it. A function that reports a fact that does not depend on
    missing spans, such as a header of the request, does not ask.
    """
    if evidence.trace.is_complete:
        return []
    for find in FINDERS:
        evidence = replace(evidence, causes=(*evidence.causes, *find(evidence)))
    return list(evidence.causes)
