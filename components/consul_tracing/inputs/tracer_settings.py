"""Inputs of the tracer: its collector, sampling rates, spans and tags."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from consul_tracing.errors import Problem, format_value
from consul_tracing.names import UNRESOLVED

from .collector_component import CollectorComponent
from .hosts import is_loopback
from .tracers import v1_path_reason
from .types import (
    CacheSize,
    EnvironmentVariable,
    ExportHeaders,
    FilePath,
    FinePercent,
    FreeHeader,
    HeaderName,
    Host,
    MeshName,
    Milliseconds,
    Percent,
    Port,
    RetrySeconds,
    Text,
    Uint32,
    UrlPath,
)
from .validation import Settings

Encoding = Literal["json", "protobuf"]
Caller = Literal["service", "namespace", "datacenter", "trust-domain"]
Propagation = Literal["b3", "b3+w3c"]
Transport = Literal["grpc", "http"]


class Tls(Settings):
    """TLS to the collector. Its certificate and its name are always verified.

    The fields are paths of files on the hosts of the proxies, never the content: every client of Consul can read the
    entry.
    """

    ca_file: FilePath
    """Path of the PEM file with the authorities of the collector's certificate."""

    server_name: Host | None = None
    """Name in the collector's certificate. Default: the collector's host."""

    certificate_file: FilePath | None = None
    """Path of the PEM file with the client certificate of the proxies. Default: none. Requires `key_file`."""

    key_file: FilePath | None = None
    """Path of the PEM file with the key of `certificate_file`."""

    @classmethod
    def from_plain(cls, value: object) -> dict[str, object]:
        """Return an example for `tls: true`."""
        return {"ca_file": "/etc/ssl/certs/ca.pem"} if value is True else {}

    def _problems(self) -> Iterator[Problem]:
        if self.key_file is not None and self.certificate_file is None:
            yield Problem("certificate_file", "is required with key_file")
        if self.certificate_file is not None and self.key_file is None:
            yield Problem("key_file", "is required with certificate_file")


class Auth(Settings):
    """Credential that proxies add to each export, from a file on their hosts. It is in no entry and in no state.

    Requires Envoy 1.36. A proxy without the file starts, and its exports have no credential.
    """

    shorthand: ClassVar[str] = "file"

    header: FreeHeader = "authorization"
    """Header with the credential."""

    file: FilePath
    """Absolute path of an SDS file on the hosts of the proxies, as `render --as sds` prints it.

    Its value is the whole value of the header: `Bearer abc`, one line of ASCII text. A file with only the value is
    supported too. Proxies use a changed file within two seconds.
    """


class Collector(Settings):
    """Address of the collector to which proxies send spans."""

    shorthand: ClassVar[str] = "host"
    component_type: ClassVar[type | None] = CollectorComponent

    host: Host
    """DNS name or IP address as proxies see it, without scheme and port.

    Proxies send spans outside of the mesh, so the collector must accept connections from outside of it, without a
    sidecar.
    """

    port: Port | None = None
    """TCP port, 1 to 65535. Default: the registered port of the tracer.

    Zipkin 9411, OTLP 4317 over gRPC and 4318 over HTTP, Datadog 8126.
    """

    connect_timeout_ms: Milliseconds = 3000
    """Timeout for a connection to the collector, in milliseconds.

    Requests do not wait for spans, so a long timeout does not delay them.
    """

    export_timeout_ms: Milliseconds = 3000
    """Timeout of one export of OTLP over HTTP, in milliseconds. Default: {default}. Spans of a failed export are lost.

    Not supported with OTLP over gRPC, where Envoy ignores it, and with Zipkin and Datadog, whose timeouts Envoy does
    not expose.
    """

    tls: Tls | None = None
    """TLS to the collector. Default: none, plain HTTP."""

    auth: Auth | None = None
    """Credential in a header of each export, from a file. Default: none. Not supported with Datadog."""

    per_host: bool = False
    """Whether a collector runs beside every proxy, so that `host` is a loopback address.

    False warns about a loopback address: it is the own host of each proxy, and on Kubernetes its own pod.
    """

    def _problems(self) -> Iterator[Problem]:
        if self.per_host and self.host != UNRESOLVED and not is_loopback(self.host):
            yield Problem("per_host", f"requires a loopback host, got {format_value(self.host)}. Set host: 127.0.0.1")


