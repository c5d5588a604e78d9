"""Which proxies and listeners were on the path of a request, on recorded facts."""

from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.verify.diagnosis import diagnose, secondary_facts
from consul_tracing.cli.verify.evidence import Evidence
from consul_tracing.cli.verify.proxies import Listener, Proxy, proxy_from
from consul_tracing.sources.envoy import RunningProxy
from tests.unit.cli.verify.dumps import TCP, http, listener
from tests.unit.cli.verify.facts import SAMPLE_ALL, SPANS, evidence, proxy, public, rejected, span, trace, upstream

API = "cluster.api.default.dc1.internal.9c8d.consul.upstream_rq_total"
IDLE = {"http.public_listener.downstream_rq_total": 0, "http.upstream.api.default.default.dc1.downstream_rq_total": 0}
BUSY = IDLE | {"http.public_listener.downstream_rq_total": 3}


def causes(facts: Evidence) -> list[tuple[str, str]]:
    return [(cause.code, cause.proxy) for cause in diagnose(facts)]


def replica(number: int, *, increases: dict[str, int] | None = None, node: str = "", **changes: Any) -> Proxy:
    """Return the sidecar of an instance of web."""
    listeners = (
        public(stat_prefixes=("public_listener",)),
        upstream("api", 9192, stat_prefixes=("upstream.api.default.default.dc1",)),
    )
    running = RunningProxy(f"10.0.0.{number}:19000", {"id": node, "cluster": "web"}, {})
    return replace(proxy("web", *listeners, increases=increases or {}, **changes), running=running)


def test_replica_without_requests_is_no_cause_and_its_old_tracer_a_note() -> None:
    used, idle = replica(1, increases=BUSY, tracer=None), replica(2, increases=IDLE, tracer=None)
    facts = evidence(trace(SPANS[0]), proxies=[proxy("client"), used, idle])
    assert causes(facts) == [("CT401", "web (10.0.0.1:19000)")]
    (note,) = secondary_facts(facts)
    assert note.startswith("web (10.0.0.2:19000) did not receive the request; ")


def test_replica_with_other_requests_or_without_counters_stays_a_suspect() -> None:
    for increases in (BUSY, {}):
        facts = evidence(trace(SPANS[0]), proxies=[replica(2, increases=increases, tracer=None)])
        assert causes(facts) == [("CT401", "web (10.0.0.2:19000)")]


def test_silent_replica_is_a_suspect_if_the_span_of_the_service_is_that_of_another_one() -> None:
    """client calls web twice. The second instance has no tracer, so the second call has no span of web."""
    mesh = f"web.default.dc1.internal.{'9c8d'}.consul"
    called = [
        span("1", "client", "CLIENT", None, tags={"upstream_cluster.name": mesh}),
        span("2", "web", "SERVER", "1", tags={"node_id": "web-1", "upstream_cluster.name": "local_app"}),
        span("5", "client", "CLIENT", None, tags={"upstream_cluster.name": mesh}),
    ]
    mesh_of_two = [replica(1, node="web-1", increases=BUSY), replica(2, node="web-2", increases=BUSY, tracer=None)]
    facts = evidence(trace(*called, expected=()), proxies=mesh_of_two)
    assert causes(facts) == [("CT401", "web (10.0.0.2:19000)")]
    whole = evidence(trace(*called[:2], expected=("web", "api")), proxies=mesh_of_two)
    assert "CT401" not in [code for code, _ in causes(whole)]


def test_span_of_an_application_is_not_that_of_its_sidecar() -> None:
    """The call of the application has a missing parent, and only the spans of sidecars have node ids."""
    spans = [
        span("1", "client", "CLIENT", None, tags={"node_id": "client-1"}),
        span("2", "web", "SERVER", "1"),
        span("4", "api", "SERVER", "abc", tags={"node_id": "api-1"}),
    ]
    facts = evidence(trace(*spans), proxies=[replica(1, node="web-1", increases=BUSY, tracer=None)])
    assert causes(facts) == [("CT401", "web (10.0.0.1:19000)")]


