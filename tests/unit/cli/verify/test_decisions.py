"""Sampling decisions since the start of a proxy, with the counters of Envoy 1.37."""

from typing import Any

import pytest

from consul_tracing.cli.verify.decisions import Decisions, decision_notes, decisions_of
from consul_tracing.cli.verify.tracers import Tracer
from tests.unit.cli.verify.facts import proxy, public, upstream

WEB = "http.upstream.web.default.default.dc1.tracing."
STATS = {
    f"{WEB}random_sampling": 10,
    f"{WEB}client_enabled": 2,
    f"{WEB}service_forced": 1,
    f"{WEB}not_traceable": 27,
    f"{WEB}health_check": 5,
    "http.admin.tracing.not_traceable": 99,
    "tracing.zipkin.spans_sent": 15,
}
LISTENERS = (public(is_http=False), upstream("web", 9191, stat_prefixes=("upstream.web.default.default.dc1",)))
SAMPLER = {
    "sampler": {
        "typed_config": {"wrapped_sampler": {"typed_config": {"sampling_percentage": {"numerator": 10}}}},
    }
}


def decisions(*listeners: Any, **changes: Any) -> Decisions:
    return decisions_of(proxy("client", *(listeners or LISTENERS), **{"stats": STATS, **changes}))


def test_requests_are_counted_by_their_reason() -> None:
    found = decisions(sampling=10)
    assert (found.requests, found.random, found.forced, found.not_traceable, found.health_checks) == (40, 10, 3, 27, 5)
    assert (found.rate, found.traced) == (10, 15)


def test_tracer_without_a_counter_of_spans() -> None:
    assert decisions(stats={f"{WEB}random_sampling": 1}).traced is None


def test_spans_of_upstreams_are_not_counted_as_requests() -> None:
    both = upstream("web", 1, stat_prefixes=("upstream.web",), tracing={"spawn_upstream_span": True})
    assert decisions(both).traced == 7


def test_sampler_of_opentelemetry_has_the_rate() -> None:
    found = decisions(sampling=100, tracer=Tracer("envoy.tracers.opentelemetry", SAMPLER))
    assert (found.rate, found.has_sampler) == (10, True)


def facts(random: int, requests: int, rate: float, **changes: Any) -> Decisions:
    counts = {"forced": 0, "not_traceable": requests - random, "health_checks": 0, "traced": random, **changes}
    return Decisions("web", rate, requests, random, **counts)


@pytest.mark.parametrize(
    "healthy",
    [
        facts(0, 99, 100),
        facts(0, 20_000, 1),
        facts(200, 10_000, 1),
        facts(1_150, 10_000, 10),
        facts(9_950, 10_000, 100),
        facts(0, 1_000_000, 0.001),
        facts(0, 0, 10),
        facts(0, 10_000, 0),
        facts(10, 10_000, 1, traced=10_000, is_comparable=False),
        facts(100, 10_000, 1, traced=10_000),
        facts(10_000, 10_000, 10, has_sampler=True, traced=1_000),
    ],
)
def test_chance_and_few_requests_are_no_disagreement(healthy: Decisions) -> None:
    assert [note for note in decision_notes([healthy]) if "not " in note] == []


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (facts(0, 100_000, 1), "request ids that callers set decide (CT413)"),
        (facts(0, 1_000, 100), "request ids that callers set decide (CT413)"),
        (facts(5_000, 10_000, 10), "request ids that callers set decide (CT413)"),
        (facts(1_000, 10_000, 10, traced=0), "callers or a gateway mark the others as not sampled"),
        (facts(10_000, 10_000, 10, has_sampler=True, traced=0), "callers or a gateway mark the others as not sampled"),
    ],
)
def test_disagreement_has_its_reason(facts: Decisions, reason: str) -> None:
    (note,) = [note for note in decision_notes([facts]) if "not " in note]
    assert reason in note


@pytest.mark.parametrize(
    ("updated", "is_comparable"),
    [
        ("2026-01-01T00:00:12.579Z", True),
        ("2026-01-01T00:02:00Z", False),
        ("", True),
        ("today", False),
    ],
)
def test_rate_that_may_have_changed_is_not_compared(updated: str, *, is_comparable: bool) -> None:
    assert decisions(upstream("web", 1, updated=updated)).is_comparable == is_comparable
