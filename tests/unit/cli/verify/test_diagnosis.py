from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.verify.causes.listeners import other_rejections
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.evidence import Cause, Evidence
from consul_tracing.cli.verify.proxies import Tracer
from tests.unit.cli.verify.every_cause import EVIDENCE
from tests.unit.cli.verify.facts import (
    CONSUL,
    KEYS,
    SAMPLE_ALL,
    SPANS,
    ZIPKIN,
    evidence,
    proxies,
    proxy,
    public,
    rejected,
    request,
    span,
    trace,
    upstream,
)

UNSAMPLED = {"random_sampling": {}}
NONE = {"context": Propagation.NONE, "trace_id": "", "span_id": ""}


def causes(facts: Evidence) -> list[tuple[str, str]]:
    return [(cause.code, cause.proxy.partition(" (")[0]) for cause in diagnose(facts)]


def only(facts: Evidence) -> Cause:
    (cause,) = diagnose(facts)
    return cause


@pytest.mark.parametrize("code", EVIDENCE)
def test_each_cause_is_the_only_one(code: str) -> None:
    assert only(EVIDENCE[code]).code == code


EVERY_PROXY = ["client", "web", "api"]


def test_complete_trace_has_no_cause() -> None:
    broken = proxies(tracer=None, listeners=(public(error="rejected"),))
    assert diagnose(evidence(trace(*SPANS), proxies=broken, store_error="down")) == []


def test_incomplete_trace_without_evidence_has_no_cause() -> None:
    assert diagnose(evidence(trace(), proxies=[], consul=None)) == []


def test_mesh_without_tracer_must_be_configured_first() -> None:
    untraced = replace(KEYS, bootstrap={})
    web = [proxy("web", tracer=None, configured=untraced)]
    nothing = evidence(trace(expected=("web",)), proxies=web, consul=replace(CONSUL, keys=untraced))
    assert only(nothing).fix.startswith("write the tracer to proxy-defaults/global")


def test_registration_without_a_tracer_is_a_cause_for_an_expected_service_only() -> None:
    web = [proxy("web", tracer=None, configured=replace(KEYS, bootstrap={}))]
    assert "the registration of the proxy" in only(evidence(trace(expected=("web",)), proxies=web)).evidence
    assert diagnose(evidence(trace(expected=()), proxies=web)) == []


def test_proxy_with_the_tracer_in_its_listener_needs_none_in_its_bootstrap() -> None:
    block = SAMPLE_ALL | {"provider": {"name": ZIPKIN.name, "typed_config": ZIPKIN.config}}
    skip = replace(KEYS, bootstrap={}, listener=block)
    web = proxy("web", public(tracing=block), tracer=None, configured=skip)
    gateway = proxy("ingress-gateway", upstream("ingress", 9191), tracer=None, configured=skip)
    assert diagnose(evidence(trace(), proxies=[web, gateway])) == []


def test_other_tracer_and_other_collector_are_named_by_field() -> None:
    other = ("tracer: http.typed_config.collector_hostname", "static cluster statsd: type")
    (one, *_) = diagnose(evidence(trace(), proxies=proxies(differences=other)))
    assert one.evidence.endswith("with another tracer: collector_hostname differs")
    cluster = ("static cluster spans: load_assignment.endpoints.0",)
    (moved, *_) = diagnose(
        evidence(trace(), proxies=proxies(clusters={"spans": (("old", 9411),)}, differences=cluster))
    )
    assert moved.evidence.endswith("with the collector old:9411, and Consul has zipkin:9411")
    (changed, *_) = diagnose(
        evidence(trace(), proxies=proxies(differences=("static cluster spans: transport_socket",)))
    )
    assert changed.evidence.endswith("with other settings of the collector: transport_socket differs")


@pytest.mark.parametrize("difference", ["tracer: removed", "static cluster statsd: type", "stats sinks: added"])
def test_difference_that_loses_no_span_is_no_cause(difference: str) -> None:
    assert diagnose(evidence(trace(), proxies=proxies(differences=(difference,)))) == []


REJECTED = "envoy.tracers.zipkin: unknown cluster 'nope'"


