"""Facts of the demo mesh for the tests of `verify`."""

from collections.abc import Mapping
from typing import Any

from consul_tracing.cli.verify.consul_config import ConsulConfig
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.evidence import Evidence
from consul_tracing.cli.verify.proxies import Listener, Proxy
from consul_tracing.cli.verify.requests import SentRequest
from consul_tracing.cli.verify.tracers import Tracer
from consul_tracing.cli.verify.traces import Trace
from consul_tracing.entries.tracing_keys import TracingKeys
from consul_tracing.sources.envoy import RunningProxy
from consul_tracing.sources.spans import Span

TRACE_ID, CALLER = "463ac35c9f6413ad48485a3953bb6124", "a2fb4a1d1a96d312"
EXPECTED = ("client", "web", "api")

ZIPKIN = Tracer("envoy.tracers.zipkin", {"collector_cluster": "spans", "collector_endpoint": "/api/v2/spans"})
COLLECTOR = {"spans": (("zipkin", 9411),)}
SAMPLE_ALL = {name: {"value": 100} for name in ("client_sampling", "random_sampling", "overall_sampling")}
ADDRESS = {"address": {"socket_address": {"address": "zipkin", "port_value": 9411}}}
KEYS = TracingKeys(
    {"http": {"name": ZIPKIN.name, "typed_config": ZIPKIN.config}},
    SAMPLE_ALL,
    {"spans": {"load_assignment": {"endpoints": [{"lb_endpoints": [{"endpoint": ADDRESS}]}]}}},
)
CONSUL = ConsulConfig(KEYS, {"web": "http", "api": "http"})


def request(**changes: Any) -> SentRequest:
    fields = {"trace_id": TRACE_ID, "span_id": CALLER, "context": Propagation.B3, "status": 200, **changes}
    return SentRequest("http://localhost:9191/", 9191, **fields)


def span(
    identity: str, service: str, kind: str, parent: str | None, *, tags: Mapping[str, str] | None = None, **more: Any
) -> Span:
    """Return a span of ten milliseconds that starts at its identity, a number, in milliseconds."""
    own = {"trace_id": TRACE_ID, "start": int(identity, 16) * 1000, "duration": 10_000, **more}
    return Span(id=identity, parent_id=parent, service=service, kind=kind, name="get", tags=dict(tags or {}), **own)


SPANS = (
    span("1", "client", "CLIENT", CALLER),
    span("2", "web", "SERVER", "1"),
    span("3", "web", "CLIENT", "2"),
    span("4", "api", "SERVER", "3"),
)


def called(identity: str, caller: str, service: str, parent: str | None = None, **tags: str) -> Span:
    """Return the span of a caller's proxy for a call of a service of the mesh."""
    cluster = {"upstream_cluster.name": f"{service}.default.dc1.internal.11111111-2222.consul"}
    own = {"http.status_code": "200", "response_flags": "-", **cluster, **tags}
    return span(identity, caller, "CLIENT", parent, tags=own)


def trace(*spans: Span, expected: tuple[str, ...] = EXPECTED, seconds: float | None = None, **changes: Any) -> Trace:
    return Trace(request(**changes), spans, expected, seconds=seconds)


def public(*, is_http: bool = True, **changes: Any) -> Listener:
    block = {"tracing": SAMPLE_ALL if is_http else None, **changes}
    return Listener("public_listener:127.0.0.1:20000", 20000, is_http, **block)


def upstream(name: str, port: int, *, is_http: bool = True, **changes: Any) -> Listener:
    block = {"tracing": SAMPLE_ALL if is_http else None, **changes}
    return Listener(f"{name}:127.0.0.1:{port}", port, is_http, is_outbound=True, **block)


def rejected(error: str, **changes: Any) -> Listener:
    """Return a listener with Consul's default of 0 % that rejected the block in Consul."""
    return public(error=error, **{"tracing": {"random_sampling": {}}, "rejected": SAMPLE_ALL, **changes})


def proxy(service: str, *listeners: Listener, node_id: str = "", **changes: Any) -> Proxy:
    own = {
        "client": (public(is_http=False), upstream("web", 9191)),
        "web": (public(), upstream("api", 9192)),
        "api": (public(),),
    }
    running = RunningProxy(f"{service}:19000", {"cluster": service, "id": node_id}, {}, started="2026-01-01T00:00:00Z")
    facts = {"tracer": ZIPKIN, "clusters": COLLECTOR, "listeners": listeners or own[service], "configured": KEYS}
    return Proxy(running, **{**facts, **changes})


def proxies(**changes: Any) -> list[Proxy]:
    return [proxy(name, **changes) for name in EXPECTED]


def evidence(seen: Trace, **facts: Any) -> Evidence:
    return Evidence(seen, **{"store": "http://zipkin:9411", "proxies": proxies(), "consul": CONSUL, **facts})
