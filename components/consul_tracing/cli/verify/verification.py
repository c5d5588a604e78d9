"""A run of `verify`: send requests, wait for their traces and collect the evidence for a diagnosis."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consul_tracing.cli.stale.bootstrap import BootstrapError
from consul_tracing.cli.stale.proxies import verdict
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.errors import CommandError, shortened
from consul_tracing.sources.consul import consul_client, sidecar_addresses, sidecar_at, sidecars_of
from consul_tracing.sources.http import ServerError

from .causes.delivery import credential_notes
from .causes.sampling import untraced_users
from .causes.service_names import naming_notes
from .causes.tracers import stale_notes
from .clocks import TOLERANCE_SECONDS, clock_notes, is_skewed
from .collectors import collector_of
from .consul_config import read_config, read_tracer, service_names
from .contexts import Propagation
from .decisions import decision_notes, decisions_of
from .diagnosis import diagnose, secondary_facts
from .evidence import THE_REQUEST, Evidence
from .failures import first_error
from .next_steps import READ_PROXIES, unread_proxies
from .proxies import proxies_of, services_by_node, stats_of
from .report import Result
from .requests import send
from .traces import Trace, other_traces, sampled_traces, wait_for_traces

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from consul_tracing.names import JsonObject
    from consul_tracing.sources.http import HttpClient
    from consul_tracing.sources.spans import Span
    from consul_tracing.sources.stores import TraceStore

    from .consul_config import ConsulConfig
    from .decisions import Decisions
    from .proxies import Listener, Proxy
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
    propagation: Propagation = Propagation.AUTO
    headers: Mapping[str, str] = field(default_factory=dict)
    requests: int = 1
    timeout: float = 30.0
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """The environment variables of Consul's command line."""
    notes: Sequence[str] = ()
    """Facts about the proxies that cannot be read."""


def verify(plan: Plan, progress: Callable[[str], object] = lambda _: None) -> Result:
    """Send the requests and return the result for the first one with an incomplete trace. Raises CommandError."""
    store, before, nodes = plan.store, stats_of(plan.proxies), services_by_node(plan.proxies)
    expected = tuple(name.lower() for name in plan.expected)
    progress("sending requests")
    context = context_of_mesh(plan)
    sent = [send(plan.url, context, plan.headers) for _ in range(plan.requests)]
    traces, store_error = [Trace(request, (), expected, nodes=nodes) for request in sent], ""
    try:
        store.check()
        traces = wait_for_traces(store, traces, plan.timeout, lambda current: progress(arrived(current)))
    except ServerError as error:
        store_error = error.reason
    progress("reading the proxies")
    mesh = read_mesh(plan, before)
    entry = Evidence(traces[0], proxies=mesh.proxies).entry
    traces = [replace(one, sender=sender_of(entry)) for one in traces]
    untraced = untraced_services(mesh, traces)
    traces = [replace(one, untraced=untraced) for one in traces]
    if not entry or entry[0].rate < 100:  # noqa: PLR2004 - percent
        traces = sampled_traces(traces)
    trace = next((one for one in traces if not one.is_complete), traces[-1])
    decisions = [*map(decisions_of, mesh.proxies)]
    result = Result(
        trace,
        page=plan.store.page(trace.trace_id) if trace.spans else "",
        requests=plan.requests,
        sampled=len(traces),
        complete=sum(one.is_complete for one in traces),
        decisions=decisions,
    )
    if trace.is_complete:
        notes = [*mesh.notes, *outcome(trace), *notes_of_complete(trace, mesh.proxies, decisions)]
        return replace(result, notes=notes)
    progress("looking for the cause")
    evidence, hints = collect(plan, trace, store_error, mesh)
    causes = diagnose(evidence)
    if not plan.proxies and not plan.notes:
        hints.insert(0, READ_PROXIES if causes else unread_proxies(plan.environment, expected))
    notes = [*mesh.notes, *hints, *stale_notes(mesh.proxies, causes)]
    if THE_REQUEST not in {cause.proxy for cause in causes}:
        notes += outcome(trace)
    return replace(result, causes=causes, others=evidence.others, notes=notes)


def outcome(trace: Trace) -> list[str]:
    """Return a note about a request that is not successful."""
    if trace.request.is_successful:
        return []
    if trace.failure:
        return [f"the request failed, and tracing works: {trace.failure}"]
    place = first_error(trace.spans)
    where = f" ({place})" if place else ""
    return [f"the request has status {trace.request.status}{where}. This is not a fault of tracing"]


