"""What callers wrote, validated and with the defaults filled in."""

from collections.abc import Iterator
from typing import Literal, Self, cast

import pulumi
from pydantic import Field, ValidationError

from .args import MeshTracingArgs
from .collector_settings import ZipkinCollectorSettings
from .envoy import HTTP_PROTOCOLS
from .errors import InvalidInput, Problem, given
from .fields import (
    EnvironmentVariable,
    EnvoyVersion,
    FilePath,
    FinePercent,
    HeaderName,
    Host,
    Milliseconds,
    NamespaceName,
    OwnerName,
    Percent,
    Port,
    Seconds,
    ServiceName,
    Text,
    UrlPath,
    is_object_name,
    is_stack_name,
)
from .free_form import ProxyConfig, ProxyDefaultsFields, ServiceDefaultsFields, StaticClusters
from .validation import Settings, problems_in

Protocol = Literal["tcp", "http", "http2", "grpc"]

UNRESOLVED_HOST = "unresolved.invalid"
"""Stands for a host that is an Output, so that everything else can be checked before it resolves (RFC 2606)."""

NO_HOST = "none.invalid"
"""Stands for a collector that is not given, so that everything else can be checked all the same."""


class Tls(Settings):
    """How proxies prove the collector and themselves. Files on the proxies' hosts."""

    ca_file: FilePath
    server_name: Host | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None

    def problems(self) -> Iterator[Problem]:
        """A certificate is of no use without its key, nor a key without its certificate."""
        if (self.certificate_file is None) != (self.key_file is None):
            missing = "certificate_file" if self.certificate_file is None else "key_file"
            yield Problem(missing, "is required: certificate_file and key_file go together")


class Collector(Settings):
    """Where proxies send spans."""

    host: Host
    port: Port | None = None
    connect_timeout_ms: Milliseconds = 3000
    tls: Tls | None = None


class Zipkin(Settings):
    """Envoy's Zipkin tracer."""

    path: UrlPath = "/api/v2/spans"
    encoding: Literal["json", "protobuf"] = "json"
    trace_id_128bit: bool = True
    shared_span_context: bool = False
    hostname: Text | None = None
    propagation: Literal["b3", "b3+w3c"] = "b3"


class OpenTelemetry(Settings):
    """Envoy's OpenTelemetry tracer."""

    transport: Literal["grpc", "http"] = "grpc"
    path: UrlPath = "/v1/traces"
    service_name: Text | None = None
    resource_attributes: dict[Text, Text] = Field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """OTLP over gRPC has no path of its own to choose."""
        if self.transport == "grpc" and "path" in self.model_fields_set:
            yield Problem("path", "is for transport: http; over gRPC the service's method is the path")


class Datadog(Settings):
    """Envoy's Datadog tracer."""

    service_name: Text


class Tracer(Settings):
    """Which of Envoy's tracers speaks to the collector."""

    zipkin: Zipkin | None = None
    opentelemetry: OpenTelemetry | None = None
    datadog: Datadog | None = None

    def problems(self) -> Iterator[Problem]:
        """A proxy has one tracer."""
        return self.exactly_one("zipkin", "opentelemetry", "datadog")

    @property
    def default_port(self) -> int:
        """The port that collectors of this kind listen on."""
        if self.opentelemetry is not None:
            return 4317 if self.opentelemetry.transport == "grpc" else 4318
        return 8126 if self.datadog is not None else 9411

    @property
    def speaks_http2(self) -> bool:
        """Whether the collector is spoken to over HTTP/2, as gRPC needs."""
        return self.opentelemetry is not None and self.opentelemetry.transport == "grpc"


class Sampling(Settings):
    """How many requests become traces, in percent."""

    client: Percent = 100.0
    random: FinePercent = 1.0
    overall: FinePercent = 100.0


