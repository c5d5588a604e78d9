"""A run of `verify`: send requests, wait for their traces and collect the evidence for a diagnosis."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consul_tracing.cli.stale.bootstrap import BootstrapError
from consul_tracing.cli.stale.proxies import verdict
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.errors import CommandError
from consul_tracing.sources.consul import consul_client, sidecar_at
from consul_tracing.sources.http import ServerError

from .causes.service_names import naming_notes
from .clocks import TOLERANCE_SECONDS, clock_notes, is_skewed
from .collectors import collector_of
from .consul_config import read_config
from .contexts import Propagation
from .diagnosis import diagnose
from .evidence import Evidence
from .proxies import proxies_of, stats_of
from .report import Result
from .requests import send
from .traces import Trace, other_traces, wait_for_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from consul_tracing.sources.http import HttpClient
    from consul_tracing.sources.spans import Span
    from consul_tracing.sources.stores import TraceStore

    from .consul_config import ConsulConfig
    from .proxies import Proxy
    from .tracers import Endpoint

CLOCK_SKEW_MICROSECONDS = 1_000_000
"""Tolerance for the clocks of proxies."""


@dataclass(frozen=True)
class Plan:
    """What to verify."""

    url: str
    store: TraceStore
    proxies: Sequence[HttpClient] = ()
    """Admin interfaces of proxies."""
    expected: tuple[str, ...] = ()
    propagation: Propagation = Propagation.B3
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int = 1
    timeout: float = 30.0
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The environment variables of Consul's command line."""


def verify(plan: Plan, progress: Callable[[str], object] = lambda _: None) -> Result:
    """Send the requests and return the result for the first one with an incomplete trace. Raises CommandError."""
    store, before = plan.store, stats_of(plan.proxies)
    expected = tuple(name.lower() for name in plan.expected)
    progress("sending requests")
    sent = [send(plan.url, plan.propagation, plan.headers) for _ in range(plan.requests)]
    traces, store_error = [Trace(request, (), expected) for request in sent], ""
    try:
        store.check()
        traces = wait_for_traces(store, traces, plan.timeout, lambda current: progress(arrived(current)))
    except ServerError as error:
        store_error = error.reason
    complete = sum(trace.is_complete for trace in traces)
    trace = next((one for one in traces if not one.is_complete), traces[-1])
    if trace.is_complete:
        return Result(trace, plan.requests, complete, notes=naming_notes(trace))
    progress("looking for the cause")
    evidence, notes = collect(plan, trace, store_error, before)
    return Result(trace, plan.requests, complete, diagnose(evidence), evidence.others, notes)


def arrived(traces: Sequence[Trace]) -> str:
    """Return a line about the spans that have arrived."""
    if len(traces) > 1:
        return f"{sum(trace.is_complete for trace in traces)} of {len(traces)} traces are complete"
    (trace,) = traces
    names = ", ".join(trace.services) or "none"
    missing = f", missing: {', '.join(trace.missing)}" if trace.missing else ""
    return f"{len(trace.spans)} spans have arrived, services: {names}{missing}"


def collect(
    plan: Plan, trace: Trace, store_error: str, before: Mapping[str, Mapping[str, int]]
) -> tuple[Evidence, list[str]]:
    """Return the evidence for an incomplete trace, and notes about facts that cannot be read."""
    store = plan.store
    proxies, notes = proxies_of(plan.proxies, before)
    consul: ConsulConfig | None = None
    sidecars: Mapping[Endpoint, str] = {}
    stored: frozenset[str] = frozenset()
    others: list[Sequence[Span]] = []
    if not plan.proxies:
        notes.append("the option --admin, once for each proxy, allows checks of the proxies")
    if plan.environment.get("CONSUL_HTTP_ADDR"):
        try:
            client = consul_client(plan.environment)
            consul = read_config(client)
            proxies = [compared(proxy, client, notes) for proxy in proxies]
            sidecars = known_sidecars(client, trace, proxies)
        except CommandError as error:
            notes.append(error.reason)
    else:
        notes.append("the environment variable CONSUL_HTTP_ADDR allows checks of the config entries")
    if not store_error:
        try:
            stored = reporting_services(store, proxies, trace.request.started)
            others = other_traces(store, trace)
        except ServerError as error:
            store_error = error.reason
    evidence = Evidence(trace, store.url, store_error, stored, others, proxies, consul, sidecars)
    if proxies and not evidence.entry:
        notes.append(f"no proxy of --admin listens on port {trace.request.port} of the URL")
    return evidence, notes + clock_notes(proxies)


def compared(proxy: Proxy, consul: HttpClient, notes: list[str]) -> Proxy:
    """Add the configuration of a proxy in Consul, or a note if it cannot be compared. Raises CommandError."""
    try:
        configured, differences = verdict(proxy.running, consul)
    except BootstrapError as error:
        notes.append(f"{proxy.label} cannot be compared with Consul: {error}")
        return proxy
    return replace(proxy, configured=tracing_keys(configured.get("Config")), differences=tuple(differences))


def reporting_services(store: TraceStore, proxies: Iterable[Proxy], since: int) -> frozenset[str]:
    """Return the services with spans since a time in microseconds: their proxies use this store. Raises ServerError.

    The times of spans are those of the proxy, so the time is converted to its clock.
    """
    found: set[str] = set()
    for proxy in proxies:
        service, offset, error = proxy.service.lower(), 0, CLOCK_SKEW_MICROSECONDS
        if is_skewed(proxy):
            offset, error = int(proxy.clock_offset * 1_000_000), int(TOLERANCE_SECONDS * 1_000_000)
        start, end = since + offset - error, time.time_ns() // 1000 + offset + error
        if service not in found and store.traces_of(service, start, end, limit=1):
            found.add(service)
    return frozenset(found)


def known_sidecars(consul: HttpClient, trace: Trace, proxies: Iterable[Proxy]) -> dict[Endpoint, str]:
    """Return the sidecars at the URL, if it does not respond, and at mute collectors. Raises ServerError."""
    found = {
        endpoint
        for proxy in proxies
        if (one := collector_of(proxy)) and one.is_other_protocol
        for endpoint in one.endpoints
    }
    if trace.request.status is None:
        found.add((urlsplit(trace.request.url).hostname or "", trace.request.port))
    sidecars = {endpoint: sidecar_at(consul, *endpoint) for endpoint in found}
    return {endpoint: service for endpoint, service in sidecars.items() if service}
