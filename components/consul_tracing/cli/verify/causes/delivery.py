"""Spans that do not arrive in the trace store."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consul_tracing.cli.verify.collectors import ACCEPTED, Collector, collector_of
from consul_tracing.cli.verify.evidence import EVERYTHING, Cause
from consul_tracing.cli.verify.tracers import OTLP_GRPC, OTLP_HTTP, PATHS, ZIPKIN, addresses
from consul_tracing.errors import shortened
from consul_tracing.sources.http import parsed_url, port_of

from .collector_ports import other_protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Proxy

RESTART = ", and restart the proxies"

UNAUTHORIZED = frozenset({401, 403})

STATUS_FIXES = {
    401: "the collector requires credentials: set collector.auth",
    403: "the collector rejects the credentials: set collector.auth, or correct tracer.opentelemetry.headers",
    413: "increase the maximum size of a request in the collector",
    429: "the collector limits the rate: increase its limit, or reduce sampling.random",
}
SERVER_ERROR = 500


def unavailable_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410: the trace store is down."""
    if evidence.store_error:
        fix = "start the trace store, or correct --store"
        yield Cause("CT410", "the trace store", evidence.store_error, fix, EVERYTHING)


def undelivered_spans(proxy: Proxy, evidence: Evidence) -> Cause | None:
    """CT403, CT404, CT416 and CT423: the collector cannot be reached, rejects spans, or is something else."""
    if not (collector := collector_of(proxy)):
        return None
    found = _unreachable(collector) or other_protocol(collector, evidence)
    return found or _without_credential(collector) or _rejected(collector)


