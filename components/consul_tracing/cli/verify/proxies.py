"""Facts about a proxy, from its admin interface."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from consul_tracing.envoy_messages.credential_filter import ERRORS
from consul_tracing.envoy_messages.json_values import at, fraction_percent
from consul_tracing.envoy_messages.tracers import sampler_percent
from consul_tracing.inputs.hosts import is_loopback
from consul_tracing.names import LISTENER_DECISION_ENVOY
from consul_tracing.sources.envoy import RunningProxy, clock_offset, counters, node_and_service, read_each, read_proxy
from consul_tracing.sources.http import ServerError

from .calls import service_of
from .tracers import Tracer, endpoints, tracer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from consul_tracing.entries.tracing_keys import TracingKeys
    from consul_tracing.names import EnvoyRelease, JsonObject
    from consul_tracing.sources.http import HttpClient

    from .contexts import Propagation
    from .tracers import Endpoint

MANAGER, TCP = ".HttpConnectionManager", ".TcpProxy"

PUBLIC_LISTENER = "public_listener"
"""Name of the listener of a sidecar for requests from the mesh, before the colon."""

PUBLIC_LISTENER_KEY = "envoy_public_listener_json"
"""The key of a registration or of proxy-defaults that replaces the public listener of a proxy."""

EXPOSED_PATH = "exposed_path_"
"""Start of the names of listeners for health checks (`Expose`), which Consul gives 0 % always."""

STATS = (
    r"^tracing\.|^control_plane\.connected_state$|^http\..*\.tracing\."
    r"|^(http|tcp)\..*\.downstream_(rq_total|cx_rx_bytes_total)$"
    r"|^cluster\..*\.(membership_total|upstream_rq_(\d+|total|timeout|active|completed)"
    r"|upstream_cx_(connect_fail|connect_timeout|none_healthy|protocol_error|destroy_remote_with_active_rq)"
    r"|ssl\.(connection_error|fail_verify\w*|handshake))$"
    rf"|^cluster\..*{ERRORS}$"
)
"""Counters and gauges of the connection to Consul, of tracers, sampling decisions, requests and clusters."""

RECEIVED = ("http.{}.downstream_rq_total", "tcp.{}.downstream_cx_rx_bytes_total")
"""Counters of a listener that increase with each request. `{}`: its name in statistics."""

MAX_ERROR_LENGTH = 200

RUNTIME_KEY = "tracing.random_sampling"


@dataclass(frozen=True)
class Listener:
    """A listener of a proxy from Consul."""

    name: str
    port: int = 0
    """Its port. 0 for a listener that has never been active."""
    is_http: bool = False
    is_outbound: bool = False
    tracing: JsonObject | None = None
    """The active tracing block."""
    stat_prefixes: tuple[str, ...] = ()
    """The names of its HTTP connection managers and TCP proxies in statistics."""
    updated: str = ""
    """UTC time of its last update."""
    error: str = ""
    """The reason of the last rejected update. It remains after a later update with the former content."""
    rejected: JsonObject | None = None
    """The tracing block of the rejected update."""
    address: str = ""
    """The address on which it listens."""

    @property
    def upstream(self) -> str:
        """The service of an outbound listener, in lower case.

        Its name starts with `[partition/][namespace/]service[?options]:`.
        """
        name = self.name.removeprefix("prepared_query:")
        return re.split(r"[:?]", name)[0].rpartition("/")[2].lower()

    def is_at(self, endpoint: Endpoint) -> bool:
        """Return whether it listens at an address. Listeners at all addresses of a host are taken for it."""
        host, port = endpoint
        is_same = self.address in {host, "0.0.0.0", "::"} or (is_loopback(host) and is_loopback(self.address))  # noqa: S104 - compared only
        return self.port == port and is_same


@dataclass(frozen=True)
class Proxy:
    """A proxy of the mesh."""

    running: RunningProxy
    tracer: Tracer | None = None
    """The tracer in the bootstrap."""
    clusters: Mapping[str, tuple[Endpoint, ...]] = field(default_factory=dict)
    """Static clusters and their endpoints."""
    listeners: tuple[Listener, ...] = ()
    sampling: float = 100
    """The lowest random sampling rate of its HTTP listeners, in percent."""
    stats: Mapping[str, int] = field(default_factory=dict)
    """Current values."""
    increases: Mapping[str, int] = field(default_factory=dict)
    """Increases of counters since the first request. Empty if they could not be read before it."""
    clock_offset: float = 0
    """Seconds by which its clock is ahead of this one."""
    release: EnvoyRelease = (0, 0)
    """The release of its Envoy. Zero if it is not known."""
    configured: TracingKeys | None = None
    """Its tracing configuration in Consul. None if it cannot be read."""
    registered: Mapping[str, object] = field(default_factory=dict)
    """Its `Config` in Consul, with names in lower case: that of its registration, merged with proxy-defaults."""
    differences: tuple[str, ...] = ()
    """The differences between its bootstrap and its configuration in Consul, as `stale` lists them."""

    @property
    def service(self) -> str:
        """The name of its service."""
        return self.running.service

    @property
    def label(self) -> str:
        """The service and the address of the admin interface."""
        return f"{self.service} ({self.running.address})"

    @property
    def node_id(self) -> str:
        """The id of its node, which its spans have as a tag."""
        return self.running.node.get("id", "")

    @property
    def is_gateway(self) -> bool:
        """Whether the proxy has no listener for a service of its own."""
        return bool(self.listeners) and not any(self.public_listeners)

    @property
    def public_listeners(self) -> Iterator[Listener]:
        """The listeners for requests from the mesh."""
        return (one for one in self.listeners if one.name.partition(":")[0] == PUBLIC_LISTENER)

    @property
    def tracers(self) -> list[Tracer]:
        """The tracers of the listeners and of the bootstrap."""
        blocks = [one.tracing["provider"] for one in self.listeners if one.tracing and "provider" in one.tracing]
        return [*map(tracer_of, blocks), *([self.tracer] if self.tracer else [])]

    @property
    def should_trace(self) -> bool:
        """Whether the proxy has a tracer, or would start with one now. Gateways may have none."""
        return bool(self.tracers) or bool(self.configured and self.configured.bootstrap_tracer)

    @property
    def has_own_listener(self) -> bool:
        """Whether its public listener is not the one of Consul."""
        return PUBLIC_LISTENER_KEY in self.registered

    @property
    def http_listeners(self) -> list[Listener]:
        """The listeners that trace requests: all HTTP listeners except those for health checks."""
        return traced_listeners(self.listeners)

    @property
    def sampler_rate(self) -> float | None:
        """The rate of the tracer's own sampler, in percent. None without a sampler."""
        rates = [sampler_percent(tracer.config) for tracer in self.tracers[:1]]
        return next(iter(rates), None)

    @property
    def rate(self) -> float:
        """The rate of requests without trace context that are traced, in percent: of the listener and the sampler."""
        return self.sampling if self.sampler_rate is None else min(self.sampling, self.sampler_rate)

    @property
    def is_on_path(self) -> bool:
        """Whether the proxy may have received the request, by its counters. Other requests increase them too."""
        listeners = [one for one in self.listeners if not one.name.startswith(EXPOSED_PATH)]
        return not listeners or any(self.received(one) is not False for one in listeners)

    def received(self, listener: Listener) -> bool | None:
        """Return whether a listener received requests since the first one. None if its counters are not known."""
        names = [counter.format(prefix) for prefix in listener.stat_prefixes for counter in RECEIVED]
        found = [self.increases[name] for name in names if name in self.increases]
        return any(found) if found else None

    def sent_to(self, service: str) -> int | None:
        """Return the requests to a service of the mesh since the first request. None if it is not an upstream."""
        found = [
            increase
            for name, increase in self.increases.items()
            if (match := re.fullmatch(r"cluster\.(.+)\.upstream_rq_total", name)) and service_of(match[1]) == service
        ]
        return sum(found) if found else None

    def follows(self, context: Propagation) -> bool:
        """Return whether the proxy follows the sampling decision in these headers."""
        return not self.limits_callers and any(tracer.reads(context) for tracer in self.tracers)

    @property
    def obeys_request_ids(self) -> bool:
        """Whether the request id decides if a request without trace context is sampled. A sampler replaces it."""
        return self.sampler_rate is None or self.release >= LISTENER_DECISION_ENVOY

    @property
    def limits_callers(self) -> bool:
        """Whether the sampling rate also applies to requests that the caller has sampled, which breaks traces."""
        is_limited = self.sampling < 100 and self.release >= LISTENER_DECISION_ENVOY  # noqa: PLR2004 - percent
        return is_limited and self.has_tracer("opentelemetry")

    def has_tracer(self, kind: str) -> bool:
        """Return whether the proxy has a tracer of this kind, such as `zipkin`."""
        return any(tracer.name.endswith(f".{kind}") for tracer in self.tracers)

    @property
    def collector(self) -> str:
        """The cluster to which the proxy sends spans. Empty without a tracer."""
        return next((tracer.cluster for tracer in self.tracers), "")

    def count(self, pattern: str) -> int:
        """Return the sum of the increases whose names match the whole pattern."""
        return sum(value for name, value in self.increases.items() if re.fullmatch(pattern, name))


