"""Validated inputs of `MeshTracing`, with defaults."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field

from consul_tracing.errors import Problem, format_value
from consul_tracing.names import HTTP_PROTOCOLS, SAMPLER_ENVOY, UNRESOLVED, EnvoyRelease

from .entry_fields import ProxyConfig, ProxyDefaultsFields, StaticClusters
from .entry_settings import MANAGED_BY_CONSUL_K8S, EntrySettings, Protocol
from .hosts import is_loopback
from .mesh_args import MeshTracingArgs
from .static_clusters import newer_problems
from .tracers import v1_path_reason
from .types import (
    EnvironmentVariable,
    EnvoyVersion,
    ExportHeader,
    FilePath,
    FinePercent,
    HeaderName,
    HeaderValue,
    Host,
    Milliseconds,
    Percent,
    Port,
    ServiceName,
    Text,
    Uint32,
    UrlPath,
    unique_headers,
)
from .validation import Settings
from .zipkin_collector_settings import ZipkinCollectorSettings

W3C_ENVOY = (1, 36)
"""The first Envoy whose Zipkin tracer supports W3C headers."""


VERSION_IS_REQUIRED = (
    "is required with tracer.opentelemetry, because it decides where the sampling rate is. "
    'Set the oldest Envoy in the mesh. "1.35" or newer: the rate is in the sampler of the tracer, and traces are '
    'complete on every version. "1.34": the rate is in the listener, and proxies of 1.39 or newer break traces'
)


class Tls(Settings):
    """TLS to the collector. The files are on the hosts of the proxies."""

    ca_file: FilePath
    server_name: Host | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None

    @classmethod
    def from_plain(cls, value: object) -> dict[str, object]:
        """Return an example for `tls: true`."""
        return {"ca_file": "/etc/ssl/certs/ca.pem"} if value is True else {}

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a certificate without its key, or a key without its certificate."""
        if self.key_file is not None and self.certificate_file is None:
            yield Problem("certificate_file", "is required with key_file")
        if self.certificate_file is not None and self.key_file is None:
            yield Problem("key_file", "is required with certificate_file")


class Collector(Settings):
    """Address of the collector."""

    shorthand: ClassVar[str] = "host"

    host: Host
    port: Port | None = None
    connect_timeout_ms: Milliseconds = 3000
    export_timeout_ms: Milliseconds = 3000
    tls: Tls | None = None
    per_host: bool = False

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a collector beside each proxy that is not at a loopback address."""
        if self.per_host and self.host != UNRESOLVED and not is_loopback(self.host):
            yield Problem("per_host", f"requires a loopback host, got {format_value(self.host)}. Set host: 127.0.0.1")


class Zipkin(Settings):
    """Envoy's Zipkin tracer."""

    path: UrlPath = "/api/v2/spans"
    encoding: Literal["json", "protobuf"] = "json"
    trace_id_128bit: bool = True
    shared_span_context: bool = False
    hostname: Text | None = None
    propagation: Literal["b3", "b3+w3c"] = "b3"

    def problems(self) -> Iterator[Problem]:
        """Return a problem for Zipkin's endpoint of the API v1."""
        if reason := v1_path_reason(self.path):
            yield Problem("path", reason)


class OpenTelemetry(Settings):
    """Envoy's OpenTelemetry tracer."""

    transport: Literal["grpc", "http"] = "grpc"
    path: UrlPath = "/v1/traces"
    service_name: Text | None = None
    resource_attributes: dict[Text, Text] = Field(default_factory=dict)
    headers: Annotated[dict[ExportHeader, HeaderValue], BeforeValidator(unique_headers)] = Field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a path with gRPC, which has a fixed path."""
        if self.transport == "grpc" and "path" in self.model_fields_set:
            yield Problem("path", "is not supported with transport: grpc")


class Datadog(Settings):
    """Envoy's Datadog tracer."""

    service_name: Text


