"""Proxies whose listeners or clusters Envoy rejected."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import THE_REQUEST, Cause
from consul_tracing.envoy_messages.comparison import differing_paths
from consul_tracing.envoy_messages.messages import LISTENER_TRACING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Listener, Proxy
    from consul_tracing.entries.tracing_keys import TracingKeys


def rejected_listeners(evidence: Evidence) -> Iterator[Cause]:
    """CT402 and CT407: proxies that do not have the current listener. Without any listener requests fail."""
    for proxy in evidence.suspects:
        for listener in proxy.listeners:
            if not listener.error or _is_current(listener, proxy.configured):
                continue
            cause = Cause(
                "CT407",
                proxy.label,
                f"the proxy rejected its listener: {listener.error}",
                "correct the field in envoy_listener_tracing_json of proxy-defaults/global. Proxies apply it "
                "without a restart",
            )
            if "unknown cluster" in listener.error:
                cause = _unknown_cluster(proxy, listener.error.rpartition("unknown cluster ")[2].strip("'"))
            yield cause if listener.port else replace(cause, explains=frozenset({proxy.label, THE_REQUEST}))
            break


def missing_cluster(proxy: Proxy, _: Evidence) -> Cause | None:
    """CT402: the proxy does not have the cluster of its tracer."""
    name = proxy.collector
    is_known = not name or name in proxy.clusters or f"cluster.{name}.membership_total" in proxy.stats
    if is_known and not proxy.count(r"tracing\.\w+\.reports_skipped_no_cluster"):
        return None
    return _unknown_cluster(proxy, name)


def _unknown_cluster(proxy: Proxy, cluster: str) -> Cause:
    is_declared = proxy.configured is None or cluster in proxy.configured.clusters
    fix = f"restart the proxy of {proxy.service}, so that it reads the cluster"
    if not is_declared:
        fix = f"add the cluster {cluster} to envoy_extra_static_clusters_json, or correct its name in the tracer"
    return Cause("CT402", proxy.label, f'the proxy has no cluster "{cluster}", which its tracer names', fix)


def _is_current(listener: Listener, configured: TracingKeys | None) -> bool:
    """Return whether a listener has the settings in Consul although an earlier update was rejected."""
    if configured is None or listener.tracing is None:
        return False
    return not any(differing_paths(configured.listener_block, listener.tracing, LISTENER_TRACING))