class Tag(Settings):
    """A tag on every span."""

    literal: Text | None = None
    request_header: HeaderName | None = None
    environment: EnvironmentVariable | None = None
    default: Text | None = None

    def problems(self) -> Iterator[Problem]:
        """A tag has one source; a literal has nothing to fall back from."""
        yield from self.exactly_one("literal", "request_header", "environment")
        if self.literal is not None and self.default is not None:
            yield Problem("default", "is for request_header and environment; a literal is always there")


class Service(Settings):
    """One service of the mesh."""

    protocol: Protocol
    name: ServiceName | None = None
    namespace: Text | None = None
    partition: Text | None = None
    extra: ServiceDefaultsFields = Field(default_factory=dict)


class MeshSettings(Settings):
    """All inputs of `MeshTracing`."""

    target: Literal["consul", "kubernetes"] = "consul"
    enabled: bool = True
    collector: Collector
    tracer: Tracer = Tracer.model_construct(zipkin=Zipkin.model_construct())
    sampling: Sampling = Sampling.model_construct()
    gateways: Literal["join", "skip"] = "join"
    tags: dict[Text, Tag] = Field(default_factory=dict)
    services: dict[ServiceName, Service] = Field(default_factory=dict)
    default_protocol: Protocol | None = None
    tcp_services: list[ServiceName] | None = None
    static_clusters: StaticClusters = Field(default_factory=list)
    proxy_config: ProxyConfig = Field(default_factory=dict)
    proxy_defaults: ProxyDefaultsFields = Field(default_factory=dict)
    partition: Text | None = None
    envoy_version: EnvoyVersion = "1.34"
    zipkin_collector: ZipkinCollectorSettings | None = None
    existing: Literal["refuse", "adopt", "overwrite"] = "refuse"
    owner: OwnerName | None = None
    renamed_from: OwnerName | None = None
    release: bool = False
    namespace: NamespaceName = "consul"
    sync_timeout_seconds: Seconds = 120.0
    migrate_entries: bool = False

    @classmethod
    def of(cls, component: str, args: MeshTracingArgs) -> Self:
        """`args` validated, with the defaults filled in.

        A `collector.host` that is an Output is checked when it resolves: see `at`.

        Raises InvalidInput, naming `component` and every input that cannot be used.
        """
        try:
            settings = cls.model_validate(with_a_collector(with_plain_host(args)))
        except ValidationError as error:
            raise InvalidInput(component, problems_in(error, cls)) from None
        if settings.zipkin_collector is None:
            return settings
        deployed = Collector.model_construct(host=settings.zipkin_collector.host, port=settings.zipkin_collector.port)
        return settings.model_copy(update={"collector": deployed})

    def at(self, component: str, host: object, *, secret: bool) -> Self:
        """The same, with the collector at `host`.

        Raises InvalidInput for a host that cannot be used, and for one that is `secret`, without repeating it.
        """
        if secret:
            reason = "is a secret, which everyone could read in the entry; give it plainly"
            raise InvalidInput(component, [Problem("collector.host", reason)])
        try:
            collector = Collector.model_validate({**self.collector.model_dump(exclude_unset=True), "host": host})
        except ValidationError as error:
            raise InvalidInput(component, problems_in(error, type(self), "collector")) from None
        return self.model_copy(update={"collector": collector})

    @property
    def collector_port(self) -> int:
        """The collector's port: the one given, else the tracer's own."""
        return self.collector.port or self.tracer.default_port

    @property
    def home_namespace(self) -> str | None:
        """Where entries are that name no namespace: that of the custom resources, or None, Consul's own."""
        return self.namespace if self.target == "kubernetes" else None

    def problems(self) -> Iterator[Problem]:
        """What is wrong between inputs that are right one by one."""
        if self.renamed_from and not self.owner and not is_stack_name(self.renamed_from):
            yield Problem(
                "renamed_from",
                f"{given(self.renamed_from)} is not a stack's full name: organization/project/stack (or give owner)",
            )
        yield from self._collectors()
        if self.target == "kubernetes":
            yield from self._not_on_kubernetes()
        yield from self._too_new()
        yield from self._protocols()
        yield from self._names()

    def _collectors(self) -> Iterator[Problem]:
        if self.zipkin_collector is None:
            if self.collector.host == NO_HOST:
                yield Problem("collector", "is required, or zipkin_collector, which deploys one on Kubernetes")
            return
        if self.collector.host != NO_HOST:
            yield Problem("collector", "is given beside zipkin_collector; write exactly one of them")
        if self.target != "kubernetes":
            yield Problem(
                "zipkin_collector",
                "is for target: kubernetes, since its name is known in the cluster alone; elsewhere make a "
                "ZipkinCollector, and write into collector where your proxies reach it",
            )
        if self.tracer.zipkin is None:
            yield Problem("tracer", "must be zipkin beside zipkin_collector: Zipkin takes no spans of other tracers")

    def _not_on_kubernetes(self) -> Iterator[Problem]:
        partition = "is chosen by the cluster's consul-k8s (global.adminPartitions), which writes the entries"
        meta = "is written by consul-k8s alone on Kubernetes"
        if self.partition is not None:
            yield Problem("partition", partition)
        if "Meta" in self.proxy_defaults:
            yield Problem("proxy_defaults.Meta", meta)
        names = {f"services.{key}": service.name or key for key, service in self.services.items()}
        names |= {f"tcp_services.{index}": name for index, name in enumerate(self.tcp_services or [])}
        for path, name in names.items():
            if not is_object_name(name):
                reason = "lower-case letters, digits, hyphens and dots are allowed"
                yield Problem(path, f'"{name}" cannot be the name of a Kubernetes object: {reason}')
        for key, service in self.services.items():
            if service.partition is not None:
                yield Problem(f"services.{key}.partition", partition)
            if "Meta" in service.extra:
                yield Problem(f"services.{key}.extra.Meta", meta)

    def _too_new(self) -> Iterator[Problem]:
        major, minor, *_ = (int(part) for part in self.envoy_version.split("."))
        if self.tracer.zipkin and self.tracer.zipkin.propagation == "b3+w3c" and (major, minor) < (1, 36):
            yield Problem(
                "tracer.zipkin.propagation",
                f'"b3+w3c" needs Envoy 1.36, and the oldest in the mesh is {self.envoy_version} (envoy_version); '
                "an older proxy would not start",
            )

    def _protocols(self) -> Iterator[Problem]:
        if self.default_protocol in HTTP_PROTOCOLS and self.tcp_services is None:
            yield Problem(
                "default_protocol",
                f'"{self.default_protocol}" would parse every undeclared service as HTTP and break those that are not; '
                "name those in tcp_services, or say that there are none: tcp_services: []",
            )

    def _names(self) -> Iterator[Problem]:
        """Two declarations of one entry. Consul's own namespace and partition are called `default`."""
        home = self.home_namespace or "default"
        written: dict[tuple[str, str, str], str] = {}
        for key, service in self.services.items():
            entry = (service.name or key, service.namespace or home, service.partition or self.partition or "default")
            if (first := written.setdefault(entry, f"services.{key}")) != f"services.{key}":
                reason = f'writes the entry of service "{entry[0]}", as {first} does; a service has one entry'
                yield Problem(f"services.{key}", reason)
        for index, name in enumerate(self.tcp_services or []):
            path, entry = f"tcp_services.{index}", (name, home, self.partition or "default")
            if written.setdefault(entry, path) != path or name in self.services:
                yield Problem(path, f'"{name}" is declared before; a service has one entry')


def with_a_collector(args: object) -> object:
    """`args` with a stand-in for a collector that is not given."""
    if not isinstance(args, dict) or "collector" in args:
        return args
    return {**args, "collector": {"host": NO_HOST}}


def with_plain_host(args: object) -> object:
    """`args` with a stand-in for a host that is an Output; the rest shapes what is written, and must be plain."""
    match args:
        case {"collector": {"host": pulumi.Output()} as collector}:
            return {**cast("dict[str, object]", args), "collector": {**collector, "host": UNRESOLVED_HOST}}
        case _:
            return args