def sender_of(entry: tuple[Proxy, Listener] | None) -> str:
    """Return the service whose proxy sends the request into the mesh. Empty for a gateway that does not trace."""
    if entry is None or not entry[1].is_outbound:
        return ""
    proxy = entry[0]
    return "" if proxy.is_gateway and not proxy.should_trace else proxy.service.lower()


def notes_of_complete(trace: Trace, proxies: Sequence[Proxy], decisions: Sequence[Decisions]) -> Iterator[str]:
    """Yield what a complete trace does not show: other proxies, and the traces of requests without a trace context."""
    if trace.is_sent_by_another_proxy:
        yield (
            f"the request reached {trace.first_service} through a proxy without a span: a gateway that does not "
            "trace, or a sidecar without a tracer (consul-tracing stale)"
        )
    if trace.passed_without_span:
        yield f"without a span, because their registrations disable tracing: {', '.join(trace.passed_without_span)}"
    traced = [one for one in proxies if one.service.lower() not in trace.untraced]
    own = [one for one in traced if one.is_on_path and not trace.has_spans_under_another_name(one)]
    silent = sorted({one.service for one in own if one.service.lower() not in trace.services})
    if silent and not trace.expected:
        yield (
            f"proxies that received requests meanwhile have no span in the trace: {', '.join(silent)}. If this request "
            "is one of them, name their services with --expect to find the cause"
        )
    for cause in untraced_users(Evidence(trace, proxies=proxies)):
        yield f"requests without a trace context are not traced ({cause.code}): {cause.evidence}"
    yield from naming_notes(trace)
    yield from stale_notes(proxies, ())
    yield from credential_notes(proxies)
    yield from decision_notes(decisions)


def arrived(traces: Sequence[Trace]) -> str:
    """Return a line about the spans that have arrived."""
    if len(traces) > 1:
        return f"{sum(trace.is_complete for trace in traces)} of {len(traces)} traces are complete"
    (trace,) = traces
    names = ", ".join(trace.services) or "none"
    missing = f", missing: {', '.join(trace.missing)}" if trace.missing else ""
    return f"{len(trace.spans)} spans have arrived, services: {names}{missing}"


@dataclass(frozen=True)
class Mesh:
    """The proxies and the config entries, and notes about those that cannot be read."""

    proxies: Sequence[Proxy]
    consul: ConsulConfig | None
    notes: Sequence[str]
    client: HttpClient | None = None
    """The client of Consul."""


def read_mesh(plan: Plan, before: Mapping[str, Mapping[str, int]]) -> Mesh:
    """Return the proxies, and the config entries if Consul is known."""
    proxies, unreadable = proxies_of(plan.proxies, before)
    notes = [*plan.notes, *unreadable]
    if not plan.environment.get("CONSUL_HTTP_ADDR"):
        return Mesh(proxies, None, notes)
    try:
        client = consul_client(plan.environment)
        consul = read_config(client)
        return Mesh([compared(proxy, client, notes) for proxy in proxies], consul, notes, client)
    except CommandError as error:
        return Mesh(proxies, None, [*notes, error.reason])


def context_of_mesh(plan: Plan) -> Propagation:
    """Return the headers of the trace context: by default those that the tracer in Consul reads, if it is known."""
    if plan.propagation is not Propagation.AUTO or not plan.environment.get("CONSUL_HTTP_ADDR"):
        return plan.propagation
    try:
        tracer = read_tracer(consul_client(plan.environment))
    except CommandError:
        # `read_mesh` has the reason.
        return plan.propagation
    formats = (Propagation.B3, Propagation.W3C)
    return next((one for one in formats if tracer and tracer.reads(one)), plan.propagation)


