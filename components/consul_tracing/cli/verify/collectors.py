"""The collector of a proxy, and what the proxy's counters show about the requests to it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.credential_filter import ERRORS, Credential, credential_of
from consul_tracing.envoy_messages.json_values import at, listed

from .tracers import OTLP_GRPC, addresses

if TYPE_CHECKING:
    from .proxies import Proxy
    from .tracers import Endpoint, Tracer

ACCEPTED = frozenset({200, 202})


@dataclass(frozen=True)
class Collector:
    """The collector of a proxy. All numbers are increases since the first request of this command.

    Envoy counts a status of its own for a request without a response: 502 for one that it cannot parse, 503 for a lost
    connection, 504 for a timeout. Seen on Envoy 1.36.4 and 1.40.0 with all tracers.
    """

    proxy: Proxy
    tracer: Tracer

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """Its addresses."""
        return self.proxy.clusters.get(self.tracer.cluster, ())

    @property
    def label(self) -> str:
        """The collector and its addresses."""
        return f"the collector {addresses(self.endpoints)}".strip()

    @property
    def has_address(self) -> bool:
        """Whether it has an address now."""
        return self.proxy.stats.get(f"cluster.{self.tracer.cluster}.membership_total", 1) > 0

    @property
    def unreadable(self) -> int:
        """Responses in another protocol than HTTP/1.1, or HTTP/2 for gRPC."""
        return min(self.count("upstream_cx_protocol_error"), self.count("upstream_rq_502"))

    @property
    def credential(self) -> Credential | None:
        """The credential that the proxy adds. None without one."""
        clusters = listed(at(self.proxy.running.bootstrap, "static_resources", "clusters"))
        return next((credential_of(one) for one in clusters if at(one, "name") == self.tracer.cluster), None)

    @property
    def unread_credentials(self) -> int:
        """Failed reads of the credential."""
        return self.count(ERRORS)

    @property
    def closed(self) -> int:
        """Requests for which it closed the connection before it responded."""
        return self.count("upstream_cx_destroy_remote_with_active_rq")

    @property
    def is_other_protocol(self) -> bool:
        """Whether it never responded in the protocol of the tracer, and accepts connections."""
        return self.is_mute or self.unreadable > 0

    @property
    def is_mute(self) -> bool:
        """Whether it closed connections and never responded."""
        return self.closed > 0 and not self.statuses

    @property
    def has_tls(self) -> bool:
        """Whether the connections have TLS."""
        return self.count(r"ssl\.handshake") > 0

    @property
    def unresolved(self) -> int:
        """Requests for which it had no address."""
        return self.count("upstream_cx_none_healthy")

    @property
    def unconnected(self) -> int:
        """Connections that failed."""
        return self.count("upstream_cx_connect_(fail|timeout)")

    @property
    def unanswered(self) -> int:
        """Requests that it received and did not respond to in time. Exports over gRPC may have no timeout."""
        waiting = self.proxy.stats.get(f"cluster.{self.tracer.cluster}.upstream_rq_active", 0)
        is_silent = self.tracer.protocol == OTLP_GRPC and not self.count("upstream_rq_completed")
        return self.count("upstream_rq_timeout") + (waiting if is_silent else 0)

    @property
    def statuses(self) -> dict[int, int]:
        """The statuses of its responses."""
        own = {
            502: self.unreadable,
            503: self.closed + self.unconnected + self.unresolved,
            504: self.count("upstream_rq_timeout"),
        }
        counts = {
            int(key.rpartition("_")[2]): count
            for key, count in self.proxy.increases.items()
            if re.fullmatch(self._counter(r"upstream_rq_\d{3}"), key)
        }
        # Several exports over gRPC are lost with one connection.
        is_shared = self.tracer.protocol == OTLP_GRPC
        lost = {status for status, number in own.items() if number and (is_shared or counts.get(status, 0) <= number)}
        return {status: count for status, count in counts.items() if count and status not in lost}

    @property
    def accepted(self) -> int:
        """The number of requests that it accepted."""
        return sum(count for status, count in self.statuses.items() if status in ACCEPTED)

    def count(self, pattern: str) -> int:
        """Return the sum of the counters of its cluster that match."""
        return self.proxy.count(self._counter(pattern))

    def _counter(self, pattern: str) -> str:
        return rf"cluster\.{re.escape(self.tracer.cluster)}\.(?:{pattern})"


def collector_of(proxy: Proxy) -> Collector | None:
    """Return the collector of a proxy. None without a tracer."""
    tracer = next(iter(proxy.tracers), None)
    return Collector(proxy, tracer) if tracer else None
