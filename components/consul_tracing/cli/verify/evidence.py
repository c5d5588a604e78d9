"""Facts about a request with an incomplete trace, and the causes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.spans import Span

    from .consul_config import ConsulConfig
    from .proxies import Listener, Proxy
    from .traces import Trace


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