def collect(plan: Plan, trace: Trace, store_error: str, mesh: Mesh) -> tuple[Evidence, list[str]]:
    """Return the evidence for an incomplete trace, and notes about what would show more."""
    store, notes = plan.store, []
    stored: frozenset[str] = frozenset()
    others: list[Sequence[Span]] = []
    if not plan.environment.get("CONSUL_HTTP_ADDR"):
        notes.append("the environment variable CONSUL_HTTP_ADDR allows checks of the config entries")
    sidecars: Mapping[Endpoint, str] = {}
    consul = mesh.consul
    if mesh.client:
        consul = consul and replace(consul, services=service_names(mesh.client))
        try:
            sidecars = known_sidecars(mesh.client, trace, mesh.proxies)
            named = {note.partition(" cannot be read")[0] for note in plan.notes}
            read = named | {one.node_id for one in mesh.proxies}
            notes += unread_instances(mesh.client, trace, read) if mesh.proxies else []
        except ServerError as error:
            notes.append(error.reason)
    if not store_error:
        try:
            stored = reporting_services(store, mesh.proxies, trace.request.started)
            others = other_traces(store, trace)
        except ServerError as error:
            store_error = error.reason
    evidence = Evidence(trace, store.url, store_error, stored, others, mesh.proxies, consul, sidecars)
    return evidence, [*notes, *clock_notes(mesh.proxies), *secondary_facts(evidence)]


def untraced_services(mesh: Mesh, traces: Iterable[Trace]) -> frozenset[str]:
    """Return the services on the path without a span whose sidecars have no tracer by their registrations."""
    if not (mesh.client and mesh.consul and mesh.consul.keys.tracer):
        return frozenset()
    silent = {name for one in traces for name in (one.sender, *(call.service for call in one.unreported))} - {""}
    try:
        return frozenset(name for name in silent if _is_untraced(sidecars_of(mesh.client, name)))
    except ServerError:
        return frozenset()


def _is_untraced(sidecars: Sequence[JsonObject]) -> bool:
    return bool(sidecars) and not any(tracing_keys(one.get("Config")).tracer for one in sidecars)


def compared(proxy: Proxy, consul: HttpClient, notes: list[str]) -> Proxy:
    """Add the configuration of a proxy in Consul, or a note if it cannot be compared. Raises CommandError."""
    try:
        configured, differences = verdict(proxy.running, consul)
    except BootstrapError as error:
        notes.append(f"{proxy.label} cannot be compared with Consul: {error}")
        return proxy
    config = configured.get("Config") or {}
    registered = {key.lower(): value for key, value in config.items()}
    return replace(proxy, configured=tracing_keys(config), registered=registered, differences=tuple(differences))


def reporting_services(store: TraceStore, proxies: Iterable[Proxy], since: int) -> frozenset[str]:
    """Return the services with spans since a time in microseconds: their proxies use this store. Raises ServerError.

    The times of spans are those of the proxy, so the time is converted to its clock.
    """
    found: set[str] = set()
    for proxy in proxies:
        offset, error = 0, CLOCK_SKEW_MICROSECONDS
        if is_skewed(proxy):
            offset, error = int(proxy.clock_offset * 1_000_000), int(TOLERANCE_SECONDS * 1_000_000)
        times = since + offset - error, time.time_ns() // 1000 + offset + error
        service = proxy.service.lower()
        if service not in found and (
            store.traces_of(service, *times, limit=1) or _reports_as_others(store, proxy, *times)
        ):
            found.add(service)
    return frozenset(found)


def _reports_as_others(store: TraceStore, proxy: Proxy, start: int, end: int) -> bool:
    """Return whether a proxy reported spans under the name of its tracer, which other proxies may have too."""
    names = {tracer.service_name.lower() for tracer in proxy.tracers} - {"", proxy.service.lower()}
    spans = (span for name in names for trace in store.traces_of(name, start, end) for span in trace)
    return any(span.tags.get("node_id") == proxy.node_id for span in spans)


def unread_instances(consul: HttpClient, trace: Trace, read: Collection[str]) -> Iterator[str]:
    """Yield a note for each service without a span that has other proxies than those that are read, by their ids."""
    for service in trace.missing:
        addresses = sidecar_addresses(consul, service)
        if unread := [f"{name} ({address})" for name, address in addresses.items() if name not in read]:
            yield f"proxies of {service} that are not read: {shortened(unread)}. --admin for each one finds most causes"


def known_sidecars(consul: HttpClient, trace: Trace, proxies: Iterable[Proxy]) -> dict[Endpoint, str]:
    """Return the sidecars at the URL, if it does not respond, and at mute collectors. Raises ServerError."""
    found = {
        endpoint
        for proxy in proxies
        if (one := collector_of(proxy)) and one.is_other_protocol
        for endpoint in one.endpoints
    }
    if trace.request.status is None:
        found.add((trace.request.host, trace.request.port))
    sidecars = {endpoint: sidecar_at(consul, *endpoint) for endpoint in found}
    return {endpoint: service for endpoint, service in sidecars.items() if service}