def test_listeners_that_were_never_active_count_no_requests() -> None:
    client = proxy("client", public(stat_prefixes=("public_listener",)), Listener("web:127.0.0.1:9191"), increases=IDLE)
    assert client.is_on_path
    assert replica(1, increases=BUSY).is_on_path
    assert not replica(1, increases=IDLE).is_on_path


def entry_of(url: str, *proxies: Proxy) -> list[str]:
    facts = evidence(replace(trace(), request=replace(trace().request, url=url)), proxies=proxies)
    return [found.label for found, _ in facts.entries]


def host(address: str, listens: str, **increases: int) -> Proxy:
    """Return a sidecar of client with the upstream port of the URL."""
    one = upstream("web", 9191, address=listens, stat_prefixes=("upstream.web",))
    counters = {f"http.upstream.web.downstream_{name}": value for name, value in increases.items()}
    return replace(proxy("client", one, increases=counters), running=RunningProxy(address, {"cluster": "client"}, {}))


HOSTS = host("127.0.0.1:1", "127.0.0.1"), host("10.0.0.5:2", "127.0.0.1"), host("10.0.0.6:3", "10.0.0.6")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:9191/", ["client (127.0.0.1:1)"]),
        ("http://localhost:9191/", ["client (127.0.0.1:1)"]),
        ("http://10.0.0.5:9191/", ["client (10.0.0.5:2)"]),
        ("http://10.0.0.6:9191/", ["client (10.0.0.6:3)"]),
        ("http://ingress:9191/", ["client (127.0.0.1:1)", "client (10.0.0.5:2)", "client (10.0.0.6:3)"]),
    ],
)
def test_host_decides_between_listeners_of_one_port(url: str, expected: list[str]) -> None:
    assert entry_of(url, *HOSTS) == expected


def test_counters_decide_before_the_host() -> None:
    hosts = host("127.0.0.1:1", "127.0.0.1", rq_total=0), host("10.0.0.5:2", "127.0.0.1", rq_total=1)
    assert entry_of("http://127.0.0.1:9191/", *hosts) == ["client (10.0.0.5:2)"]


def test_unknown_first_proxy_is_a_note() -> None:
    request = replace(trace().request, url="http://ingress:9191/")
    facts = evidence(replace(trace(), request=request), proxies=HOSTS[:2])
    (note,) = secondary_facts(facts)
    assert note.endswith("several listen on port 9191: client (127.0.0.1:1), client (10.0.0.5:2)")
    assert facts.entry is None


def test_mesh_gateways_and_sidecars_of_tcp_services_report_no_spans() -> None:
    gateway = proxy("mesh-gateway", Listener("default:10.0.0.1:8443", 8443), differences=("tracer: http.name",))
    db = proxy("db", public(is_http=False), tracer=None)
    assert causes(evidence(trace(expected=()), proxies=[gateway, db])) == []
    assert causes(evidence(trace(expected=("client", "web")), proxies=[gateway, db], consul=None)) == []


def test_tcp_service_without_a_tracer_has_both_causes() -> None:
    facts = evidence(trace(*SPANS[:3]), proxies=[proxy("api", public(is_http=False), tracer=None)])
    assert causes(facts) == [("CT401", "api (api:19000)"), ("CT409", "api (api:19000)")]


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("api:127.0.0.1:9192", "api"),
        ("API?dc=dc2:127.0.0.1:9192", "api"),
        ("team/shop/api?peer=other:127.0.0.1:9192", "api"),
        ("prepared_query:api:127.0.0.1:9192", "api"),
    ],
)
def test_upstream_of_a_listener(name: str, service: str) -> None:
    assert Listener(name, 9192, is_outbound=True).upstream == service


def test_transparent_proxy_has_the_upstreams_of_its_listener() -> None:
    """One listener has a filter chain for each upstream, and one for addresses outside the mesh."""
    prefixes = ["upstream.api.default.default.dc1", "upstream.db.default.default.dc1", "upstream.original-destination"]
    filters = [{**http(SAMPLE_ALL), "stat_prefix": prefixes[0]}, *({**TCP, "stat_prefix": one} for one in prefixes[1:])]
    dynamic = listener("outbound_listener:127.0.0.1:15001", 15001, *filters, direction="OUTBOUND")
    running = RunningProxy("web:19000", {"cluster": "web"}, {}, (dynamic,))
    counters = {f"tcp.{prefixes[1]}.downstream_cx_rx_bytes_total": 5, API: 2}
    web = proxy_from(running, counters, dict.fromkeys(counters, 1))
    assert (web.is_on_path, web.sent_to("api"), web.sent_to("db")) == (True, 1, None)
    assert causes(evidence(trace(*SPANS[:2]), proxies=[web])) == [("CT408", "web")]