@pytest.mark.parametrize(
    ("error", "code"), [(REJECTED, "CT402"), ("Value: value length must be at least 1 characters", "CT407")]
)
def test_rejected_listener_explains_failed_and_unsampled_requests(error: str, code: str) -> None:
    mesh = [proxy("client", rejected(error), sampling=0)]
    assert causes(evidence(trace(**NONE), proxies=mesh)) == [(code, "client")]
    never_active = [proxy("client", upstream("web", 0, is_http=False, error=error))]
    assert causes(evidence(trace(status=None, error="refused"), proxies=never_active)) == [(code, "client")]


OTHER_PROVIDER = SAMPLE_ALL | {"provider": {"name": ZIPKIN.name, "typed_config": {"collector_cluster": "new"}}}
WITHOUT_CONSUL: dict[str, Any] = {"configured": None}


@pytest.mark.parametrize(
    ("changes", "listener", "is_cause"),
    [
        ({"sampling": 0}, {"tracing": SAMPLE_ALL}, False),
        ({"sampling": 0} | WITHOUT_CONSUL, {"tracing": SAMPLE_ALL}, False),
        ({"sampling": 0} | WITHOUT_CONSUL, {}, True),
        ({"sampling": 100} | WITHOUT_CONSUL, {}, False),
        (WITHOUT_CONSUL, {"tracing": SAMPLE_ALL, "rejected": OTHER_PROVIDER}, True),
        ({"sampling": 0}, {"tracing": UNSAMPLED, "rejected": UNSAMPLED}, False),
        ({"sampling": 0}, {"tracing": UNSAMPLED, "rejected": UNSAMPLED | {"verbose": True}}, False),
        ({"sampling": 0}, {"tracing": None, "rejected": None, "is_http": False}, False),
    ],
    ids=["reverted", "other-filter", "needed", "active-traces", "other-provider", "same-block", "unsampled", "tcp"],
)
def test_rejected_listener_is_a_cause_if_only_it_traces_the_request(
    changes: dict[str, Any], listener: dict[str, Any], *, is_cause: bool
) -> None:
    mesh = [proxy("client", rejected("script load error", **listener), **changes)]
    facts = evidence(trace(**NONE), proxies=mesh)
    assert ("CT407" in [code for code, _ in causes(facts)]) == is_cause
    assert any("once rejected an update" in note for note in other_rejections(facts)) != is_cause


def test_fix_of_an_unknown_cluster_depends_on_the_entry() -> None:
    declared = "envoy.tracers.zipkin: unknown cluster 'spans'"
    (known,) = diagnose(evidence(trace(**NONE), proxies=[proxy("web", rejected(declared), sampling=0)]))
    assert known.fix == "restart the proxy of web, so that it reads the cluster"
    (unknown,) = diagnose(evidence(trace(**NONE), proxies=[proxy("web", rejected(REJECTED), sampling=0)]))
    assert unknown.fix.startswith("add the cluster nope to envoy_extra_static_clusters_json")


def test_missing_cluster_of_the_bootstrap_tracer_is_found() -> None:
    assert causes(evidence(trace(), proxies=[proxy("web", clusters={})])) == [("CT402", "web")]
    known = [proxy("web", clusters={}, stats={"cluster.spans.membership_total": 1})]
    assert diagnose(evidence(trace(), proxies=known)) == []


@pytest.mark.parametrize(
    ("stats", "evidence_end"),
    [
        (
            {"cluster.spans.upstream_cx_connect_fail": 1, "cluster.spans.upstream_rq_503": 1},
            "does not accept connections",
        ),
        ({"cluster.spans.upstream_cx_connect_timeout": 1}, "does not accept connections"),
        (
            {"cluster.spans.membership_total": 0, "cluster.spans.upstream_cx_none_healthy": 1},
            "does not resolve its name",
        ),
        ({"cluster.spans.ssl.fail_verify_san": 1, "cluster.spans.upstream_cx_connect_fail": 1}, "TLS to"),
    ],
)
def test_unreachable_collector_is_reported_for_each_proxy(stats: dict[str, int], evidence_end: str) -> None:
    unreachable = proxies(stats=stats, increases={**stats, "tracing.zipkin.reports_dropped": 2})
    facts = evidence(trace(), proxies=unreachable)
    assert causes(facts) == [("CT403", name) for name in EVERY_PROXY]
    assert all(evidence_end in cause.evidence for cause in diagnose(facts))