class Tracer(Settings):
    """Tracer of the proxies."""

    zipkin: Zipkin | None = None
    opentelemetry: OpenTelemetry | None = None
    datadog: Datadog | None = None

    @classmethod
    def from_plain(cls, value: object) -> dict[str, object]:
        """Return the tracer of a name."""
        return {value: {}} if isinstance(value, str) else {}

    def problems(self) -> Iterator[Problem]:
        """Return a problem unless exactly one tracer is set."""
        return self.exactly_one("zipkin", "opentelemetry", "datadog")

    @property
    def default_port(self) -> int:
        """The registered port of the protocol."""
        if self.opentelemetry is not None:
            return 4317 if self.opentelemetry.transport == "grpc" else 4318
        return 8126 if self.datadog is not None else 9411

    @property
    def speaks_http2(self) -> bool:
        """Whether proxies send spans over HTTP/2, which gRPC requires."""
        return self.opentelemetry is not None and self.opentelemetry.transport == "grpc"


class Sampling(Settings):
    """Sampling rates, in percent of requests."""

    shorthand: ClassVar[str] = "random"

    client: Percent = 100.0
    random: FinePercent = 1.0
    overall: FinePercent = 100.0


class Spans(Settings):
    """Content of the spans."""

    max_path_tag_length: Uint32 = 256
    spawn_upstream_span: bool = False
    verbose: bool = False


class Tag(Settings):
    """Tag of every span."""

    shorthand: ClassVar[str] = "literal"

    literal: Text | None = None
    request_header: HeaderName | None = None
    environment: EnvironmentVariable | None = None
    default: Text | None = None

    def problems(self) -> Iterator[Problem]:
        """Return a problem unless exactly one source is set, and for the default of a literal."""
        yield from self.exactly_one("literal", "request_header", "environment")
        if self.literal is not None and self.default is not None:
            yield Problem("default", "is not supported with literal")


