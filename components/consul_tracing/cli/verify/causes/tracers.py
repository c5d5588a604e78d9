"""Proxies that started with another tracer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.evidence import Cause
from consul_tracing.cli.verify.tracers import addresses, endpoints
from consul_tracing.errors import shortened
from consul_tracing.names import PROXY_CONFIG_MAP

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from consul_tracing.cli.verify.evidence import Evidence
    from consul_tracing.cli.verify.proxies import Proxy

UNTRACED = (
    "the registration of the proxy has an envoy_tracing_json without a tracer, which replaces that of "
    "proxy-defaults/global"
)


def untraced_fix(service: str) -> str:
    """Return what traces a service whose registration disables tracing."""
    return (
        f"remove envoy_tracing_json from the registration (in a pod: from the annotation {PROXY_CONFIG_MAP}) "
        f"and restart the proxy of {service}, or leave {service} out of --expect"
    )


def stale_tracer(proxy: Proxy, evidence: Evidence) -> Cause | None:
    """CT401: the proxy started with another tracer than the one of its configuration in Consul."""
    configured, start = proxy.configured, proxy.running.started
    started = f"the proxy started at {start} " if start else "it started "
    restart = f"restart the proxy of {proxy.service}"
    if not proxy.tracers:
        if configured and not configured.bootstrap_tracer:
            if "provider" in configured.listener:
                return None
            if evidence.consul and evidence.consul.keys.tracer:
                untraced = Cause("CT401", proxy.label, UNTRACED, untraced_fix(proxy.service))
                return untraced if evidence.is_expected(proxy) else None
            configure = "write the tracer to proxy-defaults/global (pulumi up), then " + restart
            return Cause("CT401", proxy.label, "neither the proxy nor proxy-defaults/global has a tracer", configure)
        now = ", and Consul has one now" if configured else ""
        return Cause("CT401", proxy.label, f"{started}without a tracer{now}", restart)
    if configured is None or configured.bootstrap_tracer is None or proxy.tracer is None:
        return None
    if not _traced(proxy, evidence.trace.request.context):
        return None
    if fields := _differing(proxy, "tracer"):
        return Cause("CT401", proxy.label, f"{started}with another tracer: {_differ(fields)}", restart)
    name = proxy.tracer.cluster
    if not (fields := _differing(proxy, f"static cluster {name}")):
        return None
    before, now_at = proxy.clusters.get(name, ()), endpoints(configured.clusters.get(name))
    changed = f"collector {addresses(before)}, and Consul has {addresses(now_at)}"
    if before == now_at:
        changed = f"settings of the collector: {_differ(fields)}"
    return Cause("CT401", proxy.label, f"{started}with {'the' if before != now_at else 'other'} {changed}", restart)


def stale_notes(proxies: Iterable[Proxy], causes: Iterable[Cause]) -> Iterator[str]:
    """Yield what the next restart of a proxy changes, if it is not a cause already."""
    known = {cause.proxy for cause in causes if cause.code == "CT401"}
    for proxy in proxies:
        subjects = "tracer: ", f"static cluster {proxy.collector}: "
        changed = [one for one in proxy.differences if one.startswith(subjects)]
        if changed and proxy.tracers and proxy.label not in known:
            effect = f"changes its tracer: Consul has another one now ({shortened(changed)})"
            if "tracer: removed" in changed:
                effect = "ends its tracing: Consul has no tracer for it now"
            yield f"a restart of {proxy.label} {effect}"


def _differ(fields: Sequence[str]) -> str:
    return f"{shortened(fields)} {'differs' if len(fields) == 1 else 'differ'}"


def _traced(proxy: Proxy, context: Propagation) -> bool:
    """Return whether a proxy sent spans since the request, or cannot follow its headers. True if it is not known.

    A proxy that sends no span where its tracer would does so with every tracer.
    """
    is_known = bool(proxy.increases) and any(one.startswith("tracing.") for one in proxy.increases)
    can_follow = context is Propagation.NONE or any(one.reads(context) for one in proxy.tracers)
    return not is_known or not can_follow or bool(proxy.count(r"tracing\.\w+\.(reports|spans|traces)_\w+"))


def _differing(proxy: Proxy, subject: str) -> list[str]:
    """Return the fields in which a message of the bootstrap differs from the one in Consul."""
    found = [one.removeprefix(f"{subject}: ") for one in proxy.differences if one.startswith(f"{subject}: ")]
    return [one.removeprefix("http.").removeprefix("typed_config.") for one in found if one not in {"added", "removed"}]
