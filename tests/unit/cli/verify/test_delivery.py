"""Causes between the proxies and the trace store. The counters are those of Envoy 1.36.4 and 1.40.0."""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from consul_tracing.cli.verify.causes.delivery import credential_notes
from consul_tracing.cli.verify.causes.service_names import naming_notes
from consul_tracing.cli.verify.clocks import clock_notes
from consul_tracing.cli.verify.diagnosis import diagnose
from consul_tracing.cli.verify.evidence import Cause, Evidence
from consul_tracing.cli.verify.proxies import Listener
from consul_tracing.cli.verify.tracers import Tracer, addresses, endpoints
from consul_tracing.cli.verify.verification import reporting_services
from consul_tracing.envoy import collector_cluster
from tests.unit.cli.verify.facts import SPANS, ZIPKIN, evidence, proxies, proxy, span, trace
from tests.unit.meshes import settings

GRPC = Tracer("envoy.tracers.opentelemetry", {"grpc_service": {"envoy_grpc": {"cluster_name": "spans"}}})
HTTP = Tracer(GRPC.name, {"http_service": {"http_uri": {"uri": "http://tempo:4318/v1/traces", "cluster": "spans"}}})
DATADOG = Tracer("envoy.tracers.datadog", {"collector_cluster": "spans"})
SKYWALKING = Tracer("envoy.tracers.skywalking", GRPC.config)

REMOTE = "upstream_cx_destroy_remote_with_active_rq"
PROTOCOL = "upstream_cx_protocol_error"


def counted(**counters: int) -> dict[str, int]:
    return {f"cluster.spans.{name}": value for name, value in counters.items()}


def cluster_of(collector: dict[str, Any]) -> dict[str, Any]:
    """Return the cluster of a collector, without its name."""
    cluster = collector_cluster(settings(collector=collector, envoy_version="1.36"))
    return {key: value for key, value in cluster.items() if key != "name"}


def of_web(tracer: Tracer = ZIPKIN, counters: dict[str, int] | None = None, **facts: Any) -> Evidence:
    """Return the evidence of a trace without the spans of web, whose proxy has these counters."""
    own = {name: facts.pop(name) for name in ("clusters", "stats") if name in facts}
    found = {"tracing.zipkin.spans_sent": 1, **(counters or {})}
    return evidence(
        trace(*SPANS[:1], expected=("client", "web")),
        proxies=[proxy("web", tracer=tracer, increases=found, configured=None, **own)],
        **facts,
    )


def only(facts: Evidence) -> Cause:
    (cause,) = diagnose(facts)
    return cause


@pytest.mark.parametrize(
    ("tracer", "counters", "code", "seen"),
    [
        (ZIPKIN, counted(**{REMOTE: 1, "upstream_rq_503": 1}), "CT416", "closes it without a response to Zipkin"),
        (GRPC, counted(**{REMOTE: 1, "upstream_rq_503": 1}), "CT416", "without a response to OTLP over gRPC"),
        (ZIPKIN, counted(**{PROTOCOL: 1, "upstream_rq_502": 1}), "CT416", "and not in HTTP/1.1"),
        (GRPC, counted(**{PROTOCOL: 1, "upstream_rq_502": 1}), "CT416", "and not in HTTP/2"),
        (GRPC, counted(upstream_rq_404=1), "CT416", "with status 404 to OTLP over gRPC"),
        (HTTP, counted(upstream_rq_400=1), "CT416", "with status 400 to OTLP over HTTP"),
        (DATADOG, counted(upstream_rq_404=1), "CT416", "with status 404 to Datadog"),
        (ZIPKIN, counted(**{PROTOCOL: 2, "upstream_rq_429": 2}), "CT404", "status 429"),
        (ZIPKIN, counted(upstream_rq_404=1, upstream_rq_202=3), "CT404", "status 404"),
        (ZIPKIN, counted(**{REMOTE: 1, "upstream_rq_503": 1, "upstream_rq_202": 3}), "CT404", "closed 1 connections"),
        (ZIPKIN, counted(**{REMOTE: 1, "upstream_rq_503": 3}), "CT404", "status 503"),
        (GRPC, counted(**{REMOTE: 1, "upstream_rq_503": 3}), "CT416", "without a response"),
        (ZIPKIN, {**counted(upstream_rq_200=1), "tracing.zipkin.reports_dropped": 1}, "CT404", "not respond with"),
        (ZIPKIN, counted(upstream_rq_timeout=1, upstream_rq_504=1), "CT403", "did not respond to 1 requests in time"),
        (ZIPKIN, counted(upstream_cx_none_healthy=1, upstream_rq_503=1), "CT403", "DNS resolved its name later"),
        (
            ZIPKIN,
            counted(upstream_cx_connect_fail=1, upstream_rq_503=1, upstream_rq_202=4),
            "CT403",
            "It accepted 4 other requests",
        ),
    ],
)
def test_counters_tell_what_is_at_the_port(tracer: Tracer, counters: dict[str, int], code: str, seen: str) -> None:
    cause = only(of_web(tracer, counters))
    assert (cause.code, seen in cause.evidence) == (code, True), cause