class MeshSettings(EntrySettings):
    """Inputs of `MeshTracing`."""

    component: ClassVar[str] = "MeshTracing"
    plain: ClassVar[frozenset[str]] = EntrySettings.plain | {"tcp_services", "envoy_version"}

    enabled: bool = True
    collector: Collector = Collector.model_construct(host=UNRESOLVED)
    tracer: Tracer = Tracer.model_construct(zipkin=Zipkin.model_construct())
    sampling: Sampling = Sampling.model_construct()
    spans: Spans = Spans.model_construct()
    gateways: Literal["join", "skip"] = "join"
    tags: dict[Text, Tag] = Field(default_factory=dict)
    default_protocol: Protocol | None = None
    tcp_services: list[ServiceName] | None = None
    static_clusters: StaticClusters = Field(default_factory=list)
    proxy_config: ProxyConfig = Field(default_factory=dict)
    proxy_defaults: ProxyDefaultsFields = Field(default_factory=dict)
    accept_broken_traces: bool = False
    envoy_version: EnvoyVersion = "1.34"
    zipkin_collector: ZipkinCollectorSettings | None = None

    @classmethod
    def of(cls, component: str, args: MeshTracingArgs) -> Self:
        """Validate the arguments of a component. Raises InvalidInputError listing every problem."""
        settings = cls.validated(component, args)
        if settings.zipkin_collector is None:
            return settings
        deployed = Collector.model_construct(host=settings.zipkin_collector.host, port=settings.zipkin_collector.port)
        return settings.model_copy(update={"collector": deployed})

    @property
    def collector_port(self) -> int:
        """The port of the collector. Default: the tracer's."""
        return self.collector.port or self.tracer.default_port

    @property
    def oldest_envoy(self) -> EnvoyRelease:
        """The release of the oldest Envoy in the mesh."""
        major, minor, *_ = self.envoy_version.split(".")
        return int(major), int(minor)

    @property
    def has_sampler(self) -> bool:
        """Whether the tracer has a sampler with `sampling.random`. Otherwise the rate is in the listener."""
        return self.tracer.opentelemetry is not None and self.oldest_envoy >= SAMPLER_ENVOY

    @property
    def tcp_names(self) -> list[str]:
        """The services that keep the protocol tcp."""
        return self.tcp_services or []

    def problems(self) -> Iterator[Problem]:
        """Return the conflicts between inputs that are valid one by one."""
        yield from super().problems()
        yield from self._collector_problems()
        if self.target == "kubernetes" and "Meta" in self.proxy_defaults:
            yield Problem("proxy_defaults.Meta", MANAGED_BY_CONSUL_K8S)
        yield from self._envoy_version_problems()
        yield from self._sampler_problems()
        yield from self._cluster_problems()
        if self.default_protocol in HTTP_PROTOCOLS and self.tcp_services is None:
            yield Problem(
                "default_protocol",
                f'must be "tcp" without tcp_services, got "{self.default_protocol}". '
                "Proxies would parse every undeclared service as HTTP. "
                "Set tcp_services to the services that are not HTTP, or to [] if there are none",
            )

    @classmethod
    def missing(cls, args: Mapping[str, object]) -> Iterator[Problem]:
        """Return a problem if spans have no destination, or if the place of the sampling rate is unknown."""
        if args.get("collector") is None and args.get("zipkin_collector") is None:
            reason = "is required. Set collector, or zipkin_collector to deploy Zipkin on Kubernetes"
            yield Problem("collector", reason)
        tracer = args.get("tracer")
        if isinstance(tracer, dict) and tracer.get("opentelemetry") is not None and args.get("envoy_version") is None:
            yield Problem("envoy_version", VERSION_IS_REQUIRED)

    def _collector_problems(self) -> Iterator[Problem]:
        if self.tracer.opentelemetry is None and "export_timeout_ms" in self.collector.model_fields_set:
            yield Problem(
                "collector.export_timeout_ms",
                "is not supported without tracer.opentelemetry. Remove it, or set tracer.opentelemetry",
            )
        if self.zipkin_collector is None:
            return
        if "collector" in self.model_fields_set:
            yield Problem("collector", "conflicts with zipkin_collector. Remove one of them")
        if self.target != "kubernetes":
            yield Problem(
                "zipkin_collector",
                f"is not supported with target: {self.target}, because its host name is valid in the cluster only. "
                "Deploy a ZipkinCollector, and set collector.host to its address outside the cluster",
            )
        if self.tracer.zipkin is None:
            yield Problem("tracer", "conflicts with zipkin_collector, which accepts the tracer zipkin only")

    def _envoy_version_problems(self) -> Iterator[Problem]:
        if self.tracer.zipkin and self.tracer.zipkin.propagation == "b3+w3c" and self.oldest_envoy < W3C_ENVOY:
            yield Problem(
                "tracer.zipkin.propagation",
                f'must be "b3" with Envoy {self.envoy_version} (envoy_version), got "b3+w3c". It requires Envoy 1.36',
            )

    def _sampler_problems(self) -> Iterator[Problem]:
        """Return the rates that a sampler does not know. A sampler decides from the trace context and the trace id."""
        if not self.has_sampler:
            return
        reasons = {
            "client": "x-client-trace-id starts no trace. A caller starts one with a sampled traceparent",
            "overall": "nothing limits the traces of callers. Set sampling.random",
        }
        for rate, reason in reasons.items():
            if (value := getattr(self.sampling, rate)) != Sampling.model_fields[rate].default:
                yield Problem(
                    f"sampling.{rate}",
                    f"is not supported with tracer.opentelemetry and Envoy {self.envoy_version} (envoy_version), got "
                    f"{format_value(value)}: the tracer's sampler decides, and {reason}",
                )

    def _cluster_problems(self) -> Iterator[Problem]:
        for index, cluster in enumerate(self.static_clusters):
            yield from newer_problems(cluster, f"static_clusters.{index}", self.oldest_envoy)
