"""Spans that do not arrive in the trace store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import EVERYTHING, Cause

from .texts import addresses, listed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Proxy


def unavailable_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410: the trace store is down."""
    if evidence.store_error:
        fix = "start the trace store, or correct --store"
        yield Cause("CT410", "the trace store", evidence.store_error, fix, EVERYTHING)


def undelivered_spans(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT403 and CT404: the collector cannot be reached, or rejects spans."""
    name = proxy.collector
    stats = rf"cluster\.{re.escape(name)}\."
    collector = f"the collector {addresses(proxy.clusters.get(name, ()))}".strip()
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
    status = f"responds with status {listed(rejected)}" if rejected else "does not respond with status 202"
    fix = "correct collector.port and the path of the tracer (Zipkin: /api/v2/spans), and restart the proxies"
    return Cause("CT404", proxy.label, f"{collector} {status}, and the proxy dropped {dropped or 'its'} reports", fix)


def other_store(evidence: Evidence) -> Iterator[Cause]:
    """CT410: proxies report spans, but not to this store."""
    for proxy in evidence.suspects:
        sent = proxy.count(r"tracing\.\w+\.(reports|spans)_sent")
        if sent and proxy.service.lower() not in evidence.stored:
            collector = addresses(proxy.clusters.get(proxy.collector, ()))
            yield Cause(
                "CT410",
                proxy.label,
                f"the proxy sent spans to {collector or proxy.collector}, and {evidence.store} has none of its spans",
                f"set --store to the store of the collector {collector}, or correct collector.host",
            )
