"""Arguments of `MeshTracing`: plain data, also for the stack configuration `consul-tracing:mesh`.

No `from __future__ import annotations` here: Pulumi's schema inference reads the annotations. It does not support
`Literal`, so closed sets are `str` at run time, and `mesh_settings` validates them.
"""

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import pulumi

from .zipkin_collector_args import ZipkinCollectorArgs

if TYPE_CHECKING:
    Encoding = Literal["json", "protobuf"]
    Existing = Literal["refuse", "adopt", "overwrite"]
    Gateways = Literal["join", "skip"]
    Propagation = Literal["b3", "b3+w3c"]
    Protocol = Literal["tcp", "http", "http2", "grpc"]
    Target = Literal["consul", "kubernetes"]
    Transport = Literal["grpc", "http"]
else:
    Encoding = Existing = Gateways = Propagation = Protocol = Target = Transport = str


class TlsArgs(TypedDict):
    """TLS to the collector. Its certificate and its name are always verified.

    The fields are paths of files on the hosts of the proxies, never the content: every client of Consul can read the
    entry.
    """

    ca_file: pulumi.Input[str]
    """Path of the PEM file with the authorities of the collector's certificate. Required."""

    server_name: NotRequired[pulumi.Input[str]]
    """Name in the collector's certificate. Default: the collector's host."""

    certificate_file: NotRequired[pulumi.Input[str]]
    """Path of the PEM file with the client certificate of the proxies. Default: none. Requires `key_file`."""

    key_file: NotRequired[pulumi.Input[str]]
    """Path of the PEM file with the key of `certificate_file`. Default: none."""


class CollectorArgs(TypedDict):
    """Address of the collector to which proxies send spans."""

    host: pulumi.Input[str]
    """DNS name or IP address as proxies see it, without scheme and port. Required.

    Proxies send spans outside of the mesh, so the collector must accept connections from outside of it, without a
    sidecar.
    """

    port: NotRequired[pulumi.Input[int]]
    """TCP port, 1 to 65535. Default: the registered port of the tracer.

    Zipkin 9411, OTLP 4317 over gRPC and 4318 over HTTP, Datadog 8126.
    """

    connect_timeout_ms: NotRequired[pulumi.Input[int]]
    """Timeout for a connection to the collector, in milliseconds. Default: 3000.

    Requests do not wait for spans, so a long timeout does not delay them.
    """

    export_timeout_ms: NotRequired[pulumi.Input[int]]
    """Timeout of one OTLP export, in milliseconds. Default: 3000. Spans of a failed export are lost.

    Not supported with Zipkin and Datadog, whose timeouts Envoy does not expose.
    """

    tls: NotRequired[TlsArgs]
    """TLS to the collector. Default: none, plain HTTP."""

    per_host: NotRequired[bool]
    """Whether a collector runs beside every proxy, so that `host` is a loopback address. Default: false.

    False warns about a loopback address: it is the own host of each proxy, and on Kubernetes its own pod.
    """


if TYPE_CHECKING:
    from typing import Protocol as StructuralType

    class CollectorComponent(StructuralType):
        """A component with the address of a collector, such as `ZipkinCollector`."""

        host: pulumi.Output[str]
        port: pulumi.Output[int]

    Collector = CollectorArgs | CollectorComponent
else:
    Collector = CollectorArgs


class ZipkinArgs(TypedDict):
    """Envoy's Zipkin tracer: B3 headers and Zipkin's API v2. Spans have the name of the Consul service."""

    path: NotRequired[pulumi.Input[str]]
    """URL path for posting spans. Default: "/api/v2/spans".

    Paths of Zipkin's API v1 are rejected: both encodings are v2, and such spans are lost (hashicorp/consul-k8s#967).
    """

    encoding: NotRequired[Encoding]
    """Encoding of spans: "json" or "protobuf". Default: "json", which all collectors of Zipkin spans support."""

    trace_id_128bit: NotRequired[bool]
    """Whether trace ids have 128 bits instead of 64. Default: true, as in W3C and OpenTelemetry. Envoy's is false."""

    shared_span_context: NotRequired[bool]
    """Whether client and server share one span. Default: false, as in newer tracers. Envoy's default is true."""

    hostname: NotRequired[pulumi.Input[str]]
    """`Host` header of posted spans. Default: the collector's host.

    Envoy's own default is the name of its cluster, which an ingress controller cannot route.
    """

    propagation: NotRequired[Propagation]
    """Trace headers between services: "b3" or "b3+w3c" (also `traceparent`). Default: "b3".

    "b3+w3c" reads and writes both formats. It requires Envoy 1.36.
    """


