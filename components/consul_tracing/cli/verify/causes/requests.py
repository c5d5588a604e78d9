"""Requests that failed, or that their caller marks as not sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import EVERYTHING, THE_REQUEST, Cause
from consul_tracing.cli.verify.failures import last_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.traces import Trace


def failed_request(evidence: Evidence) -> Iterator[Cause]:
    """CT411: the request failed."""
    trace, request = evidence.trace, evidence.trace.request
    if request.is_successful or THE_REQUEST in evidence.explained:
        return
    place = last_failure(trace.spans) or request.responder or "where it ended is unknown"
    yield Cause(
        "CT411",
        THE_REQUEST,
        f"{request.url}: {request.outcome}; {place}",
        "check that the services run, are healthy in Consul, and that intentions allow the call",
        _behind(trace),
    )


def unsampled_by_caller(evidence: Evidence) -> Iterator[Cause]:
    """CT405: a header of the request disables sampling."""
    if header := evidence.trace.request.unsampled_header:
        yield Cause(
            "CT405",
            THE_REQUEST,
            f"the header {header} marks the request as not sampled, and every proxy follows it",
            f"remove the header {header}, or set it to sampled in the caller",
            EVERYTHING,
        )


def _behind(trace: Trace) -> frozenset[str]:
    """Return the services behind the last one with a span. `expected` has the order of the request."""
    reached = [index for index, name in enumerate(trace.expected) if name in trace.services]
    return frozenset(trace.expected[reached[-1] + 1 :]) | {THE_REQUEST} if reached else EVERYTHING
