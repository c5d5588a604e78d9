"""What callers write: plain data, as it also stands in a stack's configuration under `consul-tracing:mesh`.

No `from __future__ import annotations` here: Pulumi's schema inference reads the annotations. It knows no `Literal`
either, so closed sets are `str` here and are checked in `settings`.
"""

from typing import Any, NotRequired, TypedDict

import pulumi

from .collector_args import ZipkinCollectorArgs


class TlsArgs(TypedDict):
    """TLS to the collector. Paths of files on the proxies' hosts, never their content: everyone may read the entry.

    The server's certificate and its name are always verified.
    """

    ca_file: str
    """The certificates, in PEM, of the authorities that the collector's certificate must come from. Required."""

    server_name: NotRequired[str]
    """The name that the collector's certificate must hold. Default: the collector's host."""

    certificate_file: NotRequired[str]
    """The proxies' own certificate, in PEM, where the collector asks for one. Default: none. Needs `key_file`."""

    key_file: NotRequired[str]
    """The key of `certificate_file`, in PEM. Default: none."""


class CollectorArgs(TypedDict):
    """Where proxies send spans."""

    host: pulumi.Input[str]
    """DNS name or IP address, as the proxies see it; no scheme, no port. Required. May be an Output, but no secret:
    everyone may read the entry."""

    port: NotRequired[int]
    """TCP port, 1 to 65535. Default: the tracer's own: Zipkin 9411, OTLP 4317 over gRPC and 4318 over HTTP, Datadog
    8126."""

    connect_timeout_ms: NotRequired[int]
    """How long a proxy waits for a connection, in milliseconds. Default 3000: spans are sent beside the requests, which
    never wait for it."""

    tls: NotRequired[TlsArgs]
    """TLS to the collector. Default: none, plain HTTP."""


class ZipkinArgs(TypedDict):
    """Envoy's Zipkin tracer: B3 headers, Zipkin's API v2. A span's service is Consul's service, right by itself."""

    path: NotRequired[str]
    """Where spans are posted. Default "/api/v2/spans"; Zipkin loses v2 spans sent to its v1 path
    (consul-k8s#967)."""

    encoding: NotRequired[str]
    """How spans are written: "json" or "protobuf". Default "json": every collector that takes Zipkin spans reads it."""

    trace_id_128bit: NotRequired[bool]
    """Trace ids of 128 bits instead of 64. Default true: what W3C and OpenTelemetry use. Envoy's own
    default is false."""

    shared_span_context: NotRequired[bool]
    """Whether client and server share one span. Default false: each has its own, as in every newer tracer. Envoy's own
    default is true."""

    hostname: NotRequired[str]
    """The `Host` header of posted spans. Default: the collector's host. (Envoy's own is the name of its cluster, which
    an ingress before the collector would not know.)"""

    propagation: NotRequired[str]
    """Headers between services: "b3", or "b3+w3c": also `traceparent`, both read and written. Default "b3".
    "b3+w3c" needs Envoy 1.36."""


class OpenTelemetryArgs(TypedDict):
    """Envoy's OpenTelemetry tracer: W3C `traceparent` headers, OTLP."""

    transport: NotRequired[str]
    """OTLP over "grpc" or "http" (protobuf). Default "grpc"."""

    path: NotRequired[str]
    """Where spans are posted over HTTP. Default "/v1/traces"."""

    service_name: NotRequired[str]
    """`service.name` of every span of the mesh: one for all, since Envoy takes no other here (consul#18576). Default:
    none, and then every span says `unknown_service:envoy`."""

    resource_attributes: NotRequired[dict[str, str]]
    """Further attributes of the resource, such as `deployment.environment.name`. Default: none."""


class DatadogArgs(TypedDict):
    """Envoy's Datadog tracer."""

    service_name: str
    """The service that spans are told under. Required."""


class TracerArgs(TypedDict):
    """Which of Envoy's tracers speaks to the collector: exactly one."""

    zipkin: NotRequired[ZipkinArgs]
    """Zipkin, or anything that takes its spans (Jaeger, Tempo, the OpenTelemetry collector)."""

    opentelemetry: NotRequired[OpenTelemetryArgs]
    """OTLP."""

    datadog: NotRequired[DatadogArgs]
    """A Datadog agent."""


class SamplingArgs(TypedDict):
    """How many requests become traces. Percent of requests, 0 to 100; fractions are kept (0.01 is one in ten thousand).

    Reaches running proxies at once, without a restart.
    """

    client: NotRequired[float]
    """Requests that ask for a trace with `x-client-trace-id`. Default 100: who asks, gets. Envoy cuts it to whole
    percent."""

    random: NotRequired[float]
    """Requests that arrive without a trace and start one. Default 1.0: enough to see a mesh, cheap enough to forget.

    Consul's own value is 0, which is not "off": an unsampled proxy tells everyone behind it not to sample either
    (envoy#38222).
    """

    overall: NotRequired[float]
    """Upper bound on all of them together, callers' own decisions aside. Default 100: no bound."""


class TagArgs(TypedDict):
    """A tag on every span: exactly one of `literal`, `request_header`, `environment`."""

    literal: NotRequired[str]
    """The value itself."""

    request_header: NotRequired[str]
    """The request header that holds the value."""

    environment: NotRequired[str]
    """The variable of the proxy's environment that holds the value."""

    default: NotRequired[str]
    """The value where the header or variable is missing. Default: no tag then."""