class OpenTelemetryArgs(TypedDict):
    """Envoy's OpenTelemetry tracer: W3C `traceparent` headers and OTLP."""

    transport: NotRequired[Transport]
    """OTLP transport: "grpc" or "http" (protobuf). Default: "grpc"."""

    path: NotRequired[pulumi.Input[str]]
    """URL path for posting spans over HTTP. Default: "/v1/traces". Not supported with gRPC."""

    service_name: NotRequired[pulumi.Input[str]]
    """`service.name` of proxies without a name in their environment. Default: none, `unknown_service:envoy`.

    Consul sets no name for each service (hashicorp/consul#18576). The output `proxy_environment` does.
    """

    resource_attributes: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional attributes of the resource, such as `deployment.environment.name`. Default: none."""

    headers: NotRequired[dict[str, pulumi.Input[str]]]
    """Headers of each export, such as a tenant id: `{"x-scope-orgid": "shop"}`. Default: none.

    Credentials are not supported, because every client of Consul can read the entry. Send spans to an OpenTelemetry
    Collector that adds them.
    """


class DatadogArgs(TypedDict):
    """Envoy's Datadog tracer."""

    service_name: pulumi.Input[str]
    """Service name of proxies without `DD_SERVICE` in their environment (output `proxy_environment`). Required."""


class TracerArgs(TypedDict):
    """Tracer of the proxies: exactly one field."""

    zipkin: NotRequired[ZipkinArgs]
    """Zipkin, or a collector that accepts Zipkin spans, such as Jaeger, Tempo or the OpenTelemetry Collector."""

    opentelemetry: NotRequired[OpenTelemetryArgs]
    """A collector that accepts OTLP."""

    datadog: NotRequired[DatadogArgs]
    """A Datadog agent."""


class SamplingArgs(TypedDict):
    """Sampling rates, in percent of requests (0 to 100). Fractions are allowed: 0.01 is one request in 10,000.

    A change reaches running proxies immediately, without a restart. With `tracer.opentelemetry` on Envoy 1.35 or newer
    the rate is in the tracer's sampler, which proxies read at startup; with `gateways: skip` it is in the listener, and
    a change is immediate.
    """

    client: NotRequired[float]
    """Percentage of requests with `x-client-trace-id` that are traced. Default: 100, all of them, as in Consul.

    Envoy rounds it down to a whole number. With a mesh that is open to the internet set 0: anyone can send the header.
    Not supported with the sampler of `tracer.opentelemetry`, where the header starts no trace.
    """

    random: NotRequired[float]
    """Percentage of requests without trace context that start a trace. Default: 1.0, useful visibility at low overhead.

    Consul's own default is 0, which also disables tracing in applications behind the proxy (envoyproxy/envoy#38222).
    """

    overall: NotRequired[float]
    """Upper limit of all sampled requests, except those that callers sample. Default: 100, no limit.

    Not supported with the sampler of `tracer.opentelemetry`.
    """


class SpanArgs(TypedDict):
    """Content of the spans. A change reaches running proxies immediately, without a restart.

    Source: the fields of the same names in Envoy's `HttpConnectionManager.Tracing`.
    """

    max_path_tag_length: NotRequired[pulumi.Input[int]]
    """Maximum length of the path in the tag `http.url`, in bytes. Default: 256. Envoy truncates longer paths."""

    spawn_upstream_span: NotRequired[bool]
    """Whether a proxy creates an additional span for each request to an upstream. Default: false.

    False is one span for each request that a proxy receives or sends. True separates the time in the proxy from the
    time in the upstream.
    """

    verbose: NotRequired[bool]
    """Whether spans have log entries for the events of a stream, such as the first byte. Default: false."""