class Zipkin(Settings):
    """Envoy's Zipkin tracer: B3 headers and Zipkin's API v2. Spans have the name of the Consul service."""

    path: UrlPath = "/api/v2/spans"
    """URL path for posting spans.

    Paths of Zipkin's API v1 are rejected: both encodings are v2, and such spans are lost (hashicorp/consul-k8s#967).
    """

    encoding: Encoding = "json"
    """Encoding of spans: "json" or "protobuf". Default: {default}, which all collectors of Zipkin spans support."""

    trace_id_128bit: bool = True
    """Whether trace ids have 128 bits, not 64. Default: {default}, as in W3C and OpenTelemetry. Envoy's is false."""

    shared_span_context: bool = False
    """Whether client and server share one span. Default: {default}, as in newer tracers. Envoy's default is true."""

    hostname: Text | None = None
    """`Host` header of posted spans. Default: the collector's host.

    Envoy's own default is the name of its cluster, which an ingress controller cannot route.
    """

    propagation: Propagation = "b3"
    """Trace headers between services: "b3" or "b3+w3c" (also `traceparent`).

    "b3+w3c" reads and writes both formats. It requires Envoy 1.36.
    """

    headers: ExportHeaders = Field(default_factory=dict)
    """Headers of each export, such as a tenant id: `{"x-scope-orgid": "shop"}`. They require Envoy 1.36.

    Credentials are not supported, because every client of Consul can read the entry. Set `collector.auth`.
    """

    def _problems(self) -> Iterator[Problem]:
        if reason := v1_path_reason(self.path):
            yield Problem("path", reason)


class OpenTelemetry(Settings):
    """Envoy's OpenTelemetry tracer: W3C `traceparent` headers and OTLP."""

    transport: Transport = "grpc"
    """OTLP transport: "grpc" or "http" (protobuf)."""

    path: UrlPath = "/v1/traces"
    """URL path for posting spans over HTTP. Default: {default}. Not supported with gRPC."""

    service_name: MeshName | None = None
    """`service.name` of proxies without a name in their environment. Default: none, `unknown_service:envoy`.

    Consul sets no name for each service (hashicorp/consul#18576). The output `proxy_environment` does.
    """

    resource_attributes: dict[Text, Text] = Field(default_factory=dict)
    """Additional attributes of the resource, such as `deployment.environment.name`."""

    headers: ExportHeaders = Field(default_factory=dict)
    """Headers of each export, such as a tenant id: `{"x-scope-orgid": "shop"}`.

    Credentials are not supported, because every client of Consul can read the entry. Set `collector.auth`.
    """

    max_cache_size: CacheSize | None = None
    """Maximum number of spans that wait for the next export, in each worker thread. Default: Envoy's, 1024.

    Envoy exports after 5 spans or 5 seconds, so only a proxy with other flush settings (`min_flush_spans` in its
    runtime) fills it. It saves no span in an outage of the collector: `retry_seconds` does. Requires Envoy 1.36.
    """

    retry_seconds: RetrySeconds = 0
    """Time for which proxies repeat a failed export, in seconds, at least approximately. Default: {default}, no retry.

    Set the length of an outage of the collector in which spans must not be lost. A proxy keeps up to 1000 exports in
    memory, up to about 25 MiB. Not supported with HTTP, for which Envoy has no retry.
    """

    def _problems(self) -> Iterator[Problem]:
        if self.transport == "grpc" and "path" in self.model_fields_set:
            yield Problem("path", "is not supported with transport: grpc")
        if self.transport == "http" and self.retry_seconds:
            yield Problem("retry_seconds", "is not supported with transport: http. Set transport: grpc")


class Datadog(Settings):
    """Envoy's Datadog tracer."""

    service_name: MeshName
    """Service name of proxies without `DD_SERVICE` in their environment (output `proxy_environment`)."""


