"""The causes of an incomplete trace."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.cli.message_comparison import differing_paths
from consul_tracing.errors import format_rate

from .contexts import Propagation
from .failures import last_failure, last_servers
from .trace_tree import service_of, trace_tree
from .tracers import endpoints

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from consul_tracing.entries.tracing_keys import TracingKeys
    from consul_tracing.sources.zipkin import Span

    from .consul_config import ConsulConfig
    from .proxies import Listener, Proxy
    from .tracers import Endpoint
    from .traces import Trace

MAX_LISTED = 3


@dataclass(frozen=True)
class Cause:
    """A cause of an incomplete trace."""

    code: str
    proxy: str
    """The proxy, or the other party: the request, the service, the trace store."""
    evidence: str
    fix: str


@dataclass(frozen=True)
class Evidence:
    """Facts about a request with an incomplete trace."""

    trace: Trace
    store: str = ""
    """The URL of the trace store."""
    store_error: str = ""
    stored: frozenset[str] = frozenset()
    """Services with a span in the trace store since the request."""
    others: Sequence[Sequence[Span]] = ()
    """Traces that services of this trace started for it."""
    proxies: Sequence[Proxy] = ()
    consul: ConsulConfig | None = None

    @property
    def suspects(self) -> list[Proxy]:
        """The proxies that should have reported a span and did not."""
        trace = self.trace
        silent = [one for one in self.proxies if one.service.lower() not in trace.services]
        return [one for one in silent if not trace.expected or one.service.lower() in trace.expected or one.is_gateway]

    @property
    def entry(self) -> tuple[Proxy, Listener] | None:
        """The proxy that receives the request, and its listener."""
        listeners = ((proxy, one) for proxy in self.proxies for one in proxy.listeners)
        return next((found for found in listeners if found[1].port == self.trace.request.port), None)


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


def rejected_listeners(evidence: Evidence) -> Iterator[Cause]:
    """CT402 and CT407: proxies that do not have the current listener. Its absence also makes requests fail."""
    for proxy in evidence.suspects:
        for listener in proxy.listeners:
            if not listener.error or _is_current(listener, proxy.configured):
                continue
            if "unknown cluster" in listener.error:
                yield _unknown_cluster(proxy, listener.error.rpartition("unknown cluster ")[2].strip("'"))
            else:
                yield Cause(
                    "CT407",
                    proxy.label,
                    f"the proxy rejected its listener: {listener.error}",
                    "correct the field in envoy_listener_tracing_json of proxy-defaults/global. Proxies apply it "
                    "without a restart",
                )
            break


def failed_request(evidence: Evidence) -> Iterator[Cause]:
    """CT411: the request failed."""
    trace, request = evidence.trace, evidence.trace.request
    if request.is_successful:
        return
    place = last_failure(trace.spans) or request.responder or "where it ended is unknown"
    yield Cause(
        "CT411",
        "the request",
        f"{request.url}: {request.outcome}; {place}",
        "check that the services run, are healthy in Consul, and that intentions allow the call",
    )


def unavailable_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410: the trace store is down."""
    if evidence.store_error:
        yield Cause("CT410", "the trace store", evidence.store_error, "start the trace store, or correct --zipkin")


def unsampled_by_caller(evidence: Evidence) -> Iterator[Cause]:
    """CT405: a header of the request disables sampling."""
    if header := evidence.trace.request.unsampled_header:
        yield Cause(
            "CT405",
            "the request",
            f"the header {header} marks the request as not sampled, and every proxy follows it",
            f"remove the header {header}, or set it to sampled in the caller",
        )


def silent_proxies(evidence: Evidence) -> Iterator[Cause]:
    """Return the first cause of each proxy or service without a span."""
    explained: set[str] = set()
    for proxy in evidence.suspects:
        checks = (stale_tracer, missing_cluster, undelivered_spans)
        if cause := next((found for check in checks if (found := check(proxy, evidence))), None):
            explained.add(proxy.service.lower())
            yield cause
    yield from (cause for name, cause in services_without_http(evidence) if name not in explained)