def other_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410 and CT417: proxies report spans, and this store has none of them."""
    for proxy in evidence.suspects:
        collector = collector_of(proxy)
        if not collector or proxy.service.lower() in evidence.stored:
            continue
        if collector.tracer.protocol not in {OTLP_GRPC, OTLP_HTTP, ZIPKIN}:
            yield _other_format(collector, evidence)
        elif proxy.count(r"tracing\.\w+\.(reports|spans)_sent"):
            # A refusal over gRPC has the HTTP status 200. Envoy does not count the status in the trailers.
            is_counted = collector.tracer.protocol != OTLP_GRPC
            yield _elsewhere(collector, evidence) if is_counted else _refused(collector, evidence)


def _unreachable(collector: Collector) -> Cause | None:
    name, unanswered = collector.label, collector.unanswered
    reasons = {
        f"TLS to {name} failed": collector.count(r"ssl\.(connection_error|fail_verify\w*)"),
        f"{name} has no address: DNS does not resolve its name": not collector.has_address,
        f"{name} had no address when the proxy sent spans: DNS resolved its name later": collector.unresolved,
        f"{name} does not accept connections": collector.unconnected,
        f"{name} accepts connections, and did not respond to {unanswered} requests in time": unanswered,
    }
    reason = next((reason for reason, found in reasons.items() if found), None)
    if not reason:
        return None
    fix = f"start the collector, or correct collector.host, collector.port and collector.tls{RESTART}"
    if unanswered:
        fix = f"read the log and check the load of the collector, or correct collector.host and collector.port{RESTART}"
    if collector.accepted:
        reason += f". It accepted {collector.accepted} other requests, so it was not available for a part of the time"
        fix = "repeat the command, and find out why the collector was not available, for example in its log"
    return Cause("CT403", collector.proxy.label, reason, fix)


def _without_credential(collector: Collector) -> Cause | None:
    """Return a cause if the proxy cannot read its credential. Over gRPC, no counter shows that spans are rejected."""
    if not collector.unread_credentials or not (collector.tracer.protocol == OTLP_GRPC or _refuses(collector)):
        return None
    file = _file_of(collector)
    return Cause(
        "CT423",
        collector.proxy.label,
        f"the proxy cannot read {file}, and sends spans to {collector.label} without it, or with the former one",
        f"put the credential into {file} on the host of the proxy (render --as sds), and let the proxy read it "
        "(Kubernetes: mount it with the annotation consul.hashicorp.com/consul-sidecar-user-volume)",
    )


def credential_notes(proxies: Iterable[Proxy]) -> Iterator[str]:
    """Yield a note for each proxy that cannot read its credential, whose spans the collector accepts."""
    for proxy in proxies:
        if (collector := collector_of(proxy)) and collector.unread_credentials:
            yield (
                f"the proxy {proxy.label} cannot read {_file_of(collector)}. The collector accepts its spans without "
                "the credential, or with the former one (CT423)"
            )


def _file_of(collector: Collector) -> str:
    return collector.credential.file if collector.credential else "the file of collector.auth"


def _refuses(collector: Collector) -> bool:
    return not UNAUTHORIZED.isdisjoint(collector.statuses)


def _rejected(collector: Collector) -> Cause | None:
    proxy = collector.proxy
    rejected = sorted(collector.statuses.keys() - ACCEPTED)
    dropped = proxy.count(r"tracing\.\w+\.reports_(dropped|failed)")
    if not dropped and not rejected and not collector.closed:
        return None
    status = "does not respond with status 202"
    if rejected:
        status = f"responds with status {shortened([*map(str, rejected)])}"
    elif collector.closed:
        status = f"closed {collector.closed} connections before it responded"
    path = PATHS.get(collector.tracer.protocol)
    fix = f"correct collector.port and the path of the tracer{f' (default: {path})' if path else ''}{RESTART}"
    if any(code >= SERVER_ERROR for code in rejected) or (collector.closed and not rejected):
        fix = "the collector or its storage fails or is overloaded: read its log"
    fix = next((STATUS_FIXES[code] for code in rejected if code in STATUS_FIXES), fix)
    if _refuses(collector) and (sent := collector.credential):
        fix = f"the collector rejects the header {sent.header}: correct its value in {sent.file}"
    lost = f"the proxy dropped {dropped or 'its'} reports"
    return Cause("CT404", proxy.label, f"{collector.label} {status}, and {lost}", fix)


def _refused(collector: Collector, evidence: Evidence) -> Cause:
    proxy, place = collector.proxy, _place(collector)
    same_host = {host for host, _ in collector.endpoints} & {urlsplit(evidence.store).hostname}
    likely = ". The collector is on the host of the store, which makes a refusal likely" if same_host else ""
    return Cause(
        "CT417",
        proxy.label,
        f"the proxy sent spans over gRPC to {place}, and {evidence.store} has none of its spans. Either the collector "
        f"refused them, which no counter of the proxy shows, or it belongs to another store{likely}",
        "read the log of the collector, or that of the proxy (OTLP trace export failed with status) after curl -X POST "
        "ADMIN/logging?tracing=debug, or set tracer.opentelemetry.transport: http, whose statuses are counted. If "
        f"nothing is refused, set --store to the store of the collector {place}",
    )


def _elsewhere(collector: Collector, evidence: Evidence) -> Cause:
    proxy, protocol, place = collector.proxy, collector.tracer.protocol, _place(collector)
    seen = f"the proxy sent spans to {place}, and {evidence.store} has none of its spans"
    fix = f"set --store to the store of the collector {place}, or correct collector.host"
    if _endpoint(evidence.store) in collector.endpoints:
        if protocol == ZIPKIN:
            seen += ". It is this store, which accepted them and dropped or delayed them"
            fix = (
                "read the log of the store: its storage fails or is slow, or it samples (Zipkin: COLLECTOR_SAMPLE_RATE)"
            )
        else:
            seen += ". It is the API of this store, which does not receive spans"
            fix = f"set collector.port to the port for {protocol}{RESTART}"
    return Cause("CT410", proxy.label, seen, fix)


def _other_format(collector: Collector, evidence: Evidence) -> Cause:
    protocol = collector.tracer.protocol
    seen = f"the tracer {collector.tracer.name} sends spans for {protocol}, which {evidence.store} does not receive"
    fix = "use tracer.zipkin or tracer.opentelemetry, or a collector that converts the spans for this store"
    return Cause("CT410", collector.proxy.label, seen, fix)


def _place(collector: Collector) -> str:
    return addresses(collector.endpoints) or collector.tracer.cluster


def _endpoint(url: str) -> tuple[str, int]:
    parsed = parsed_url(url)
    return parsed.hostname or "", port_of(parsed)