class Tracer(Settings):
    """Tracer of the proxies: exactly one field."""

    one_of: ClassVar[tuple[str, ...]] = ("zipkin", "opentelemetry", "datadog")

    zipkin: Zipkin | None = None
    """Zipkin, or a collector that accepts Zipkin spans, such as Jaeger, Tempo or the OpenTelemetry Collector."""

    opentelemetry: OpenTelemetry | None = None
    """A collector that accepts OTLP."""

    datadog: Datadog | None = None
    """A Datadog agent."""

    @classmethod
    def from_plain(cls, value: object) -> dict[str, object]:
        """Return the tracer of a name."""
        return {value: {}} if isinstance(value, str) else {}

    @property
    def name(self) -> str:
        """The name of the field that is set."""
        return next(name for name in self.one_of if getattr(self, name) is not None)

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
    """Sampling rates, in percent of requests (0 to 100). Fractions are allowed: 0.01 is one request in 10,000.

    A change reaches running proxies immediately, without a restart. With `tracer.opentelemetry` on Envoy 1.35 or newer
    the rate is in the tracer's sampler, which proxies read at startup; with `gateways: skip` it is in the listener, and
    a change is immediate.
    """

    shorthand: ClassVar[str] = "random"

    client: Percent = 100.0
    """Percentage of requests with `x-client-trace-id` that are traced. Default: {default}, all of them, as in Consul.

    Envoy rounds it down to a whole number. With a mesh that is open to the internet set 0: anyone can send the header.
    Not supported with the sampler of `tracer.opentelemetry`, where the header starts no trace.
    """

    random: FinePercent = 1.0
    """Percentage of requests without trace context that start a trace. Default: {default}, at low overhead.

    Consul's own default is 0, which also disables tracing in applications behind the proxy (envoyproxy/envoy#38222).
    """

    overall: FinePercent = 100.0
    """Upper limit of all sampled requests, except those that callers sample. Default: {default}, no limit.

    Not supported with the sampler of `tracer.opentelemetry`.
    """


class Span(Settings):
    """Content of the spans. A change reaches running proxies immediately, without a restart.

    Source: the fields of the same names in Envoy's `HttpConnectionManager.Tracing`.
    """

    max_path_tag_length: Uint32 = 256
    """Maximum length of the path in the tag `http.url`, in bytes. Default: {default}. Envoy truncates longer paths."""

    spawn_upstream_span: bool = False
    """Whether a proxy creates an additional span for each request to an upstream.

    False is one span for each request that a proxy receives or sends. True separates the time in the proxy from the
    time in the upstream.
    """

    verbose: bool = False
    """Whether spans have log entries for the events of a stream, such as the first byte."""


class AccessLogs(Settings):
    """Access logs of the proxies."""

    shorthand: ClassVar[str] = "trace_id"

    trace_id: bool = False
    """Whether every proxy writes access logs with the trace id and the request id. Default: {default}.

    True writes `Enabled` and `JSONFormat` of `AccessLogs` in proxy-defaults: the fields of Consul's format, and
    `trace_id`. Datadog has no such field: the logs contain `dd.trace_id` and `traceparent`. With
    `tracer.opentelemetry` and `envoy_version` 1.38 or newer they also contain `span_id`. Running proxies use the format
    immediately; the access log of the admin interface is in the bootstrap. False writes nothing.
    """


class Tag(Settings):
    """Tag of every span: exactly one of `literal`, `request_header`, `environment`, `caller`."""

    shorthand: ClassVar[str] = "literal"
    example: ClassVar[str] = "{literal: prod}"
    one_of: ClassVar[tuple[str, ...]] = ("literal", "request_header", "environment", "caller")

    literal: Text | None = None
    """Fixed value."""

    request_header: HeaderName | None = None
    """Name of the request header with the value."""

    environment: EnvironmentVariable | None = None
    """Name of the proxy's environment variable with the value."""

    caller: Caller | None = None
    """Part of the caller's identity: "service", "namespace", "datacenter" or "trust-domain".

    Sidecars read it from the certificate of the calling proxy. Only spans of received requests have it. Those of
    sent requests have the `default`.
    """

    default: Text | None = None
    """Value if the header, the variable or the identity is missing. Default: none, the span has no tag."""

    def _problems(self) -> Iterator[Problem]:
        if self.literal is not None and self.default is not None:
            yield Problem("default", "is not supported with literal")