def stale_tracer(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT401: the proxy started with another tracer than the one of its configuration in Consul."""
    configured, start = proxy.configured, proxy.running.started
    started = f"the proxy started at {start} " if start else "it started "
    restart = f"restart the proxy of {proxy.service}"
    if not proxy.tracers:
        if configured and not configured.bootstrap_tracer:
            if "provider" in configured.listener:
                return None
            configure = "write the tracer to proxy-defaults/global (pulumi up), then " + restart
            return Cause("CT401", proxy.label, "neither the proxy nor proxy-defaults/global has a tracer", configure)
        now = ", and Consul has one now" if configured else ""
        return Cause("CT401", proxy.label, f"{started}without a tracer{now}", restart)
    if configured is None or configured.bootstrap_tracer is None or proxy.tracer is None:
        return None
    if fields := _differing(proxy, "tracer"):
        return Cause("CT401", proxy.label, f"{started}with another tracer: {_listed(fields)} differ", restart)
    name = proxy.tracer.cluster
    if not (fields := _differing(proxy, f"static cluster {name}")):
        return None
    before, now_at = proxy.clusters.get(name, ()), endpoints(configured.clusters.get(name))
    changed = f"collector {_addresses(before)}, and Consul has {_addresses(now_at)}"
    if before == now_at:
        changed = f"settings of the collector: {_listed(fields)} differ"
    return Cause("CT401", proxy.label, f"{started}with {'the' if before != now_at else 'other'} {changed}", restart)


def _differing(proxy: Proxy, subject: str) -> list[str]:
    """Return the fields in which a message of the bootstrap differs from the one in Consul."""
    found = [one.removeprefix(f"{subject}: ") for one in proxy.differences if one.startswith(f"{subject}: ")]
    return [one.removeprefix("http.").removeprefix("typed_config.") for one in found if one not in {"added", "removed"}]


def missing_cluster(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT402: the proxy does not have the cluster of its tracer."""
    name = proxy.collector
    is_known = not name or name in proxy.clusters or f"cluster.{name}.membership_total" in proxy.stats
    if is_known and not proxy.count(r"tracing\.\w+\.reports_skipped_no_cluster"):
        return None
    return _unknown_cluster(proxy, name)


def undelivered_spans(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT403 and CT404: the collector cannot be reached, or rejects spans."""
    name = proxy.collector
    stats = rf"cluster\.{re.escape(name)}\."
    collector = f"the collector {_addresses(proxy.clusters.get(name, ()))}".strip()
    unreachable = {
        f"TLS to {collector} failed": proxy.count(stats + r"ssl\..*"),
        f"{collector} has no address: DNS does not resolve its name": proxy.stats.get(
            f"cluster.{name}.membership_total", 1
        )
        == 0,
        f"{collector} does not accept connections": proxy.count(stats + r"upstream_cx_(connect_\w+|none_healthy)"),
    }
    if reason := next((reason for reason, found in unreachable.items() if found), None):
        fix = (
            "start the collector, or correct collector.host, collector.port and collector.tls, and restart the proxies"
        )
        return Cause("CT403", proxy.label, reason, fix)
    codes = {
        key.rpartition("_")[2]: count
        for key, count in proxy.increases.items()
        if count and re.fullmatch(stats + r"upstream_rq_\d{3}", key)
    }
    rejected = sorted(code for code in codes if code not in {"200", "202"})
    dropped = proxy.count(r"tracing\.\w+\.reports_(dropped|failed)")
    if not dropped and not rejected:
        return None
    status = f"responds with status {_listed(rejected)}" if rejected else "does not respond with status 202"
    fix = "correct collector.port and the path of the tracer (Zipkin: /api/v2/spans), and restart the proxies"
    return Cause("CT404", proxy.label, f"{collector} {status}, and the proxy dropped {dropped or 'its'} reports", fix)


def services_without_http(evidence: Evidence) -> Iterator[tuple[str, Cause]]:
    """CT409: services whose requests are not parsed. Yields the service and the cause."""
    trace, entry = evidence.trace, evidence.entry
    for name in _services_to_check(evidence):
        proxies = [one for one in evidence.proxies if one.service.lower() == name]
        listeners = [(one, listener) for one in proxies for listener in one.public_listeners]
        listeners += [
            (one, listener)
            for one in evidence.proxies
            for listener in one.listeners
            if listener.is_outbound and _upstream(listener) == name
        ]
        found = next((one for one in listeners if not one[1].is_http), None)
        if entry and entry[1].is_http and entry[0] in proxies:
            continue
        if found:
            proxy, listener = found
            seen = f"the listener {listener.name} has no HTTP connection manager"
            yield name, Cause("CT409", proxy.label, seen, _declare(name))
        elif not listeners and evidence.consul and trace.services and not evidence.consul.is_http(name):
            yield name, Cause("CT409", name, f"Consul has no HTTP protocol for the service {name}", _declare(name))


def limited_callers(evidence: Evidence) -> Iterator[Cause]:
    """CT412: proxies that apply their sampling rate to requests that are sampled already."""
    for proxy in evidence.proxies:
        if proxy.limits_callers and not proxy.is_gateway:
            version = ".".join(map(str, proxy.release))
            yield Cause(
                "CT412",
                proxy.label,
                f"the OpenTelemetry tracer of Envoy {version} samples {proxy.sampling:g} % of all requests, also of "
                "those that the caller has sampled, so traces break",
                'set envoy_version: "1.35" or newer, which moves the rate to the sampler of the tracer, run pulumi up, '
                f"and restart the proxy of {proxy.service}",
            )


def unsampled_request(evidence: Evidence) -> Iterator[Cause]:
    """CT405 and CT406: the first proxy does not sample the request."""
    context, consul = evidence.trace.request.context, evidence.consul
    if evidence.trace.spans:
        return
    proxies = [evidence.entry[0]] if evidence.entry else evidence.proxies
    for proxy in proxies:
        if proxy.follows(context) or proxy.sampling >= 100:  # noqa: PLR2004 - percent
            continue
        rate = f"random sampling is {format_rate(proxy.sampling)}"
        ignored = f", and the tracer does not follow {context}" if context is not Propagation.NONE else ""
        if proxy.is_gateway and not proxy.sampling:
            yield Cause(
                "CT406",
                proxy.label,
                f"the gateway marks requests {_unsampled_by(proxy)} as not sampled: its {rate}",
                "start the gateway with the output gateway_envoy_args (consul-tracing render --as gateway), or set "
                "gateways: skip (README, section Gateways)",
            )
        else:
            repeat = "set sampling.random above 0, such as 1.0" if not proxy.sampling else "repeat with more --requests"
            readable = next((one for one in (Propagation.B3, Propagation.W3C) if proxy.follows(one)), None)
            instead = f", or use --propagation {readable}" if readable else ""
            yield Cause("CT405", proxy.label, f"{rate}{ignored}", f"{repeat}{instead}")
        return
    if not evidence.proxies and consul and context is Propagation.NONE:
        rate_of_mesh = consul.keys.listener_block.get("random_sampling", {"value": 100}).get("value", 0)
        if rate_of_mesh == 0:
            evidence_text = "envoy_listener_tracing_json has no random sampling, so proxies start no trace"
            yield Cause("CT405", "proxy-defaults/global", evidence_text, "set sampling.random above 0, such as 1.0")


def other_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410: proxies report spans, but not to this store."""
    for proxy in evidence.suspects:
        sent = proxy.count(r"tracing\.\w+\.(reports|spans)_sent")
        if sent and proxy.service.lower() not in evidence.stored:
            collector = _addresses(proxy.clusters.get(proxy.collector, ()))
            yield Cause(
                "CT410",
                proxy.label,
                f"the proxy sent spans to {collector or proxy.collector}, and {evidence.store} has none of its spans",
                f"set --zipkin to the store of the collector {collector}, or correct collector.host",
            )


def lost_headers(evidence: Evidence) -> Iterator[Cause]:
    """CT408: an application does not pass the trace headers on."""
    trace = evidence.trace
    if evidence.others:
        for service, traces in _by_first_service(evidence.others).items():
            services = sorted({service_of(span) for spans in traces for span in spans})
            ids = _listed([spans[0]["traceId"] for spans in traces])
            started = f"while {service} handled the request of trace {trace.trace_id}, its call started trace {ids}"
            yield Cause("CT408", service, f"{started} with spans of {', '.join(services)}", _pass_on(service))
    elif trace.missing and (last := last_servers(trace.spans)):
        for service in last:
            seen = (
                f"{service} received the request and made no traced call; spans of {_listed(trace.missing)} are missing"
            )
            yield Cause("CT408", service, seen, _pass_on(service))


def _services_to_check(evidence: Evidence) -> list[str]:
    """Return the services that may not be HTTP: the missing ones, and the upstream that receives the request.

    The first expected service is the caller, whose own protocol is irrelevant.
    """
    trace, entry = evidence.trace, evidence.entry
    names = [name for name in trace.missing if name != trace.expected[0] or entry]
    if entry and not entry[1].is_http and entry[1].is_outbound:
        return [_upstream(entry[1])]
    return names


def _by_first_service(traces: Iterable[Sequence[Span]]) -> dict[str, list[Sequence[Span]]]:
    found: dict[str, list[Sequence[Span]]] = {}
    for spans in traces:
        found.setdefault(service_of(trace_tree(spans)[0].span), []).append(spans)
    return found


def _is_current(listener: Listener, configured: TracingKeys | None) -> bool:
    """Return whether a listener has the settings in Consul although an earlier update was rejected."""
    if configured is None or listener.tracing is None:
        return False
    return not any(differing_paths(configured.listener_block, listener.tracing))


def _unknown_cluster(proxy: Proxy, cluster: str) -> Cause:
    is_declared = proxy.configured is None or cluster in proxy.configured.clusters
    fix = f"restart the proxy of {proxy.service}, so that it reads the cluster"
    if not is_declared:
        fix = f"add the cluster {cluster} to envoy_extra_static_clusters_json, or correct its name in the tracer"
    return Cause("CT402", proxy.label, f'the proxy has no cluster "{cluster}", which its tracer names', fix)


def _unsampled_by(gateway: Proxy) -> str:
    return "with or without a trace context" if gateway.limits_callers else "without trace context"


def _upstream(listener: Listener) -> str:
    return re.split(r"[:?]", listener.name)[0].lower()


def _declare(service: str) -> str:
    return f"declare the protocol: services: {{{service}: {{protocol: http}}}}"


def _pass_on(service: str) -> str:
    return (
        f"change the application {service}: copy b3, x-b3-*, traceparent, tracestate and x-request-id from each "
        "request to the calls it makes for it"
    )


def _addresses(endpoints: Iterable[Endpoint]) -> str:
    return ", ".join(f"{host}:{port}" for host, port in endpoints)


def _listed(values: Sequence[str]) -> str:
    more = f" and {len(values) - MAX_LISTED} more" if len(values) > MAX_LISTED else ""
    return ", ".join(values[:MAX_LISTED]) + more
