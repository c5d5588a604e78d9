"""Inputs of `MeshTracing`."""

from collections.abc import Iterator, Mapping
from functools import reduce
from typing import ClassVar, Literal, Self

from pydantic import Field

from consul_tracing.access_logs import FORMATS, SPAN_ID, newer_formats, rejected_formats
from consul_tracing.errors import Problem, format_value
from consul_tracing.names import HTTP_PROTOCOLS, SAMPLER_ENVOY, SPAN_ID_ENVOY, UNRESOLVED, EnvoyRelease, release_text

from .entry_fields import ProxyConfig, ProxyDefaultsFields, StaticClusters
from .entry_settings import MANAGED_BY_CONSUL_K8S, EntrySettings, Protocol
from .static_clusters import newer_problems
from .tracer_settings import AccessLogs, Collector, Sampling, Span, Tag, Tracer, Zipkin
from .types import EnvoyVersion, ServiceName, Text
from .validation import Settings
from .zipkin_collector_settings import ZipkinCollectorSettings

Gateways = Literal["join", "skip"]

NEWER_INPUTS: Mapping[str, EnvoyRelease] = {
    "collector.auth": (1, 36),
    "tracer.zipkin.headers": (1, 36),
    "tracer.zipkin.propagation": (1, 36),
    "tracer.opentelemetry.max_cache_size": (1, 36),
}
"""The oldest Envoy that supports an input, or on which it is tested. An older one may not start."""

VERSION_IS_REQUIRED = (
    "is required with tracer.opentelemetry, because it decides where the sampling rate is. "
    'Set the oldest Envoy in the mesh. "1.35" or newer: the rate is in the sampler of the tracer, and traces are '
    'complete on every version. "1.34": the rate is in the listener, and proxies of 1.39 or newer break traces'
)


