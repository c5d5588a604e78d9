"""Proxies whose listeners or clusters Envoy rejected."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from consul_tracing.cli.verify.evidence import THE_REQUEST, Cause
from consul_tracing.cli.verify.proxies import random_sampling
from consul_tracing.envoy_messages.comparison import differing_paths
from consul_tracing.envoy_messages.messages import LISTENER_TRACING

UNKNOWN_CLUSTER = re.compile(r"envoy\.tracers\.\w+: unknown cluster '([^']*)'")

ALWAYS = 100
"""Percent of requests at which each is traced."""

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Listener, Proxy


def rejected_listeners(evidence: Evidence) -> Iterator[Cause]:
    """CT402 and CT407: proxies with a rejected listener that would have traced the request."""
    for proxy in evidence.suspects:
        rejected = [one for one in proxy.listeners if one.error and _is_needed(one, proxy, evidence)]
        for listener in rejected[:1]:
            yield _rejection(proxy, listener)


def other_rejections(evidence: Evidence) -> Iterator[str]:
    """Return notes about rejected listeners of proxies without a span that are not the cause."""
    for proxy in evidence.suspects:
        for one in proxy.listeners:
            if one.error and not _is_needed(one, proxy, evidence):
                yield (
                    f"{proxy.label} once rejected an update of its listener {one.name}: {one.error}. This is not the "
                    "cause: the update would not have traced the request, or the listener does already"
                )


def _is_needed(listener: Listener, proxy: Proxy, evidence: Evidence) -> bool:
    """Return whether the rejected listener would have traced the request, and the active one, if any, does not.

    Envoy reports a rejection until it accepts another update. One with the former content is none.
    """
    if not listener.port:
        return True
    rejected, active = listener.rejected, listener.tracing or {}
    if rejected is None or rejected == listener.tracing:
        return False
    if proxy.configured and not any(differing_paths(proxy.configured.listener_block, active, LISTENER_TRACING)):
        return False
    is_followed = proxy.follows(evidence.trace.request.context)
    is_traced = bool(proxy.tracers) and (is_followed or proxy.sampling >= ALWAYS)
    can_be_traced = is_followed or random_sampling(proxy.running.bootstrap, rejected) > 0
    return rejected.get("provider") != active.get("provider") or (can_be_traced and not is_traced)


def _rejection(proxy: Proxy, listener: Listener) -> Cause:
    explains = frozenset({proxy.label} if listener.port else {proxy.label, THE_REQUEST})
    if found := UNKNOWN_CLUSTER.search(listener.error):
        return replace(_unknown_cluster(proxy, found[1]), explains=explains)
    fix = "correct the field in envoy_listener_tracing_json of proxy-defaults/global"
    if not listener.port:
        fix = f"{fix}, or the Envoy extension or escape hatch that the reason names"
    seen = f"the proxy rejected its listener {listener.name}: {listener.error}"
    return Cause("CT407", proxy.label, seen, f"{fix}. Proxies apply it without a restart", explains)


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
        fix = (
            f"add the cluster {cluster} to envoy_extra_static_clusters_json, or correct its name in the tracer, and "
            f"restart the proxy of {proxy.service}"
        )
    return Cause("CT402", proxy.label, f'the proxy has no cluster "{cluster}", which its tracer names', fix)