def proxy_from(running: RunningProxy, stats: Mapping[str, int], before: Mapping[str, int] | None = None) -> Proxy:
    """Return the facts of a proxy and of the counters now and before the first request."""
    boot = running.bootstrap
    tracing = boot.get("tracing", {}).get("http")
    clusters = boot.get("static_resources", {}).get("clusters", [])
    listeners = listeners_from(running.listeners)
    build = at(boot, "node", "user_agent_build_version", "version")
    return Proxy(
        running=running,
        tracer=tracer_of(tracing) if tracing else None,
        clusters={str(cluster.get("name")): endpoints(cluster) for cluster in clusters},
        listeners=listeners,
        sampling=min((random_sampling(boot, one.tracing) for one in traced_listeners(listeners)), default=100),
        stats=stats,
        increases={} if before is None else increases(before, stats),
        release=(at(build, "major_number") or 0, at(build, "minor_number") or 0),
    )


def increases(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Return the increase of each counter. The counters of a restarted proxy start at zero."""
    return {
        name: value - before.get(name, 0) if value >= before.get(name, 0) else value for name, value in after.items()
    }


def listeners_from(dynamic: Sequence[JsonObject]) -> tuple[Listener, ...]:
    """Return the listeners of a config dump. Envoy lists a rejected update again, as an item without name."""
    found: dict[str, Listener] = {}
    for listener in sorted(map(listener_from, dynamic), key=lambda one: not one.port):
        if first := found.get(listener.name):
            listener = first if first.error else replace(first, error=listener.error, rejected=listener.rejected)  # noqa: PLW2901
        found[listener.name] = listener
    return tuple(found.values())


def traced_listeners(listeners: Iterable[Listener]) -> list[Listener]:
    """Return the HTTP listeners, without those for health checks."""
    return [one for one in listeners if one.is_http and not one.name.startswith(EXPOSED_PATH)]


def listener_from(dynamic: JsonObject) -> Listener:
    """Return a listener of a config dump: its active state, or the first one, which is still warming."""
    state = dynamic.get("active_state") or dynamic.get("warming_state") or {}
    listener: JsonObject = state.get("listener", {})
    configs = filters_of(listener)
    managers, tcp = ([one for one in configs if str(one.get("@type", "")).endswith(kind)] for kind in (MANAGER, TCP))
    error = dynamic.get("error_state", {})
    failed: JsonObject = error.get("failed_configuration", {})
    address = at(listener, "address", "socket_address")
    return Listener(
        name=str(dynamic.get("name") or failed.get("name", "")),
        port=at(address, "port_value") or 0,
        address=at(address, "address") or "",
        is_http=bool(managers),
        is_outbound=listener.get("traffic_direction") == "OUTBOUND",
        tracing=tracing_of(managers),
        stat_prefixes=tuple(str(one["stat_prefix"]) for one in [*managers, *tcp] if "stat_prefix" in one),
        updated=str(state.get("last_updated", "")),
        error=rejection(str(error.get("details", ""))),
        rejected=tracing_of(filters_of(failed)),
    )


def filters_of(listener: JsonObject) -> list[JsonObject]:
    """Return the configurations of the network filters of a listener."""
    chains = [*listener.get("filter_chains", []), listener.get("default_filter_chain", {})]
    return [one.get("typed_config", {}) for chain in chains for one in chain.get("filters", [])]


def tracing_of(filters: Iterable[JsonObject]) -> JsonObject | None:
    """Return the tracing block of a listener by its filters. None without one."""
    return next((one["tracing"] for one in filters if "tracing" in one), None)


def rejection(details: str) -> str:
    """Return the reason at the end of the details of a rejected update, without the rejected configuration."""
    last = details.strip().rpartition("\n")[2].lstrip("}: ")
    return last.rpartition(" | caused by ")[2][:MAX_ERROR_LENGTH]


def random_sampling(boot: JsonObject, tracing: JsonObject | None) -> float:
    """Return the percentage of requests without trace context that are traced. The runtime replaces the listener."""
    layers = boot.get("layered_runtime", {}).get("layers", [])
    values = [layer["static_layer"][RUNTIME_KEY] for layer in layers if RUNTIME_KEY in layer.get("static_layer", {})]
    if values:
        fraction = fraction_percent(values[-1])
        return min(float(values[-1]), 100) if fraction is None else fraction
    rates = [(tracing or {}).get(f"{name}_sampling", {"value": 100}) for name in ("random", "overall")]
    return min(float(rate.get("value", 0)) for rate in rates)


def stats_of(admins: Sequence[HttpClient]) -> dict[str, dict[str, int]]:
    """Return the counters of each proxy whose admin interface responds."""
    found = read_each(admins, lambda admin: counters(admin, STATS))
    return {address: stats for address, stats in found.items() if not isinstance(stats, ServerError)}


def services_by_node(admins: Sequence[HttpClient]) -> dict[str, str]:
    """Return the service of each proxy whose admin interface responds, in lower case, by the id of its node."""
    found = read_each(admins, node_and_service).values()
    return {one[0]: one[1].lower() for one in found if not isinstance(one, ServerError)}


def proxies_of(admins: Sequence[HttpClient], before: Mapping[str, Mapping[str, int]]) -> tuple[list[Proxy], list[str]]:
    """Return the facts of each proxy, and a note for each admin interface that cannot be read."""

    def read(admin: HttpClient) -> Proxy:
        running, stats, offset = read_proxy(admin), counters(admin, STATS), clock_offset(admin)
        with admin.expected_shape():
            return replace(proxy_from(running, stats, before.get(admin.address)), clock_offset=offset)

    found = read_each(admins, read).values()
    proxies = [one for one in found if not isinstance(one, ServerError)]
    return proxies, [f"the admin interface {one.reason}" for one in found if isinstance(one, ServerError)]