def test_old_failures_are_no_cause() -> None:
    old = {"cluster.spans.upstream_cx_connect_fail": 9, "cluster.spans.upstream_rq_404": 9}
    accepted = {f"cluster.spans.upstream_rq_{status}": 1 for status in (200, 202)}
    assert diagnose(evidence(trace(), proxies=proxies(stats=old, increases=dict.fromkeys(old, 0) | accepted))) == []


def test_other_clusters_are_no_cause() -> None:
    other = {"cluster.web.upstream_cx_connect_fail": 9, "cluster.web.upstream_rq_404": 9}
    assert diagnose(evidence(trace(), proxies=proxies(stats=other, increases=other))) == []


def test_header_of_the_caller_is_the_only_cause() -> None:
    unsampled = proxies(listeners=(public(tracing=UNSAMPLED),))
    cause = only(evidence(trace(unsampled_header="b3"), proxies=unsampled))
    assert (cause.code, cause.proxy) == ("CT405", "the request")


def test_sampled_context_is_followed_by_an_entry_proxy_with_sampling_zero() -> None:
    assert diagnose(evidence(trace(), proxies=[proxy("client", sampling=0), *proxies()[1:]])) == []


def test_low_sampling_and_unread_context() -> None:
    low = [proxy("client", sampling=1)]
    assert "repeat with --requests 100 several times" in only(evidence(trace(**NONE), proxies=low)).fix
    w3c = evidence(trace(context=Propagation.W3C), proxies=[proxy("client", sampling=0)])
    assert only(w3c).evidence == "random sampling is 0 %, and the tracer does not follow w3c"


def test_sampling_of_the_entry_is_read_without_admin_interfaces() -> None:
    zero = replace(CONSUL, keys=replace(KEYS, listener={"random_sampling": {}}))
    assert causes(evidence(trace(**NONE), proxies=[], consul=zero)) == [("CT405", "proxy-defaults/global")]


def test_gateway_that_samples_nothing() -> None:
    gateway = proxy("ingress-gateway", upstream("ingress", 9191, tracing=UNSAMPLED), sampling=0)
    assert causes(evidence(trace(**NONE), proxies=[gateway, *proxies()[1:]])) == [("CT406", "ingress-gateway")]


def test_missing_call_without_other_half() -> None:
    cause = only(evidence(trace(*SPANS[:2]), proxies=[], consul=CONSUL))
    assert (cause.code, cause.proxy) == ("CT408", "web")
    assert "made no traced call to api" in cause.evidence


def test_tcp_service_is_found_in_its_proxy_in_its_caller_and_in_consul() -> None:
    seen = trace(*SPANS[:2])
    own = [proxy("api", public(is_http=False))]
    assert causes(evidence(seen, proxies=own)) == [("CT409", "api")]
    caller = [proxy("web", public(), upstream("api", 9192, is_http=False))]
    assert causes(evidence(seen, proxies=caller)) == [("CT409", "web")]
    tcp = replace(CONSUL, protocols={"web": "http"})
    assert causes(evidence(seen, proxies=[], consul=tcp)) == [("CT409", "api")]


def test_own_protocol_of_the_caller_is_irrelevant() -> None:
    assert diagnose(evidence(trace())) == []
    assert diagnose(evidence(trace(), proxies=[])) == []


def test_tcp_upstream_of_the_caller_is_the_only_cause() -> None:
    mesh = [proxy("client", public(is_http=False), upstream("web", 9191, is_http=False))]
    cause = only(evidence(trace(), proxies=mesh))
    assert cause.code == "CT409"
    assert cause.fix.startswith("if web speaks HTTP or gRPC, declare it: services: {web: {protocol: http}}, that is, ")


def test_database_is_left_out_and_not_declared_as_http() -> None:
    fix = only(evidence(trace(*SPANS[:2]), proxies=[proxy("api", public(is_http=False))])).fix
    assert fix.startswith("if api speaks HTTP or gRPC, ")
    assert fix.endswith(
        "If not, such as a database, leave api out of --expect: it cannot have spans, and protocol http would break "
        "all connections to it"
    )


def test_unavailable_store_explains_unreachable_collectors() -> None:
    unreachable = proxies(increases={"cluster.spans.upstream_cx_connect_fail": 1})
    assert causes(evidence(trace(), proxies=unreachable, store_error="refused")) == [("CT410", "the trace store")]