def test_export_over_grpc_without_a_response_is_counted_as_active() -> None:
    cause = only(of_web(GRPC, counted(upstream_rq_completed=0), stats=counted(upstream_rq_active=2)))
    assert (cause.code, "did not respond to 2 requests" in cause.evidence) == ("CT403", True)
    running = of_web(GRPC, counted(upstream_rq_completed=3, upstream_rq_200=3), stats=counted(upstream_rq_active=1))
    assert only(running).code == "CT417"


@pytest.mark.parametrize(
    ("status", "fix"),
    [
        (401, "requires credentials"),
        (403, "rejects the credentials"),
        (413, "maximum size"),
        (429, "limits the rate"),
        (500, "overloaded"),
        (503, "overloaded"),
        (418, "path of the tracer (default: /api/v2/spans)"),
    ],
)
def test_fix_depends_on_the_status(status: int, fix: str) -> None:
    cause = only(of_web(ZIPKIN, counted(**{f"upstream_rq_{status}": 1})))
    assert (cause.code, fix in cause.fix) == ("CT404", True), cause


WITH_CREDENTIAL = {
    "name": "spans",
    **cluster_of({"host": "zipkin", "auth": {"header": "x-api-key", "file": "/etc/key"}}),
}
BOOTSTRAP = {"static_resources": {"clusters": [{"name": "other"}, WITH_CREDENTIAL]}}


@pytest.mark.parametrize(
    ("tracer", "counters", "code"),
    [
        # Envoy 1.40, and Envoy before it, which repeats the cluster.
        (ZIPKIN, counted(**{"lua.credential.errors": 1, "upstream_rq_401": 1}), "CT423"),
        (HTTP, counted(**{"cluster.spanslua.credential.errors": 1, "upstream_rq_403": 1}), "CT423"),
        (GRPC, counted(**{"lua.credential.errors": 1, "upstream_rq_200": 1}), "CT423"),
        (ZIPKIN, counted(**{"lua.credential.errors": 1, "upstream_rq_429": 1}), "CT404"),
        (ZIPKIN, counted(upstream_rq_401=1), "CT404"),
    ],
)
def test_file_of_the_credential_is_named(tracer: Tracer, counters: dict[str, int], code: str) -> None:
    facts = of_web(tracer, counters)
    running = replace(facts.proxies[0].running, bootstrap=BOOTSTRAP)
    cause = only(replace(facts, proxies=[replace(facts.proxies[0], running=running)]))
    assert (cause.code, "/etc/key" in cause.fix) == (code, "upstream_rq_429" not in "".join(counters)), cause


def test_credential_of_a_tolerant_collector_is_a_note() -> None:
    (web,) = of_web(ZIPKIN, counted(**{"lua.credential.errors": 1, "upstream_rq_202": 1})).proxies
    running = replace(web.running, bootstrap=BOOTSTRAP)
    (note,) = credential_notes([replace(web, running=running), replace(web, increases={})])
    assert note.startswith(f"the proxy {web.label} cannot read /etc/key. The collector accepts")
    assert note.endswith(" its spans without the credential, or with the former one (CT423)")


def test_tls_is_no_fix_of_a_connection_with_tls() -> None:
    closed = {REMOTE: 1, "upstream_rq_503": 1}
    assert only(of_web(ZIPKIN, counted(**closed))).fix.startswith("if the port requires TLS, set collector.tls")
    assert only(of_web(ZIPKIN, counted(**closed, **{"ssl.handshake": 1}))).fix.startswith("set collector.port")