class MeshSettings(EntrySettings):
    """Tracing of a Consul mesh."""

    component: ClassVar[str] = "MeshTracing"
    plain: ClassVar[frozenset[str]] = EntrySettings.plain | {"tcp_services", "envoy_version"}

    enabled: bool = True
    """Whether the mesh traces. Default: {default}. False removes the tracing keys and preserves all other fields."""

    collector: Collector = Collector.model_construct(host=UNRESOLVED)
    """Collector to which proxies send spans, or a `ZipkinCollector`.

    Exactly one of `collector` and `zipkin_collector` is required.
    """

    tracer: Tracer = Tracer.model_construct(zipkin=Zipkin.model_construct())
    """Tracer of the proxies. Default: `{"zipkin": {}}`, whose spans have the name of their service."""

    sampling: Sampling = Sampling.model_construct()
    """Sampling rates. Default: `{"random": 1.0}`."""

    spans: Span = Span.model_construct()
    """Content of the spans. Default: `{}`, Envoy's defaults."""

    gateways: Gateways = "join"
    """Whether gateways take part in traces: "join" or "skip".

    "join": the tracer is in the bootstrap of every proxy, and gateways join the traces of callers. A gateway marks
    other requests as not sampled, unless it is started with `gateway_envoy_args` (hashicorp/consul#6645).
    "skip": gateways do not change the trace context, and the first sidecar decides. The tracer is then in the listener,
    which Consul parses: OpenTelemetry and "b3+w3c" require Consul 1.22.6. An older one drops the listener's tracing.
    """

    tags: dict[Text, Tag] = Field(default_factory=dict)
    """Tags of every span, by name."""

    access_logs: AccessLogs = AccessLogs.model_construct()
    """Access logs of the proxies. Default: `{}`, those of `proxy_defaults`, or of other owners of the entry.

    With `enabled: false` they are not written: they contain the ids of traces.
    """

    default_protocol: Protocol | None = None
    """Protocol of services without one: "tcp", "http", "http2" or "grpc". Default: Consul's default, tcp.

    An HTTP protocol requires `tcp_services`: it breaks undeclared services that are not HTTP (hashicorp/consul#20064).
    """

    tcp_services: list[ServiceName] | None = None
    """Services that keep the protocol tcp with an HTTP `default_protocol`; `[]` if there are none."""

    static_clusters: StaticClusters = Field(default_factory=list)
    """Additional clusters of every proxy, in Envoy's JSON format."""

    proxy_config: ProxyConfig = Field(default_factory=dict)
    """Additional keys of `Config` in proxy-defaults.

    Example: `{"envoy_prometheus_bind_addr": "0.0.0.0:9102"}`.
    """

    proxy_defaults: ProxyDefaultsFields = Field(default_factory=dict)
    """Additional fields of proxy-defaults with Consul's Go names.

    Example: `{"AccessLogs": {"Enabled": true}}`.
    """

    accept_broken_traces: bool = False
    """Whether the tracer may change to one that shares no trace headers with the running proxies.

    Each proxy changes its tracer when it restarts. Until the last one has restarted, a trace breaks between two proxies
    with different headers. The change is rejected with the steps that avoid it.
    """

    envoy_version: EnvoyVersion = "1.34"
    """Oldest Envoy in the mesh. Default: {default}. Inputs that it does not support are rejected: it would not start.

    Required with `tracer.opentelemetry`. "1.35" or newer: `sampling.random` is in the tracer's sampler, and traces are
    complete on every version. "1.34": the rate is in the listener, and proxies of 1.39 or newer break traces
    (envoyproxy/envoy#45830).
    """

    zipkin_collector: ZipkinCollectorSettings | None = None
    """Zipkin to deploy on Kubernetes, to which proxies send spans.

    Requires `target: kubernetes`: the host name of Zipkin is valid in the cluster only.
    """

    @classmethod
    def of(cls, name: str, args: object) -> Self:
        """Validate the arguments of the component called `name`. `collector` is that of `zipkin_collector`, if any."""
        settings = super().of(name, args)
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

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        yield from self._collector_problems()
        if self.target == "kubernetes" and "Meta" in self.proxy_defaults:
            yield Problem("proxy_defaults.Meta", MANAGED_BY_CONSUL_K8S)
        yield from self._sampler_problems()
        yield from self._access_log_problems()
        for index, cluster in enumerate(self.static_clusters):
            yield from newer_problems(cluster, f"static_clusters.{index}", self.oldest_envoy)
        yield from self._key_problems()
        yield from self._span_name_problems()
        yield from self._newer_problems()
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

    def _newer_problems(self) -> Iterator[Problem]:
        """Return the inputs that the oldest Envoy does not support."""
        for path, since in NEWER_INPUTS.items():
            *above, name = path.split(".")
            holder: Settings | None = reduce(lambda one, field: one and getattr(one, field), above, self)
            if holder and self.oldest_envoy < since and getattr(holder, name) != _default(holder, name):
                yield self._newer_problem(path, since)

    def _newer_problem(self, path: str, since: EnvoyRelease, what: str = "") -> Problem:
        required = release_text(since)
        return Problem(
            path,
            f"{what}requires Envoy {required}, got {self.envoy_version} (envoy_version, the oldest of the mesh). "
            f'If all proxies have it, set envoy_version: "{required}"',
        )

    def _collector_problems(self) -> Iterator[Problem]:
        otlp = self.tracer.opentelemetry
        if "export_timeout_ms" in self.collector.model_fields_set and (otlp is None or otlp.transport == "grpc"):
            fix = "Remove it, or set tracer.opentelemetry with transport: http"
            reason = "with transport: grpc, where Envoy ignores it" if otlp else "without tracer.opentelemetry"
            yield Problem("collector.export_timeout_ms", f"is not supported {reason}. {fix}")
        yield from self._auth_problems()
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

    def _key_problems(self) -> Iterator[Problem]:
        """Return the keys that outputs have in place of the name of a service, and that name another service."""
        outputs, known = self.output_names, self.service_names
        for key, name in self.names_by_key.items():
            if outputs[key] != name and key in known:
                reason = f'several services are named "{name}", and outputs have their keys. Choose another key'
                yield Problem(f"services.{key}", f'conflicts with the name of another service ("{key}"): {reason}')

    def _span_name_problems(self) -> Iterator[Problem]:
        for key, service in self.services.items():
            name = service.tracing and service.tracing.service_name
            path = f"services.{key}.tracing.service_name"
            if name and self.tracer.zipkin is not None:
                reason = "whose spans always have the name of the Consul service. Remove it, or set another tracer"
                yield Problem(path, f"is not supported with tracer.zipkin, {reason}")
            if name and self.target == "kubernetes" and "{partition}" in name:
                yield Problem(path, f"must not contain {{partition}}: a partition {MANAGED_BY_CONSUL_K8S}")
            if name and self.target == "kubernetes" and "{namespace}" in name and service.namespace is None:
                reason = "is required with target: kubernetes and {namespace} in tracing.service_name"
                yield Problem(f"services.{key}.namespace", reason)

    def _auth_problems(self) -> Iterator[Problem]:
        if (auth := self.collector.auth) is None:
            return
        if self.tracer.datadog is not None:
            yield Problem("collector.auth", "is not supported with tracer.datadog. The agent has the API key")
        for name in ("zipkin", "opentelemetry"):
            if (tracer := getattr(self.tracer, name)) and auth.header in tracer.headers:
                reason = f"conflicts with tracer.{name}.headers, which has the same header. Remove it there"
                yield Problem("collector.auth.header", reason)

    def _access_log_problems(self) -> Iterator[Problem]:
        """Return the fields of `proxy_defaults` that `access_logs` writes. Consul rejects two formats."""
        path, logs = "proxy_defaults.AccessLogs", self.proxy_defaults.get("AccessLogs") or {}
        if self.enabled and self.access_logs.trace_id:
            for field in ("Enabled", *FORMATS):
                if field in logs:
                    reason = "conflicts with access_logs.trace_id, which sets the format. Remove one of them"
                    yield Problem(f"{path}.{field}", reason)
            return
        yield from (Problem(f"{path}.{one.path}", one.reason) for one in rejected_formats(logs))
        for field in newer_formats(logs, self.oldest_envoy):
            yield self._newer_problem(f"{path}.{field}", SPAN_ID_ENVOY, f"{SPAN_ID} ")

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


def _default(group: Settings, name: str) -> object:
    return type(group).model_fields[name].get_default(call_default_factory=True)
