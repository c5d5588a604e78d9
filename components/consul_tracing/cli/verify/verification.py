"""A run of `verify`: send requests, wait for their traces and collect the evidence for a diagnosis."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx

from consul_tracing.errors import CommandError
from consul_tracing.sources.consul import ConsulClient
from consul_tracing.sources.zipkin import StoreError, TraceStore

from .consul_config import read_config
from .diagnosis import Evidence, diagnose
from .proxies import Admins
from .report import Result
from .requests import TIMEOUT_SECONDS, Propagation, send
from .traces import Trace, other_traces, wait_for_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .consul_config import ConsulConfig
    from .trace_tree import Span

CLOCK_SKEW_MICROSECONDS = 1_000_000
"""Tolerance for the clocks of proxies."""


@dataclass(frozen=True)
class Plan:
    """What to verify."""

    url: str
    zipkin: str
    expected: tuple[str, ...] = ()
    admins: tuple[str, ...] = ()
    propagation: Propagation = Propagation.B3
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int = 1
    timeout: float = 30.0
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The environment variables of Consul's command line."""


def verify(plan: Plan, progress: Callable[[str], object] = lambda _: None) -> Result:
    """Send the requests and return the result for the first one with an incomplete trace. Raises CommandError."""
    with TraceStore(plan.zipkin) as store:
        return _verify_with(store, plan, progress)


def _verify_with(store: TraceStore, plan: Plan, progress: Callable[[str], object]) -> Result:
    before = Admins(plan.admins).stats()
    expected = tuple(name.lower() for name in plan.expected)
    progress("sending requests")
    with httpx.Client(timeout=TIMEOUT_SECONDS, trust_env=False) as client:
        sent = [send(client, plan.url, plan.propagation, plan.headers) for _ in range(plan.requests)]
    traces, store_error = [Trace(request, (), expected) for request in sent], ""
    try:
        store.check_health()
        traces = wait_for_traces(store, traces, plan.timeout, lambda current: progress(arrived(current)))
    except StoreError as error:
        store_error = str(error)
    complete = sum(trace.is_complete for trace in traces)
    trace = next((one for one in traces if not one.is_complete), traces[-1])
    if trace.is_complete:
        return Result(trace, plan.requests, complete)
    progress("looking for the cause")
    evidence, notes = collect(plan, trace, store, store_error, before)
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
    plan: Plan, trace: Trace, store: TraceStore, store_error: str, before: Mapping[str, Mapping[str, int]]
) -> tuple[Evidence, list[str]]:
    """Return the evidence for an incomplete trace, and notes about facts that cannot be read."""
    proxies, notes = Admins(plan.admins).proxies(before)
    consul: ConsulConfig | None = None
    stored: frozenset[str] = frozenset()
    others: list[list[Span]] = []
    if not plan.admins:
        notes.append("the option --admin, once for each proxy, allows checks of the proxies")
    try:
        consul = consul_config(plan.environment)
    except CommandError as error:
        notes.append(str(error))
    if not plan.environment.get("CONSUL_HTTP_ADDR"):
        notes.append("the environment variable CONSUL_HTTP_ADDR allows checks of the config entries")
    if not store_error:
        try:
            stored = reporting_services(store, {proxy.service.lower() for proxy in proxies}, trace.request.started)
            others = other_traces(store, trace)
        except StoreError as error:
            store_error = str(error)
    evidence = Evidence(trace, store.url, store_error, stored, others, proxies, consul)
    if proxies and not evidence.entry:
        notes.append(f"no proxy of --admin listens on port {trace.request.port} of the URL")
    return evidence, notes


def consul_config(environment: Mapping[str, str]) -> ConsulConfig | None:
    """Return the config entries, or None if the environment does not name a Consul. Raises CommandError."""
    if not environment.get("CONSUL_HTTP_ADDR"):
        return None
    with ConsulClient(environment) as client:
        return read_config(client)


def reporting_services(store: TraceStore, services: Iterable[str], since: int) -> frozenset[str]:
    """Return the services with spans since a time in microseconds: their proxies use this store. Raises StoreError."""
    start, end = since - CLOCK_SKEW_MICROSECONDS, time.time_ns() // 1000 + CLOCK_SKEW_MICROSECONDS
    return frozenset(name for name in services if store.traces_of(name, start, end, limit=1))