def test_other_path_that_is_not_found_is_no_other_protocol() -> None:
    other = replace(ZIPKIN, config={**ZIPKIN.config, "collector_endpoint": "/zipkin/api/v2/spans"})
    assert only(of_web(other, counted(upstream_rq_404=1))).code == "CT404"


@pytest.mark.parametrize(("port", "text"), [(4317, "port for OTLP over gRPC"), (9411, ""), (1234, "")])
def test_default_protocol_of_the_port_is_named(port: int, text: str) -> None:
    cause = only(of_web(ZIPKIN, counted(upstream_rq_404=1), clusters={"spans": (("otel", port),)}))
    assert ("By default, this is the" in cause.evidence, text in cause.evidence) == (bool(text), True)


@pytest.mark.parametrize("tracer", [ZIPKIN, GRPC])
def test_sidecar_before_the_collector_is_named(tracer: Tracer) -> None:
    error = PROTOCOL if tracer is ZIPKIN else REMOTE
    counters = counted(**{error: 1, f"upstream_rq_{502 if tracer is ZIPKIN else 503}": 1})
    known = only(of_web(tracer, counters, sidecars={("zipkin", 9411): "zipkin"}))
    assert "the port of the sidecar of zipkin" in known.evidence
    assert "consul.hashicorp.com/connect-inject" in known.fix


@pytest.mark.parametrize(
    ("address", "host", "is_there"),
    [
        ("10.0.0.1", "10.0.0.1", True),
        ("127.0.0.1", "localhost", True),
        ("0.0.0.0", "10.0.0.1", True),  # noqa: S104 - not listening
        ("10.0.0.2", "10.0.0.1", False),
        ("", "10.0.0.1", False),
    ],
)
def test_address_of_a_listener(address: str, host: str, is_there: Any) -> None:
    assert Listener("public_listener", 20000, address=address).is_at((host, 20000)) is is_there
    assert not Listener("public_listener", 20001, address=address).is_at((host, 20000))


ACCEPTED = counted(upstream_rq_202=1)


def test_store_that_accepts_spans_and_has_none_is_no_other_store() -> None:
    cause = only(of_web(ZIPKIN, ACCEPTED))
    assert (cause.code, "accepted them and dropped" in cause.evidence) == ("CT410", True)
    other = only(of_web(ZIPKIN, ACCEPTED, store="http://other:9411"))
    assert other.fix.startswith("set --store to the store of the collector zipkin:9411")


def test_api_of_the_store_is_no_collector() -> None:
    cause = only(of_web(HTTP, counted(upstream_rq_200=1), store="http://zipkin:9411"))
    assert (cause.code, "the API of this store" in cause.evidence) == ("CT410", True)


def test_collector_on_the_host_of_the_store_makes_a_refusal_likely() -> None:
    sent = counted(upstream_rq_200=1)
    same = only(of_web(GRPC, sent, store="http://zipkin:16686"))
    assert (same.code, "makes a refusal likely" in same.evidence) == ("CT417", True)
    assert "likely" not in only(of_web(GRPC, sent, store="http://jaeger:16686")).evidence


@pytest.mark.parametrize(("tracer", "name"), [(DATADOG, "Datadog"), (SKYWALKING, "SkyWalking")])
def test_tracer_whose_spans_no_store_here_receives(tracer: Tracer, name: str) -> None:
    cause = only(of_web(tracer))
    assert (cause.code, f"sends spans for {name}" in cause.evidence) == ("CT410", True)


def test_type_of_a_tracer_is_that_of_its_configuration() -> None:
    tracer = Tracer(
        "tracing", {"@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig", **GRPC.config}
    )
    assert (tracer.kind, tracer.protocol) == ("opentelemetry", "OTLP over gRPC")


def test_addresses_of_ipv6_and_unix_sockets_are_shown() -> None:
    socket = {"endpoint": {"address": {"pipe": {"path": "/run/otel.sock"}}}}
    six = {"endpoint": {"address": {"socket_address": {"address": "::1", "port_value": 9411}}}}
    found = endpoints({"load_assignment": {"endpoints": [{"lb_endpoints": [socket, six]}]}})
    assert addresses(found) == "/run/otel.sock, [::1]:9411"


