"""Evidence for each cause that `verify` finds."""

from dataclasses import replace

from consul_tracing.cli.verify.consul_config import ConsulConfig
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.evidence import Evidence
from consul_tracing.cli.verify.tracers import Tracer
from consul_tracing.entries.tracing_keys import UNTRACED
from consul_tracing.names import LISTENER_KEY
from tests.unit.cli.verify.facts import CALLER, SPANS, called, evidence, proxy, public, rejected, span, trace, upstream

UNKNOWN, INVALID = "envoy.tracers.zipkin: unknown cluster 'nope'", "Value: value length must be at least 1 characters"
OTHER = [span("3", "web", "CLIENT", None, trace_id="feed"), span("4", "api", "SERVER", "3", trace_id="feed")]
REJECTED = {"cluster.spans.upstream_rq_429": 2, "tracing.zipkin.reports_dropped": 2}
UNAUTHORIZED = {"cluster.spans.lua.credential.errors": 1, "cluster.spans.upstream_rq_401": 1}
OTLP = Tracer("envoy.tracers.opentelemetry", {"grpc_service": {"envoy_grpc": {"cluster_name": "spans"}}})
NONE = {"context": Propagation.NONE}
BLOCK = '{"@type": "Tracing", "random_sampling": {"value": 100}, "operation": "%REQ(:PATH)%"}'
UNPARSED = (public(is_http=False), upstream("web", 9191, tracing=UNTRACED))
FLAT = [called("1", "client", "web", CALLER), span("2", "web", "SERVER", CALLER)]

REFUSED = {"tracing.opentelemetry.spans_sent": 2, "cluster.spans.upstream_rq_200": 2}
MUTE = {"cluster.spans.upstream_cx_destroy_remote_with_active_rq": 1, "cluster.spans.upstream_rq_503": 1}
NAMED = Tracer(OTLP.name, {**OTLP.config, "service_name": "mesh"})
MESH = [replace(one, service="mesh", tags={"node_id": f"{one.service}-1"}) for one in SPANS]

EVIDENCE: dict[str, Evidence] = {
    "CT401": evidence(trace(), proxies=[proxy("web", tracer=None)]),
    "CT402": evidence(trace(**NONE), proxies=[proxy("web", rejected(UNKNOWN), sampling=0)]),
    "CT403": evidence(trace(), proxies=[proxy("web", increases={"cluster.spans.upstream_cx_connect_fail": 1})]),
    "CT404": evidence(trace(), proxies=[proxy("web", increases=REJECTED)]),
    "CT405": evidence(trace(**NONE), proxies=[proxy("client", sampling=0)]),
    "CT406": evidence(trace(**NONE), proxies=[proxy("ingress-gateway", upstream("web", 9191), sampling=0)]),
    "CT407": evidence(trace(**NONE), proxies=[proxy("web", rejected(INVALID), sampling=0)]),
    "CT408": evidence(trace(*SPANS[:2]), others=[OTHER]),
    "CT409": evidence(trace(*SPANS[:2]), proxies=[proxy("api", public(is_http=False))]),
    "CT410": evidence(trace(), proxies=[proxy("web", increases={"tracing.zipkin.reports_sent": 1})]),
    "CT411": evidence(trace(status=None, error="[Errno 111] Connection refused")),
    "CT416": evidence(trace(), proxies=[proxy("web", increases=MUTE)]),
    "CT417": evidence(trace(), proxies=[proxy("web", tracer=OTLP, increases=REFUSED)]),
    "CT418": evidence(trace(*MESH), proxies=[proxy("web", tracer=NAMED, node_id="web-1")]),
    "CT419": evidence(trace(status=None, error="reset"), sidecars={("localhost", 9191): "web"}),
    "CT412": evidence(trace(*SPANS[:2]), proxies=[proxy("web", tracer=OTLP, release=(1, 40), sampling=10)]),
    "CT413": evidence(trace(**NONE, request_id="order-4711"), proxies=[proxy("client", sampling=10)]),
    "CT414": evidence(
        trace(**NONE), proxies=[proxy("client", *UNPARSED, sampling=0, registered={LISTENER_KEY: BLOCK})]
    ),
    "CT415": evidence(trace(*SPANS[:3]), proxies=[proxy("api", public(tracing=None))]),
    "CT420": evidence(trace(*FLAT, expected=()), proxies=[]),
    "CT421": evidence(trace(*FLAT[:1], expected=()), proxies=[]),
    "CT423": evidence(trace(), proxies=[proxy("web", increases=UNAUTHORIZED)]),
    "CT422": evidence(
        trace(*SPANS[:3], expected=("client", "web", "apy")),
        consul=ConsulConfig(services=frozenset({"client", "web", "api"})),
    ),
}
