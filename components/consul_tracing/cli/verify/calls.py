"""Calls between services of the mesh, by the spans of the proxies that sent and received them."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.spans import Span

CLUSTER = "upstream_cluster.name"
"""The tag with the cluster to which a proxy sent the request."""

LOCAL_APP = "local_app"
"""The cluster of the program behind a sidecar."""

MESH_CLUSTER = re.compile(
    r"(?:.*~)?(?:[^.]+\.)?([^.]+)\.[^.]+\.(?:[^.]+\.internal|[^.]+\.[^.]+\.internal-v1)\.[^.]+\.consul"
)
"""Consul's name for the instances of a service in the mesh: `[failover-target~][subset.]service.namespace.datacenter
.internal.trust-domain.consul`, with the partition before the datacenter if it is not the default one. Services of
another cluster (peering) have `external`, and their spans may be in another trace store.

Ref: https://github.com/hashicorp/consul/blob/main/agent/connect/sni.go
"""


@dataclass(frozen=True)
class Call:
    """A call of a service to another one."""

    caller: str
    service: str
    """The called service, in lower case."""
    span: Span
    """The span of the caller's proxy."""


def service_of(cluster: str) -> str:
    """Return the service of the mesh to which a cluster belongs, in lower case. Empty for another cluster."""
    match = MESH_CLUSTER.fullmatch(cluster)
    return match[1].lower() if match else ""


def unreported_calls(spans: Sequence[Span]) -> tuple[Call, ...]:
    """Return the calls of services of the mesh that no proxy reported as received.

    Calls that did not arrive are none: the proxy of the caller has a flag for them, such as UF or NR.
    """
    children: defaultdict[str | None, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.id if span.is_shared else span.parent_id].append(span)
    calls = [
        Call(span.service, service, span)
        for span in spans
        if span.kind == "CLIENT" and not _flags(span) and (service := service_of(span.tags.get(CLUSTER, "")))
    ]
    return tuple(call for call in calls if not any(_is_received(call, span) for span in children[call.span.id]))


def involved_services(spans: Sequence[Span]) -> set[str]:
    """Return the services that have a span or are called."""
    return {name for span in spans for name in (span.service, service_of(span.tags.get(CLUSTER, "")))}


def received_calls(spans: Sequence[Span]) -> list[tuple[Span, str]]:
    """Return the calls, and the services whose proxies received them."""
    return [
        (call, span.service)
        for call in spans
        if call.kind == "CLIENT"
        for span in spans
        if span.kind == "SERVER" and call.id == (span.id if span.is_shared else span.parent_id)
    ]


def is_received(span: Span) -> bool:
    """Return whether a sidecar reported the span for a request that another proxy sent."""
    return span.kind == "SERVER" and span.tags.get(CLUSTER) == LOCAL_APP


def ancestors(span: Span, spans: Sequence[Span]) -> set[str]:
    """Return the ids of the parents of a span and of their parents. The first one may be the context of the request."""
    parents = {one.id: one.parent_id for one in spans if not one.is_shared}
    found: set[str] = set()
    current = span.parent_id
    while current and current not in found:
        found.add(current)
        current = parents.get(current)
    return found


def _flags(span: Span) -> str:
    return span.tags.get("response_flags", "").strip("-")


def _is_received(call: Call, span: Span) -> bool:
    """Return whether a span is the called service's one for the call.

    Another service can receive it: the target of a redirect or a failover, or a terminating gateway. The request is
    then the same. It is another request if the proxy of the called service reported no span, and its program passed
    the trace headers on.
    """
    if span is call.span or span.kind != "SERVER":
        return False
    if call.service in {span.service.lower(), service_of(span.tags.get(CLUSTER, ""))}:
        return True
    sent, received = (one.tags.get("http.url") for one in (call.span, span))
    return sent == received or not sent or not received