def test_proxies_that_report_to_another_store() -> None:
    sent = proxies(increases={"tracing.zipkin.reports_sent": 1})
    assert causes(evidence(trace(), proxies=sent)) == [("CT410", name) for name in EVERY_PROXY]
    assert diagnose(evidence(trace(), proxies=sent, stored=frozenset(EVERY_PROXY))) == []


def test_failed_request_names_where_it_ended() -> None:
    tags = {"error": "true", "http.status_code": "503", "response_flags": "UF", "upstream_cluster.name": "api.default"}
    spans = [*SPANS[:2], span("3", "web", "CLIENT", "2", tags=tags)]
    cause = only(evidence(trace(*spans, status=502)))
    assert cause.code == "CT411"
    assert cause.evidence == (
        "http://localhost:9191/: status 502; it ended at the CLIENT span of web to api: status 503, "
        "the upstream refuses connections"
    )


def test_failed_request_without_spans_names_the_responder() -> None:
    seen = trace(status=503, responder="the first proxy made the response itself")
    assert only(evidence(seen)).evidence.endswith("status 503; the first proxy made the response itself")


def test_error_status_of_an_application_is_no_cause_if_the_trace_is_whole() -> None:
    assert diagnose(evidence(trace(*SPANS, status=404))) == []
    assert diagnose(evidence(trace(*SPANS, status=404, expected=()))) == []


def test_proxies_of_other_services_are_not_suspects() -> None:
    unrelated = proxy("billing", public(), tracer=None)
    assert diagnose(evidence(trace(*SPANS[:1], expected=("client", "web")), proxies=[unrelated])) == []


def test_gateway_is_a_suspect_whatever_is_expected() -> None:
    seen, lost = trace(SPANS[1], expected=("web",)), {"cluster.spans.upstream_cx_connect_fail": 1}
    gateway = proxy("ingress-gateway", upstream("ingress", 9191), increases=lost)
    assert causes(evidence(seen, proxies=[gateway])) == [("CT403", "ingress-gateway")]
    without_tracer = proxy("ingress-gateway", upstream("ingress", 9191), tracer=None, increases=lost)
    assert diagnose(evidence(seen, proxies=[without_tracer])) == []


def test_request_without_context_has_no_sampling_cause_with_full_sampling() -> None:
    assert request(**NONE).context is Propagation.NONE
    assert diagnose(evidence(trace(**NONE))) == []


OTLP = Tracer("envoy.tracers.opentelemetry", {"grpc_service": {"envoy_grpc": {"cluster_name": "spans"}}})
SAMPLED_W3C = {"context": Propagation.W3C}


def test_rate_without_a_sampler_breaks_traces_since_envoy_1_39() -> None:
    (cause,) = diagnose(evidence(trace(*SPANS[:2]), proxies=[proxy("web", tracer=OTLP, release=(1, 39), sampling=10)]))
    assert cause.code == "CT412"
    assert "Envoy 1.39 samples 10 %" in cause.evidence


@pytest.mark.parametrize(
    "healthy",
    [{"release": (1, 38), "sampling": 10}, {"release": (1, 40), "sampling": 100}, {"release": (0, 0), "sampling": 10}],
)
def test_rate_without_a_sampler_is_no_cause_on_older_envoys_and_at_100_percent(healthy: dict[str, Any]) -> None:
    causes = diagnose(evidence(trace(*SPANS[:2]), proxies=[proxy("web", tracer=OTLP, **healthy)]))
    assert "CT412" not in [cause.code for cause in causes]


def test_zipkin_follows_the_caller_at_every_rate() -> None:
    causes = diagnose(evidence(trace(*SPANS[:2]), proxies=[proxy("web", release=(1, 40), sampling=10)]))
    assert "CT412" not in [cause.code for cause in causes]


@pytest.mark.parametrize(("release", "expected"), [((1, 38), []), ((1, 40), ["CT406"])])
def test_gateway_of_opentelemetry_ignores_callers_since_envoy_1_39(
    release: tuple[int, int], expected: list[str]
) -> None:
    gateway = proxy("ingress-gateway", upstream("web", 9191), tracer=OTLP, release=release, sampling=0)
    causes = diagnose(evidence(trace(**SAMPLED_W3C), proxies=[gateway], consul=None))
    assert [cause.code for cause in causes if cause.code == "CT406"] == expected
    assert all("with or without a trace context" in cause.evidence for cause in causes if cause.code == "CT406")
