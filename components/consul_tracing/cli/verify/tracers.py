"""Tracers and the addresses of their collectors, in the configuration of a proxy or in Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.cli.meaning import at, collector_name, listed

from .contexts import Propagation

if TYPE_CHECKING:
    from consul_tracing.names import JsonObject

Endpoint = tuple[str, int]
"""Host and port."""


@dataclass(frozen=True)
class Tracer:
    """A tracer in the configuration of a proxy: Envoy's `config.trace.v3.Tracing.Http`."""

    name: str
    config: JsonObject

    @property
    def cluster(self) -> str:
        """The cluster of the collector."""
        return collector_name(self.config) or ""

    def reads(self, context: Propagation) -> bool:
        """Return whether the tracer follows the sampling decision in these headers."""
        if self.name.endswith(".zipkin"):
            formats = {Propagation.B3, Propagation.B3_SINGLE}
            return context in formats | ({Propagation.W3C} if "trace_context_option" in self.config else set())
        return context is Propagation.W3C


def tracer_of(http: JsonObject) -> Tracer:
    """Return the tracer of Envoy's `config.trace.v3.Tracing.Http`."""
    config = http.get("typed_config")
    return Tracer(str(http.get("name", "")), config if isinstance(config, dict) else {})


def endpoints(cluster: JsonObject | None) -> tuple[Endpoint, ...]:
    """Return the addresses of a static cluster in the configuration, sorted."""
    addresses = [
        at(one, "endpoint", "address", "socket_address")
        for group in listed(at(cluster, "load_assignment", "endpoints"))
        for one in listed(at(group, "lb_endpoints"))
    ]
    return tuple(sorted(map(_endpoint, addresses)))


def _endpoint(address: object) -> Endpoint:
    port = str(at(address, "port_value"))
    return str(at(address, "address") or ""), int(port) if port.isdecimal() else 0
