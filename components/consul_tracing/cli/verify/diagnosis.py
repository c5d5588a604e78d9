"""The causes of an incomplete trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .causes.delivery import other_store, unavailable_store, undelivered_spans
from .causes.listeners import missing_cluster, rejected_listeners
from .causes.propagation import lost_headers
from .causes.protocols import services_without_http
from .causes.requests import failed_request, unsampled_by_caller
from .causes.sampling import limited_callers, unsampled_request
from .causes.tracers import stale_tracer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .evidence import Cause, Evidence


def diagnose(evidence: Evidence) -> list[Cause]:
    """Return the causes of an incomplete trace. A cause that explains others replaces them."""
    if evidence.trace.is_complete:
        return []
    whole_mesh: tuple[Callable[[Evidence], Iterable[Cause]], ...] = (
        rejected_listeners,
        failed_request,
        unavailable_store,
        unsampled_by_caller,
        silent_proxies,
        limited_callers,
        unsampled_request,
        other_store,
        lost_headers,
    )
    return next((causes for find in whole_mesh if (causes := list(find(evidence)))), [])


def silent_proxies(evidence: Evidence) -> Iterator[Cause]:
    """Return the first cause of each proxy or service without a span."""
    explained: set[str] = set()
    for proxy in evidence.suspects:
        checks = (stale_tracer, missing_cluster, undelivered_spans)
        if cause := next((found for check in checks if (found := check(proxy, evidence))), None):
            explained.add(proxy.service.lower())
            yield cause
    yield from (cause for name, cause in services_without_http(evidence) if name not in explained)
