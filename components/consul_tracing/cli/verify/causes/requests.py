"""Requests that failed, or that their caller marks as not sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consul_tracing.cli.verify.evidence import EVERYTHING, THE_REQUEST, Cause
from consul_tracing.cli.verify.failures import last_failure

from .texts import listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.traces import Trace


def url_of_a_sidecar(evidence: Evidence) -> Iterator[Cause]:
    """CT419: the URL is the port of a sidecar for requests from the mesh, which requires mTLS."""
    request = evidence.trace.request
    host = urlsplit(request.url).hostname or ""
    if request.status is not None or not (service := evidence.sidecar_at((host, request.port))):
        return
    upstreams = [
        f"{host}:{listener.port} of {proxy.service}"
        for proxy in evidence.proxies
        for listener in proxy.listeners
        if listener.is_outbound and listener.upstream == service.lower()
    ]
    yield Cause(
        "CT419",
        service,
        f"{request.url} is the port of the sidecar of {service} for the mesh, which requires mTLS: {request.outcome}",
        f"use the port of an upstream in a sidecar that calls {service}"
        + (f" ({listed(upstreams)})" if upstreams else " (local_bind_port)")
        + ", or the port of a gateway",
        EVERYTHING | {THE_REQUEST},
    )


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