NAMED = Tracer(GRPC.name, {**GRPC.config, "service_name": "Mesh"})
IN_MESH = [replace(one, service="mesh", tags={"node_id": f"{one.service}-1"}) for one in SPANS]


def test_common_name_explains_only_proxies_with_spans() -> None:
    """The proxy of api has no span, for which its collector is the cause."""
    refused = {"cluster.spans.upstream_cx_connect_fail": 1}
    mesh = [
        proxy(name, tracer=NAMED, node_id=f"{name}-1", increases=refused if name == "api" else {}, configured=None)
        for name in ("client", "web", "api")
    ]
    named, unreachable = diagnose(evidence(trace(*IN_MESH[:3]), proxies=mesh, consul=None))
    assert (named.code, "none has that of client, web" in named.evidence) == ("CT418", True)
    assert (unreachable.code, unreachable.proxy) == ("CT403", mesh[2].label)


OWN_NAMES = [replace(one, service=f"default/{one.service}", tags={"node_id": f"{one.service}-1"}) for one in SPANS]
NODES = {f"{name}-1": name for name in ("client", "web", "api")}


def test_spans_under_an_own_name_are_those_of_the_expected_service() -> None:
    """`services.<name>.tracing.service_name` is "{namespace}/{service}"."""
    found = replace(trace(*OWN_NAMES, span("5", "default/api", "SERVER", "4")), nodes=NODES)
    assert found.is_complete
    assert found.called == ["web", "api"]
    assert naming_notes(found) == [
        f"the spans of {name} have the name default/{name}" for name in ("api", "client", "web")
    ]


def test_own_name_of_a_proxy_is_no_cause_of_an_incomplete_trace() -> None:
    own = Tracer(GRPC.name, {**GRPC.config, "service_name": "default/client"})
    found = replace(trace(*OWN_NAMES[:1], expected=("client", "shop")), nodes=NODES)
    assert found.missing == ("shop",)
    causes = diagnose(evidence(found, proxies=[proxy("client", tracer=own, node_id="client-1")], consul=None))
    assert "CT418" not in [one.code for one in causes]


@pytest.mark.parametrize("nodes", [NODES, {"web-1": "web"}, {}])
def test_name_that_several_proxies_have_is_not_that_of_one_service(nodes: dict[str, str]) -> None:
    assert replace(trace(*IN_MESH), nodes=nodes).missing == ("client", "web", "api")
    unnamed = [replace(one, service="unknown_service:envoy") for one in IN_MESH[1:3]]
    assert replace(trace(*unnamed, expected=("web",)), nodes=nodes).missing == ("web",)


def test_unnamed_spans_are_a_note_of_a_complete_trace() -> None:
    unnamed = [replace(one, service="unknown_service:envoy") for one in SPANS]
    (note,) = naming_notes(trace(*unnamed, expected=()))
    assert "OTEL_RESOURCE_ATTRIBUTES=service.name=web" in note
    assert naming_notes(trace(*SPANS)) == []
    (cause,) = diagnose(evidence(trace(*unnamed), proxies=[], consul=None))
    assert (cause.code, "tracer.opentelemetry.service_name" in cause.fix) == ("CT418", True)


class Spans:
    """A store with spans of services at the times of their proxies."""

    url = "http://zipkin:9411"

    def __init__(self, **times: int) -> None:
        self._times = times

    def check(self) -> None: ...

    def spans(self, trace_id: str) -> Any:
        raise NotImplementedError(trace_id)

    tagged_spans = spans

    def traces_of(self, service: str, start: int, end: int, *, limit: int = 1) -> Sequence[Any]:
        return [SPANS][:limit] if start <= self._times.get(service, 0) <= end else []


def test_services_are_searched_at_the_time_of_their_proxies() -> None:
    """A recorded clock: one proxy of a real mesh cannot have another time than the others on the same machine."""
    now = time.time_ns() // 1000
    store = Spans(client=now, web=now + 180_000_000, api=now - 60_000_000)
    mesh = [replace(one, clock_offset=offset) for one, offset in zip(proxies(), (0.4, 180.2, 0.0), strict=True)]
    assert reporting_services(store, mesh, now) == {"client", "web"}
    (note,) = clock_notes(mesh)
    assert note.startswith(f"the clock of {mesh[1].label} differs by 180 s")
