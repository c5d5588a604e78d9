"""Facts about a request with an incomplete trace, and the causes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.spans import Span

    from .consul_config import ConsulConfig
    from .proxies import Listener, Proxy
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
    causes: tuple[Cause, ...] = ()
    """The causes that have been found."""

    @property
    def suspects(self) -> list[Proxy]:
        """The proxies that should have reported a span, did not, and have no cause yet."""
        trace = self.trace
        silent = [one for one in self.proxies if one.service.lower() not in trace.services]
        involved = [
            one for one in silent if not trace.expected or one.service.lower() in trace.expected or one.is_gateway
        ]
        return [one for one in involved if not self.has_cause(one.label) and not self.has_cause(one.service.lower())]

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

    @property
    def entry(self) -> tuple[Proxy, Listener] | None:
        """The proxy that receives the request, and its listener."""
        listeners = ((proxy, one) for proxy in self.proxies for one in proxy.listeners)
        return next((found for found in listeners if found[1].port == self.trace.request.port), None)
