"""Services whose registration disables tracing."""

from dataclasses import replace

from consul_tracing.cli.verify.diagnosis import diagnose
from tests.unit.cli.verify.facts import called, evidence, span, trace


def test_called_service_without_a_tracer_is_accepted_unless_it_is_expected() -> None:
    seen = trace(called("1", "client", "web"), expected=())
    assert seen.missing == ("web",)
    accepted = replace(seen, untraced=frozenset({"web"}))
    assert (accepted.missing, accepted.unreported, accepted.passed_without_span) == ((), (), ["web"])
    expected = replace(accepted, expected=("client", "web"))
    assert (expected.missing, [one.service for one in expected.unreported]) == (("web",), ["web"])
    (cause,) = diagnose(evidence(expected, proxies=[]))
    assert (cause.code, cause.proxy) == ("CT421", "web")
    assert "envoy_tracing_json without a tracer" in cause.evidence
    assert cause.fix.endswith("or leave web out of --expect")


def test_caller_without_a_tracer_is_accepted() -> None:
    received = span("2", "web", "SERVER", None, tags={"upstream_cluster.name": "local_app"})
    seen = replace(trace(received, expected=()), sender="client")
    assert seen.missing == ("client",)
    accepted = replace(seen, untraced=frozenset({"client"}))
    assert (accepted.missing, accepted.passed_without_span) == ((), ["client"])