class TagArgs(TypedDict):
    """Tag of every span: exactly one of `literal`, `request_header`, `environment`."""

    literal: NotRequired[pulumi.Input[str]]
    """Fixed value."""

    request_header: NotRequired[pulumi.Input[str]]
    """Name of the request header with the value."""

    environment: NotRequired[pulumi.Input[str]]
    """Name of the proxy's environment variable with the value."""

    default: NotRequired[pulumi.Input[str]]
    """Value if the header or the variable is missing. Default: none, the span has no tag."""


class ServiceArgs(TypedDict):
    """Service of the mesh, with its service-defaults entry."""

    protocol: Protocol
    """Protocol: "http", "http2" or "grpc", which Envoy traces, or "tcp". Required."""

    name: NotRequired[str]
    """Name of the service in Consul's catalog. Default: the key in `services`."""

    namespace: NotRequired[str]
    """Consul Enterprise namespace. Default: Consul's default namespace.

    On Kubernetes: the namespace of the ServiceDefaults, which consul-k8s can mirror to Consul. Default: `namespace`.
    """

    partition: NotRequired[str]
    """Consul Enterprise admin partition. Default: `partition` of the mesh."""

    service_defaults: NotRequired[dict[str, Any]]
    """Additional fields of the entry with Consul's Go names. Default: none.

    Example: `{"LocalRequestTimeoutMs": 5000}`.
    """


class MetadataArgs(TypedDict):
    """Additional metadata of the custom resources on Kubernetes."""

    labels: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional labels. Default: none."""

    annotations: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional annotations. Default: none."""


