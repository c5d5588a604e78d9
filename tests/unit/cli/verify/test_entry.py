"""Requests that enter the mesh at another place, misspelt services, and other tracers without a span to send."""

from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.verify.causes.tracers import stale_notes
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.proxies import Proxy
from tests.unit.cli.verify.facts import CONSUL, SPANS, evidence, proxies, proxy, trace

SENT = "tracing.zipkin.reports_sent"
QUIET = {"tracing.zipkin.spans_sent": 0}
"""The counters of a proxy that sent no span since the request."""


def test_other_tracer_is_a_note_if_the_proxy_had_nothing_to_send() -> None:
    other = proxies(differences=("tracer: http.typed_config.collector_hostname",), increases=QUIET)
    facts = evidence(trace(unsampled_header="b3", context=Propagation.NONE), proxies=other)
    assert [cause.code for cause in diagnose(facts)] == ["CT405"]
    found = list(stale_notes(other, ()))
    assert found[0].startswith("a restart of client (client:19000) changes its tracer: Consul has another one now")
    sent = proxies(differences=("tracer: http.typed_config.collector_hostname",), increases={**QUIET, SENT: 1})
    assert {cause.code for cause in diagnose(evidence(trace(), proxies=sent))} == {"CT401"}


def test_misspelt_service_is_named() -> None:
    seen = trace(*SPANS, expected=("client", "web", "apy"))
    known = replace(CONSUL, services=frozenset({"client", "web", "api"}))
    (cause,) = diagnose(evidence(seen, consul=known))
    assert (cause.code, cause.evidence, cause.fix) == ("CT422", "Consul has no service apy", "correct --expect: api")


def idle(service: str) -> Proxy:
    """Return a proxy whose listeners received nothing since the request."""
    counted = [replace(one, stat_prefixes=(one.name,)) for one in proxy(service).listeners]
    counters = {f"http.{one.name}.downstream_rq_total": 0 for one in counted}
    return replace(proxy(service), listeners=tuple(counted), increases=counters)


@pytest.mark.parametrize(
    ("spans", "others", "fix"),
    [
        ((), [], "use the address of an upstream of client (web at :9191)"),
        (SPANS[2:], [idle("api")], "use the address of an upstream of client (web at :9191)"),
    ],
)
def test_request_that_does_not_pass_the_first_service(spans: Any, others: Any, fix: str) -> None:
    """The URL is the port of another program, or of the application behind a sidecar."""
    seen = trace(*spans)
    elsewhere = replace(seen, request=replace(seen.request, port=8500))
    first, *_ = diagnose(evidence(elsewhere, proxies=[idle("client"), *others]))
    assert (first.code, first.fix) == ("CT419", fix)
