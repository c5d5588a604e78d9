"""Calls between services of the mesh, in spans as Envoy 1.37 reports them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.verify.calls import service_of, unreported_calls
from consul_tracing.cli.verify.causes.sampling import unparsed_blocks
from consul_tracing.cli.verify.contexts import Propagation
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.tracers import Tracer
from consul_tracing.entries.tracing_keys import UNTRACED
from consul_tracing.names import LISTENER_KEY
from consul_tracing.sources.spans import Span
from tests.unit.cli.verify.facts import CALLER, called, evidence, proxies, proxy, public, span, trace, upstream

DOMAIN = "32eb6c66-efe4-17ce-f71d-dafb1b17485b.consul"
APP = {"upstream_cluster.name": "local_app"}


@pytest.mark.parametrize(
    ("cluster", "service"),
    [
        (f"web.default.dc1.internal.{DOMAIN}", "web"),
        (f"v2.web.default.dc1.internal.{DOMAIN}", "web"),
        (f"failover-target~web.default.dc2.internal.{DOMAIN}", "web"),
        (f"failover-target~1~v2.Web.default.dc1.internal.{DOMAIN}", "web"),
        (f"f2a8e2b1~web.default.dc1.internal.{DOMAIN}", "web"),
        (f"passthrough~web.default.dc1.internal.{DOMAIN}", "web"),
        (f"web.shop.team.dc1.internal-v1.{DOMAIN}", "web"),
        (f"v2.web.shop.team.dc1.internal-v1.{DOMAIN}", "web"),
        (f"internal.default.dc1.internal.{DOMAIN}", "internal"),
        (f"web.default.default.other-cluster.external.{DOMAIN}", ""),
        ("local_app", ""),
        ("tracing_collector", ""),
        ("original-destination", ""),
        ("api.internal.example.com", ""),
        ("", ""),
    ],
)
def test_clusters_of_services_of_the_mesh(cluster: str, service: str) -> None:
    assert service_of(cluster) == service


def received(identity: str, service: str, parent: str, **tags: str) -> Span:
    return span(identity, service, "SERVER", parent, tags={**APP, **tags})


def services(*spans: Span) -> list[tuple[str, str]]:
    return [(call.caller, call.service) for call in unreported_calls(spans)]


def test_call_needs_a_span_of_the_called_service() -> None:
    assert services(called("1", "client", "web")) == [("client", "web")]
    assert services(called("1", "client", "web"), received("2", "web", "1")) == []
    assert services(called("1", "client", "Web"), received("2", "web", "1")) == []


def test_span_of_the_next_service_is_none_of_the_called_one() -> None:
    """The program of web passed the headers on, and its proxy has no tracer."""
    skipped = [
        called("1", "client", "web", **{"http.url": "http://web/a"}),
        received("2", "api", "1", **{"http.url": "http://api/a"}),
    ]
    assert services(*skipped) == [("client", "web")]


@pytest.mark.parametrize(
    "other",
    [
        {"http.url": "http://web/a"},
        {},
        {"http.url": "http://legacy.example.com/a", "upstream_cluster.name": f"web.default.dc1.internal.{DOMAIN}"},
    ],
    ids=["failover or another name", "no URL", "terminating gateway that changes the host"],
)
def test_another_service_can_receive_the_call(other: dict[str, str]) -> None:
    spans = [called("1", "client", "web", **{"http.url": "http://web/a"}), received("2", "other", "1", **other)]
    assert services(*spans) == []


@pytest.mark.parametrize("flags", ["UF", "UH", "UO", "UT", "NR", "URX,UF", "UC"])
def test_call_that_failed_on_the_way_has_no_span_of_the_called_service(flags: str) -> None:
    assert services(called("1", "client", "web", response_flags=flags)) == []


@pytest.mark.parametrize("cluster", ["payments.example.com", f"web.default.default.peer.external.{DOMAIN}", ""])
def test_services_outside_the_mesh_report_no_span(cluster: str) -> None:
    assert services(called("1", "client", "web", **{"upstream_cluster.name": cluster})) == []


def test_retries_are_several_spans_of_the_called_service() -> None:
    assert services(called("1", "client", "web"), received("2", "web", "1"), received("3", "web", "1")) == []
    # With spawn_upstream_span, each attempt has its own span, and the span above them is none of a call.
    attempts = [
        called("2", "client", "web", "1", response_flags="UF"),
        called("3", "client", "web", "1"),
        received("4", "web", "3"),
    ]
    assert services(replace(called("1", "client", "web"), kind="SERVER"), *attempts) == []
    assert services(*attempts[:2]) == [("client", "web")]


def test_shared_span_context() -> None:
    shared = span("1", "web", "SERVER", None, tags=APP, is_shared=True)
    assert services(called("1", "client", "web"), shared) == []


def test_mesh_gateways_have_no_span_between_datacenters() -> None:
    other = {"upstream_cluster.name": f"web.default.dc2.internal.{DOMAIN}"}
    assert services(called("1", "client", "web", **other), received("2", "web", "1")) == []
    assert services(called("1", "client", "web", **other)) == [("client", "web")]


def test_one_of_two_calls_without_a_span_makes_the_trace_incomplete() -> None:
    """One of two instances of web has no tracer."""
    seen = trace(called("1", "client", "web", CALLER), received("2", "web", "1"), called("3", "client", "web", CALLER))
    assert (seen.missing, [call.service for call in seen.unreported]) == (("api",), ["web"])
    assert not replace(seen, expected=()).is_complete


def codes(facts: Any) -> list[tuple[str, str]]:
    return [(cause.code, cause.proxy.partition(" (")[0]) for cause in diagnose(facts)]


def test_sidecar_that_sent_the_request_must_have_a_span() -> None:
    alone = replace(trace(received("1", "api", CALLER), expected=()), sender="web")
    assert (alone.missing, alone.is_complete) == (("web",), False)
    assert codes(evidence(alone)) == [("CT421", "web")]
    assert replace(alone, sender="").is_complete
    # Expected services are the whole list.
    assert replace(alone, expected=("api",)).is_complete


def test_single_b3_makes_spans_siblings() -> None:
    flat = trace(called("1", "client", "web", CALLER), received("2", "web", CALLER), expected=())
    assert codes(evidence(flat)) == [("CT420", "client")]
    # An application that passes on only b3: the parent of both is an earlier span.
    later = [called("3", "web", "api", "2"), received("4", "api", "1")]
    spans = [called("1", "client", "web", CALLER), received("2", "web", "1"), *later]
    assert codes(evidence(trace(*spans))) == [("CT420", "web")]


def test_tracers_with_other_headers_make_spans_siblings_with_the_default_context() -> None:
    spans = called("1", "client", "web", CALLER), received("2", "web", CALLER)
    flat = trace(*spans, expected=(), context=Propagation.AUTO)
    other_headers = "leaves a header of the caller unchanged (b3, x-b3-* or traceparent)"
    mixed = [proxy("client"), proxy("web", tracer=Tracer("envoy.tracers.opentelemetry", {}))]
    for mesh in (mixed, mixed[:1], []):
        (cause,) = diagnose(evidence(flat, proxies=mesh))
        assert (cause.code, cause.proxy.partition(" ")[0]) == ("CT420", "client")
        assert other_headers in cause.evidence
    (same,) = diagnose(evidence(flat, proxies=[proxy("client"), proxy("web")]))
    assert (same.code, other_headers in same.evidence) == ("CT420", False)


@pytest.mark.parametrize("release", [(1, 40), (1, 41)])
def test_new_envoys_update_b3(release: tuple[int, int]) -> None:
    flat = trace(called("1", "client", "web", CALLER), received("2", "web", CALLER), expected=())
    assert "CT420" not in [code for code, _ in codes(evidence(flat, proxies=proxies(release=release)))]


def test_cause_of_the_called_service_replaces_the_unknown_one() -> None:
    seen = trace(called("1", "client", "web", CALLER), expected=())
    assert codes(evidence(seen, proxies=[proxy("web", tracer=None)])) == [("CT401", "web")]
    assert codes(evidence(seen, proxies=[])) == [("CT421", "web")]
    gateway = proxy("exit", upstream("web", 9191), tracer=None)
    assert codes(evidence(seen, proxies=[gateway])) == [("CT401", "exit")]


def test_listener_without_a_tracing_block_is_not_the_one_of_consul() -> None:
    seen = trace(called("1", "client", "web", CALLER), expected=())
    hidden = proxy("web", public(is_http=False), registered={"envoy_public_listener_json": "{}"})
    assert codes(evidence(seen, proxies=[hidden])) == [("CT415", "web")]


TRACING = (
    "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager.Tracing"
)


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        ({"random_sampling": {"numerator": 1}}, "random_sampling.numerator"),
        ({"custom_tags": [{"tag": "a", "value": "x"}]}, "custom_tags.0.value"),
        ({"verbose": "true"}, "verbose"),
        ({"random_sampling": {"value": 1}}, ""),
    ],
)
def test_unparsed_block_has_the_field(block: Any, reason: str) -> None:
    text = json.dumps({"@type": TRACING, **block})
    listeners = (public(is_http=False), upstream("web", 9191, tracing=UNTRACED))
    found = list(unparsed_blocks([proxy("client", *listeners, registered={LISTENER_KEY: text})]))
    assert [cause.evidence.rpartition("cannot parse ")[2] for cause in found] == ([reason] if reason else [])


@pytest.mark.parametrize(
    "changes",
    [
        {"registered": {}},
        {"stats": {"control_plane.connected_state": 0}},
        {
            "registered": {LISTENER_KEY: "{", "envoy_public_listener_json": "{}"},
            "listeners": (public(tracing=UNTRACED),),
        },
        {"listeners": (public(), replace(public(tracing=UNTRACED), name="exposed_path_health:1"))},
    ],
    ids=["no block", "not connected", "escape hatch", "health check"],
)
def test_listener_at_0_percent_for_another_reason(changes: dict[str, Any]) -> None:
    """Consul gives listeners without a block, and those for health checks, 0 %."""
    facts = {"registered": {LISTENER_KEY: "{"}, "listeners": (public(tracing=UNTRACED),), **changes}
    assert list(unparsed_blocks([proxy("web", **facts)])) == []
    broken = {**facts, "registered": {LISTENER_KEY: "{"}, "stats": {}, "listeners": (public(tracing=UNTRACED),)}
    assert [one.evidence.rpartition(": ")[2] for one in unparsed_blocks([proxy("web", **broken)])] == [
        "Consul cannot parse its JSON"
    ]
