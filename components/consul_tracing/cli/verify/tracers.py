"""Tracers and the addresses of their collectors, in the configuration of a proxy or in Consul."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from consul_tracing.envoy_messages.json_values import at, listed
from consul_tracing.envoy_messages.tracers import collector_name

from .contexts import Propagation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consul_tracing.names import JsonObject

OTLP_GRPC, OTLP_HTTP, ZIPKIN, DATADOG = "OTLP over gRPC", "OTLP over HTTP", "Zipkin", "Datadog"
NAMES = {"zipkin": ZIPKIN, "datadog": DATADOG, "skywalking": "SkyWalking", "xray": "X-Ray", "fluentd": "Fluentd"}
UNNAMED = "unknown_service:envoy"
"""The service of spans of the OpenTelemetry tracer without a name."""

PATHS = {OTLP_GRPC: "", OTLP_HTTP: "/v1/traces", ZIPKIN: "/api/v2/spans", DATADOG: ""}
"""The default paths that a tracer can change."""

Endpoint = tuple[str, int]
"""Host and port. The port of a Unix socket is 0."""


@dataclass(frozen=True)
class Tracer:
    """A tracer in the configuration of a proxy: Envoy's `config.trace.v3.Tracing.Http`."""

    name: str
    config: JsonObject

    @property
    def cluster(self) -> str:
        """The cluster of the collector."""
        return collector_name(self.config) or ""

    @property
    def kind(self) -> str:
        """The type of its configuration, such as `zipkin` for `ZipkinConfig`. Envoy ignores its name."""
        message = str(self.config.get("@type", "")).rpartition(".")[2].removesuffix("Config").lower()
        return message or self.name.rpartition(".")[2]

    @property
    def protocol(self) -> str:
        """The protocol in which it sends spans."""
        if self.kind == "opentelemetry":
            return OTLP_GRPC if "grpc_service" in self.config else OTLP_HTTP
        return NAMES.get(self.kind, self.kind)

    @property
    def path(self) -> str:
        """The path of the collector."""
        uris = (at(self.config, one, "http_uri", "uri") for one in ("http_service", "collector_service"))
        return next((urlsplit(str(uri)).path for uri in uris if uri), str(self.config.get("collector_endpoint", "")))

    @property
    def has_default_path(self) -> bool:
        """Whether the path is that of its protocol."""
        return self.path in {"", PATHS.get(self.protocol)}

    @property
    def service_name(self) -> str:
        """The name of the spans of all proxies without a name in their environment. Empty if it is that of each."""
        names = {"opentelemetry": UNNAMED, "datadog": "envoy"}
        return str(self.config.get("service_name") or names.get(self.kind, ""))

    def reads(self, context: Propagation) -> bool:
        """Return whether the tracer follows the sampling decision in these headers."""
        if context is Propagation.AUTO:
            return self.reads(Propagation.B3) or self.reads(Propagation.W3C)
        if self.kind == "zipkin":
            formats = {Propagation.B3, Propagation.B3_SINGLE}
            return context in formats | ({Propagation.W3C} if "trace_context_option" in self.config else set())
        return context is Propagation.W3C and self.kind in {"opentelemetry", "datadog"}


def tracer_of(http: JsonObject) -> Tracer:
    """Return the tracer of Envoy's `config.trace.v3.Tracing.Http`."""
    config = http.get("typed_config")
    return Tracer(str(http.get("name", "")), config if isinstance(config, dict) else {})


def endpoints(cluster: JsonObject | None) -> tuple[Endpoint, ...]:
    """Return the addresses of a static cluster in the configuration, sorted."""
    addresses = [
        at(one, "endpoint", "address")
        for group in listed(at(cluster, "load_assignment", "endpoints"))
        for one in listed(at(group, "lb_endpoints"))
    ]
    return tuple(sorted(map(_endpoint, addresses)))


def _endpoint(address: object) -> Endpoint:
    if pipe := at(address, "pipe", "path"):
        return str(pipe), 0
    port = str(at(address, "socket_address", "port_value"))
    return str(at(address, "socket_address", "address") or ""), int(port) if port.isdecimal() else 0


def addresses(endpoints: Iterable[Endpoint]) -> str:
    """Return hosts and ports, and the paths of Unix sockets."""
    return ", ".join(map(_address, endpoints))


def _address(endpoint: Endpoint) -> str:
    host, port = endpoint
    return f"{f'[{host}]' if ':' in host else host}:{port}" if port else host
