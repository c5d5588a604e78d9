"""Facts about a request with an incomplete trace, and the causes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from consul_tracing.sources.spans import Span

    from .consul_config import ConsulConfig
    from .proxies import Listener, Proxy
    from .tracers import Endpoint
    from .traces import Trace


THE_REQUEST = "the request"

EVERYTHING = frozenset({"everything"})
"""What a cause explains that is sufficient for all missing spans."""


@dataclass(frozen=True)
class Cause:
    """A cause of an incomplete trace."""

    code: str
    proxy: str
    """The proxy, or the other party: the request, the service, the trace store."""
    evidence: str
    fix: str
    explains: frozenset[str] | None = None
    """What follows from it: missing spans of a service, of a proxy by its label, the failure of THE_REQUEST, or
    EVERYTHING. Default: the missing spans of `proxy`."""


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
    sidecars: Mapping[Endpoint, str] = field(default_factory=dict)
    """The services of sidecars by their addresses for requests from the mesh, as far as Consul was asked."""
    causes: tuple[Cause, ...] = ()
    """The causes that have been found."""

    @property
    def suspects(self) -> list[Proxy]:
        """The proxies that should have reported a span, did not, and have no cause yet."""
        silent = [one for one in self.proxies if one.is_on_path and self._is_silent(one) and self._is_required(one)]
        return [one for one in silent if not self.has_cause(one.label) and not self.has_cause(one.service.lower())]

    def is_expected(self, proxy: Proxy) -> bool:
        """Return whether the service of a proxy must have a span."""
        return proxy.service.lower() in {*self.trace.expected, *self.trace.missing}

    def _is_silent(self, proxy: Proxy) -> bool:
        """Return whether a proxy has no span, and its span may be missing.

        Replicas of a service have node ids, and spans of applications have none.
        """
        name, identity = proxy.service.lower(), proxy.running.node.get("id")
        if self.trace.has_spans_under_another_name(proxy):
            return False
        nodes = {(span.service.lower() == name, span.tags.get("node_id")) for span in self.trace.spans}
        if not any(is_own for is_own, _ in nodes):
            return True
        is_incomplete = bool(self.trace.orphans) or any(call.service == name for call in self.trace.unreported)
        has_identities = bool(identity) and any(node for _, node in nodes)
        return is_incomplete and has_identities and (True, identity) not in nodes

    def _is_required(self, proxy: Proxy) -> bool:
        """Return whether a span of a proxy can be missing. Without --expect, any proxy that traces can be on the path.

        The spans of a proxy that is not expected are missing if it has a tracer: they are then parents of others.
        """
        trace = self.trace
        if self.is_expected(proxy):
            return True
        may_lack_calls = proxy.is_gateway and bool(trace.unreported) and proxy.should_trace
        if (proxy.is_gateway or trace.expected) and not proxy.tracers and not may_lack_calls:
            return False
        is_http = any(one.is_http or not one.port for one in proxy.listeners)
        return is_http and (proxy.is_gateway or not trace.expected or bool(trace.orphans))

    @property
    def missing(self) -> list[str]:
        """The expected services without a span that have no cause yet."""
        return [name for name in self.trace.missing if not self.has_cause_of_service(name)]

    @property
    def is_explained(self) -> bool:
        """Whether each missing span has a cause."""
        return bool(self.causes) and not self.missing and not self.suspects

    def has_cause(self, name: str) -> bool:
        """Return whether a cause explains the missing spans of a service, or of a proxy by its label."""
        return name in self.explained or self.explained >= EVERYTHING

    def has_cause_of_service(self, name: str) -> bool:
        """Return whether a cause explains the missing spans of a service or of one of its proxies."""
        labels = [one.label for one in self.proxies if one.service.lower() == name]
        return self.has_cause(name) or any(map(self.has_cause, labels))

    @cached_property
    def explained(self) -> frozenset[str]:
        """What the causes explain."""
        return frozenset().union(*(cause.explains or {cause.proxy} for cause in self.causes))

    def sidecar_at(self, endpoint: Endpoint) -> str:
        """Return the service whose sidecar receives requests from the mesh at an address. Empty if there is none."""
        listeners = [(proxy, one) for proxy in self.proxies for one in proxy.public_listeners]
        known = (proxy.service for proxy, one in listeners if one.is_at(endpoint))
        return next(known, self.sidecars.get(endpoint, ""))

    @property
    def entry(self) -> tuple[Proxy, Listener] | None:
        """The proxy that receives the request, and its listener. None if it is not known."""
        return self.entries[0] if len(self.entries) == 1 else None

    @cached_property
    def entries(self) -> list[tuple[Proxy, Listener]]:
        """The listeners that may receive the request. Several hosts can have a listener with the port of the URL."""
        host = _host(self.trace.request.host)
        listeners = [(proxy, one) for proxy in self.proxies for one in proxy.listeners]
        found = [
            one for one in listeners if one[1].port == self.trace.request.port and one[0].received(one[1]) is not False
        ]
        found = [one for one in found if _host(one[1].address) == host] or found
        return [one for one in found if _host(one[0].running.address.rpartition(":")[0]) == host] or found

    @property
    def first_proxies(self) -> list[Proxy]:
        """The proxies that may be the first one on the path of the request."""
        callers = [one for one in self.proxies if one.service.lower() in self.trace.expected[:1]]
        return [self.entry[0]] if self.entry else [one for one in callers or self.proxies if one.is_on_path]


def _host(address: str) -> str:
    """Return a host in one form: this machine has several names."""
    host = address.strip("[]").lower()
    return "localhost" if host in {"127.0.0.1", "::1"} else host