def test_counters_that_could_not_be_read_before_the_request_are_not_increases() -> None:
    running = RunningProxy("web:19000", {"cluster": "web"}, {})
    assert proxy_from(running, {"cluster.spans.upstream_cx_connect_fail": 9}).increases == {}


def test_unknown_cluster_of_another_filter_is_not_that_of_the_tracer() -> None:
    error = "envoy.filters.http.ext_authz: unknown cluster 'authz'"
    facts = evidence(trace(expected=("web",)), proxies=[proxy("web", rejected(error), sampling=0, tracer=None)])
    assert causes(facts) == [("CT407", "web (web:19000)")]


def called(count: int) -> Proxy:
    return proxy("web", increases={API: count})


def test_counters_of_the_sidecar_tell_a_missing_call_from_lost_headers() -> None:
    (missing,) = diagnose(evidence(trace(*SPANS[:2]), proxies=[called(0)]))
    assert "sent none to api" in missing.evidence
    (lost,) = diagnose(evidence(trace(*SPANS[:2]), proxies=[called(2)]))
    assert "2 requests to api" in lost.evidence


def test_only_services_with_the_upstream_can_have_lost_the_headers() -> None:
    """web calls two services, and the trace ends at db, which is not the caller of api."""
    spans = [*SPANS[:3], span("5", "db", "SERVER", "3")]
    facts = evidence(trace(*spans, expected=("client", "web", "db", "api")), proxies=[called(1), proxy("db", public())])
    assert causes(facts) == [("CT408", "web")]


MESH = "api.default.dc1.internal.9c8d.consul"


@pytest.mark.parametrize(("receiver", "found"), [("reserve", [("CT411", "api")]), ("web", [])])
def test_call_that_another_service_received_was_routed_there(receiver: str, found: list[tuple[str, str]]) -> None:
    """Not if all proxies have one name, which their tracers give them."""
    spans = [*SPANS[:2], span("3", "web", "CLIENT", "2", tags={"upstream_cluster.name": MESH})]
    spans.append(span("4", receiver, "SERVER", "3"))
    facts = evidence(trace(*spans), proxies=[], consul=None)
    assert [one for one in causes(facts) if one[0] == "CT411"] == found


def test_missing_parent_of_a_call_is_a_span_of_the_application() -> None:
    spans = [*SPANS[:2], span("3", "web", "CLIENT", "abc"), SPANS[3]]
    (cause,) = diagnose(evidence(trace(*spans)))
    assert (cause.code, cause.proxy) == ("CT410", "web")
    lost = [SPANS[0], span("3", "web", "CLIENT", "2"), SPANS[3]]
    assert "CT410" not in [code for code, _ in causes(evidence(trace(*lost)))]


FAILED = {"http.status_code": "503", "error": "true", "response_flags": "UF"}


@pytest.mark.parametrize(("status", "is_failure"), [(503, True), (502, True), (404, False), (200, False)])
def test_error_of_a_call_that_the_application_handles_is_no_failure_of_the_request(
    status: int, *, is_failure: bool
) -> None:
    spans = [*SPANS[:2], span("3", "web", "CLIENT", "2", tags=FAILED)]
    assert bool(trace(*spans, status=status).failure) == is_failure


def test_response_after_the_last_retry_is_that_of_the_application() -> None:
    retried = span("3", "web", "CLIENT", "2", tags=FAILED | {"response_flags": "URX"})
    assert not trace(*SPANS[:2], retried, status=503).failure
    first, last = span("2", "web", "SERVER", "1", tags=FAILED), span("3", "web", "SERVER", "1", tags={"error": "true"})
    assert not trace(SPANS[0], first, last, status=503).failure
    assert trace(SPANS[0], replace(first, id="4", start=4000), last, status=503).failure
