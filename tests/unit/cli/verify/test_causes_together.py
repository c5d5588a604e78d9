"""Several faults in one trace: each is a cause, and what only follows from another one is none."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest

from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.evidence import Evidence
from consul_tracing.sources.envoy import RunningProxy
from tests.unit.cli.verify.facts import SPANS, evidence, proxy, public, rejected, span, trace, upstream

NONE = {"context": Propagation.NONE}
REFUSED = {"cluster.spans.upstream_cx_connect_fail": 1}

FAULTS: dict[str, dict[str, Any]] = {
    "CT401": {"tracer": None},
    "CT402": {"clusters": {}},
    "CT403": {"increases": REFUSED},
    "CT404": {"increases": {"cluster.spans.upstream_rq_429": 2}},
    "CT410": {"increases": {"tracing.zipkin.reports_sent": 1}},
}
"""Faults of one proxy."""


def causes(facts: Evidence) -> list[tuple[str, str]]:
    return [(cause.code, cause.proxy.partition(" (")[0]) for cause in diagnose(facts)]


def without_spans_of(*services: str) -> list[Any]:
    return [one for one in SPANS if one.service not in services]


@pytest.mark.parametrize(("first", "second"), [*combinations(FAULTS, 2)])
def test_faults_of_two_proxies_are_both_reported(first: str, second: str) -> None:
    mesh = [proxy("client", **FAULTS[first]), proxy("web"), proxy("api", **FAULTS[second])]
    found = causes(evidence(trace(*without_spans_of("client", "api")), proxies=mesh))
    assert found == [(first, "client"), (second, "api")]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_proxy_and_a_service_without_http(fault: str) -> None:
    mesh = [proxy("client"), proxy("web", **FAULTS[fault]), proxy("api", public(is_http=False))]
    assert set(causes(evidence(trace(*SPANS[:1]), proxies=mesh))) == {(fault, "web"), ("CT409", "api")}


def test_listener_of_the_caller_shows_a_service_without_http_and_the_caller_has_its_own_fault() -> None:
    mesh = [proxy("client"), proxy("web", public(), upstream("api", 9192, is_http=False), increases=REFUSED)]
    assert causes(evidence(trace(*SPANS[:1]), proxies=mesh)) == [("CT409", "web"), ("CT403", "web")]


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_a_proxy_and_an_application_that_loses_headers(fault: str) -> None:
    other = [span("3", "web", "CLIENT", None, trace_id="feed"), span("4", "api", "SERVER", "3", trace_id="feed")]
    mesh = [proxy("client", **FAULTS[fault]), proxy("web"), proxy("api")]
    found = causes(evidence(trace(SPANS[1]), others=[other], proxies=mesh))
    assert found == [(fault, "client"), ("CT408", "web")]


@pytest.mark.parametrize("fault", FAULTS)
def test_application_without_a_traced_call_is_no_cause_if_the_next_proxy_has_one(fault: str) -> None:
    mesh = [proxy("client"), proxy("web"), proxy("api", **FAULTS[fault])]
    assert causes(evidence(trace(*SPANS[:2]), proxies=mesh)) == [(fault, "api")]


FAILED = {"http.status_code": "503", "response_flags": "UF", "error": "true"}


@pytest.mark.parametrize("fault", FAULTS)
def test_failed_request_explains_services_behind_the_failure_and_none_before_it(fault: str) -> None:
    mesh = [proxy("client", **FAULTS[fault]), proxy("web"), proxy("api")]
    seen = trace(span("2", "web", "SERVER", "1", tags=FAILED), status=503)
    assert set(causes(evidence(seen, proxies=mesh))) == {(fault, "client"), ("CT411", "the request")}


def test_unavailable_store_explains_each_missing_span_and_no_fault_of_a_proxy() -> None:
    mesh = [proxy("client", tracer=None), proxy("web", increases=REFUSED), proxy("api", sampling=1)]
    found = causes(evidence(trace(context=Propagation.NONE), proxies=mesh, store_error="refused"))
    assert found == [("CT401", "client"), ("CT410", "the trace store")]


def test_failed_request_and_unavailable_store_are_both_reported() -> None:
    seen = trace(status=None, error="refused")
    assert causes(evidence(seen, store_error="refused")) == [("CT410", "the trace store"), ("CT411", "the request")]


def test_rejected_listener_that_was_never_active_explains_a_failed_request_and_another_one_does_not() -> None:
    seen, error = trace(status=None, error="refused"), "Value: value length must be at least 1 characters"
    never_active = [proxy("client", upstream("web", 0, is_http=False, error=error))]
    assert causes(evidence(seen, proxies=never_active)) == [("CT407", "client")]
    updated = [proxy("client", rejected(error), sampling=0)]
    assert causes(evidence(trace(**NONE, status=None, error="refused"), proxies=updated)) == [
        ("CT407", "client"),
        ("CT411", "the request"),
    ]


def test_unsampled_request_explains_proxies_without_spans_and_not_those_without_a_tracer() -> None:
    mesh = [proxy("client", sampling=0), proxy("web"), proxy("api", tracer=None)]
    found = causes(evidence(trace(context=Propagation.NONE), proxies=mesh))
    assert found == [("CT401", "api"), ("CT405", "client")]


def test_first_proxy_without_a_tracer_explains_that_it_samples_nothing() -> None:
    mesh = [proxy("client", tracer=None, sampling=0), proxy("web"), proxy("api")]
    assert causes(evidence(trace(context=Propagation.NONE), proxies=mesh)) == [("CT401", "client")]


def test_replicas_with_different_faults_are_both_reported() -> None:
    mesh = [proxy("client"), proxy("web", tracer=None), proxy("api", increases=REFUSED)]
    mesh.append(replace(proxy("api", clusters={}), running=RunningProxy("api:19001", {"cluster": "api"}, {})))
    assert causes(evidence(trace(SPANS[0]), proxies=mesh)) == [("CT401", "web"), ("CT402", "api"), ("CT403", "api")]