class MeshTracingArgs(TypedDict):
    """Tracing of a Consul mesh."""

    collector: NotRequired[Collector]
    """Collector to which proxies send spans, or a `ZipkinCollector`.

    Exactly one of `collector` and `zipkin_collector` is required.
    """

    zipkin_collector: NotRequired[ZipkinCollectorArgs]
    """Zipkin to deploy on Kubernetes, to which proxies send spans. Default: none.

    Requires `target: kubernetes`: the host name of Zipkin is valid in the cluster only.
    """

    target: NotRequired[Target]
    """Backend: "consul" (HTTP API) or "kubernetes" (consul-k8s custom resources). Default: "consul"."""

    enabled: NotRequired[bool]
    """Whether the mesh traces. Default: true. False removes the tracing keys and preserves all other fields."""

    tracer: NotRequired[TracerArgs]
    """Tracer of the proxies. Default: `{"zipkin": {}}`, whose spans have the name of their service."""

    sampling: NotRequired[SamplingArgs]
    """Sampling rates. Default: `{"random": 1.0}`."""

    spans: NotRequired[SpanArgs]
    """Content of the spans. Default: `{}`, Envoy's defaults."""

    gateways: NotRequired[Gateways]
    """Whether gateways take part in traces: "join" or "skip". Default: "join".

    "join": the tracer is in the bootstrap of every proxy, and gateways join the traces of callers. A gateway marks
    other requests as not sampled, unless it is started with `gateway_envoy_args` (hashicorp/consul#6645).
    "skip": gateways do not change the trace context, and the first sidecar decides. The tracer is then in the listener,
    which Consul parses: OpenTelemetry and "b3+w3c" require Consul 1.22.6. An older one drops the listener's tracing.
    """

    tags: NotRequired[dict[str, TagArgs]]
    """Tags of every span, by name. Default: none."""

    services: NotRequired[dict[str, ServiceArgs]]
    """Services of the mesh by name, with their protocols. Default: none."""

    default_protocol: NotRequired[Protocol]
    """Protocol of services without one: "tcp", "http", "http2" or "grpc". Default: Consul's default, tcp.

    An HTTP protocol requires `tcp_services`: it breaks undeclared services that are not HTTP (hashicorp/consul#20064).
    """

    tcp_services: NotRequired[list[str]]
    """Services that keep the protocol tcp with an HTTP `default_protocol`; `[]` if there are none. Default: none."""

    static_clusters: NotRequired[list[dict[str, Any]]]
    """Additional clusters of every proxy, in Envoy's JSON format. Default: none."""

    proxy_config: NotRequired[dict[str, Any]]
    """Additional keys of `Config` in proxy-defaults. Default: none.

    Example: `{"envoy_prometheus_bind_addr": "0.0.0.0:9102"}`.
    """

    proxy_defaults: NotRequired[dict[str, Any]]
    """Additional fields of proxy-defaults with Consul's Go names. Default: none.

    Example: `{"AccessLogs": {"Enabled": true}}`.
    """

    accept_broken_traces: NotRequired[bool]
    """Whether the tracer may change to one that shares no trace headers with the running proxies. Default: false.

    Each proxy changes its tracer when it restarts. Until the last one has restarted, a trace breaks between two proxies
    with different headers. The change is rejected with the steps that avoid it.
    """

    existing: NotRequired[Existing]
    """Handling of entries that this stack does not manage: "refuse", "adopt" or "overwrite". Default: "refuse".

    "refuse" rejects them, with the fields that a write would remove. "adopt" preserves their fields and adds those of
    this stack. "overwrite" writes the fields of this stack only. Entries of consul-k8s are always rejected. Entries of
    another stack are never adopted, because two writers revert each other's changes (hashicorp/consul#20064).
    """

    owner: NotRequired[str]
    """Owner recorded in the entries, at most 512 bytes. Default: the full name of the stack.

    The full name is organization/project/stack. Set an owner if two state backends could contain the same stack name,
    because each stack would manage the entries of the other.
    """

    renamed_from: NotRequired[str]
    """Former owner in the entries: the former full name of the stack, or the former `owner`. Default: none.

    Set it for the first `up` after `pulumi stack rename`, after a move to another project, or after a change of
    `owner`. Otherwise the entries belong to another stack.
    """

    release: NotRequired[bool]
    """Whether the stack stops managing its entries. Default: false.

    `up` then removes the ownership metadata, so that another stack can adopt the entries, and `pulumi destroy` keeps
    them.
    """

    namespace: NotRequired[pulumi.Input[str]]
    """Kubernetes namespace of the custom resources. Default: "consul", the namespace in the guide of consul-k8s.

    Has no effect with `target: consul`.
    """

    metadata: NotRequired[MetadataArgs]
    """Additional labels and annotations of the custom resources. Default: none. Has no effect with `target: consul`."""

    sync_timeout_seconds: NotRequired[float]
    """Timeout of consul-k8s for writing or deleting an object, in seconds. Default: 120.

    The controller needs about one second, and retries every five. After the timeout, `up` fails with the controller's
    error. Has no effect with `target: consul`.
    """

    migrate_entries: NotRequired[bool]
    """Whether consul-k8s takes over entries of Consul's HTTP API (`migrate-entry`). Default: false.

    By default consul-k8s rejects them. It takes over only entries with the content of the custom resource: declared
    fields must have their value in Consul. If the stack has a Consul provider or `consul:address`, fields that are not
    declared are preserved as fields of other owners; with `existing: overwrite` they are not. A stack that manages the
    entries over the HTTP API must remove them from its state first (`pulumi state delete`), or it deletes them. Has no
    effect with `target: consul`.
    """

    partition: NotRequired[str]
    """Consul Enterprise admin partition of the mesh. Default: Consul's default partition."""

    envoy_version: NotRequired[str]
    """Oldest Envoy in the mesh. Default: "1.34". Inputs that it does not support are rejected: it would not start.

    Required with `tracer.opentelemetry`. "1.35" or newer: `sampling.random` is in the tracer's sampler, and traces are
    complete on every version. "1.34": the rate is in the listener, and proxies of 1.39 or newer break traces
    (envoyproxy/envoy#45830).
    """