class ServiceArgs(TypedDict):
    """One service of the mesh: its service-defaults entry."""

    protocol: str
    """"http", "http2" or "grpc", whose requests Envoy sees and traces, or "tcp". Required."""

    name: NotRequired[str]
    """The service's name in Consul's catalogue, where it differs from the key. Default: the key."""

    namespace: NotRequired[str]
    """Consul Enterprise namespace. Default: Consul's own. On Kubernetes the namespace of its ServiceDefaults, which
    consul-k8s may mirror to Consul's; default: the mesh's `namespace`."""

    partition: NotRequired[str]
    """Consul Enterprise admin partition. Default: the mesh's `partition`."""

    extra: NotRequired[dict[str, Any]]
    """The rest of the service's entry under Consul's Go names, such as `{"LocalRequestTimeoutMs": 5000}`. Default:
    none."""


class MeshTracingArgs(TypedDict):
    """Tracing for one Consul mesh."""

    collector: NotRequired[CollectorArgs]
    """Where proxies send spans. Exactly one of `collector` and `zipkin_collector` is required."""

    zipkin_collector: NotRequired[ZipkinCollectorArgs]
    """A Zipkin to deploy on Kubernetes, and to send spans to. Only with `target: kubernetes`: elsewhere nobody knows
    its name."""

    target: NotRequired[str]
    """Who is written to: "consul", its HTTP API, or "kubernetes", the custom resources of consul-k8s. Default
    "consul"."""

    enabled: NotRequired[bool]
    """Whether the mesh traces. Default true. False takes the tracing keys out and leaves the rest of the entries."""

    tracer: NotRequired[TracerArgs]
    """Which tracer speaks to the collector. Default `{"zipkin": {}}`: the only one that names each span's service."""

    sampling: NotRequired[SamplingArgs]
    """How many requests become traces. Default `{"random": 1.0}`."""

    gateways: NotRequired[str]
    """"join" or "skip". Default "join": the tracer stands in every proxy's bootstrap, and gateways join traces that
    callers began; what enters without one is marked "not sampled" unless the gateway is started with
    `gateway_envoy_args` (consul#6645). "skip": gateways leave requests alone, and the first sidecar decides."""

    tags: NotRequired[dict[str, TagArgs]]
    """Tags on every span, by name. Default: none."""

    services: NotRequired[dict[str, ServiceArgs]]
    """The mesh's services by name, each with its protocol. Default: none."""

    default_protocol: NotRequired[str]
    """The protocol of every service that declares none: "tcp", "http", "http2" or "grpc". Default: Consul's own, tcp.
    One of the HTTP kind needs `tcp_services`, since it breaks each undeclared service that is not HTTP
    (consul#20064)."""

    tcp_services: NotRequired[list[str]]
    """Services that stay tcp under an HTTP `default_protocol`; `[]` says on purpose that there are none. Default:
    none."""

    static_clusters: NotRequired[list[dict[str, Any]]]
    """Further Envoy clusters for every proxy, as Envoy's JSON has them. Default: none."""

    proxy_config: NotRequired[dict[str, Any]]
    """Further keys of proxy-defaults' `Config`, such as `{"envoy_prometheus_bind_addr": "0.0.0.0:9102"}`. Default:
    none."""

    proxy_defaults: NotRequired[dict[str, Any]]
    """Further fields of proxy-defaults under Consul's Go names, such as `{"AccessLogs": {"Enabled": true}}`.
    Default: none."""

    existing: NotRequired[str]
    """What to do with an entry that this stack did not write. Default "refuse": stop, and say what would be lost.
    "adopt" keeps what it holds and adds ours. "overwrite" writes ours alone. An entry of consul-k8s is always refused,
    and one of another stack is never adopted: two writers undo each other's work for ever (consul#20064)."""

    owner: NotRequired[str]
    """The owner that entries record, at most 512 bytes. Default: the full name of the stack,
    organization/project/stack. Set it where two state backends could produce the same stack name: each stack would take
    the entries of the other for its own."""

    renamed_from: NotRequired[str]
    """The owner that entries record from before `pulumi stack rename`, a move to another project, or a change of
    `owner`: the former full name of the stack, or the former `owner`. Default: none; such entries are another stack's.
    It can be removed after one `up`."""

    release: NotRequired[bool]
    """Whether this stack gives up the entries that it manages: `up` removes their ownership metadata, so that another
    stack can adopt them, and `pulumi destroy` leaves them in place. Default: false."""

    namespace: NotRequired[str]
    """Kubernetes namespace of the custom resources. Default "consul", where consul-k8s' own guide installs it. No
    meaning on Consul's API."""

    sync_timeout_seconds: NotRequired[float]
    """How long consul-k8s may take to bring what is written into Consul, in seconds; then `up` fails with what its
    controller says. Default 120: it takes a second when all is well, and tries again every five. A deletion, which the
    controller takes part in, waits as long. No meaning on Consul's API."""

    migrate_entries: NotRequired[bool]
    """Whether consul-k8s may take over entries that were written over Consul's API, which it does if they are
    identical (its annotation `migrate-entry`). Default false: it refuses them. The stack that manages them over
    Consul's API must give them up first (`pulumi state delete`), or it deletes them. No meaning on Consul's API."""

    partition: NotRequired[str]
    """Consul Enterprise admin partition whose mesh this is. Default: Consul's own."""

    envoy_version: NotRequired[str]
    """The oldest Envoy in the mesh; what it lacks is refused, since it would not start with it. Default "1.34"."""
