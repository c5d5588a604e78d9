"""`consul-tracing verify` on a real mesh: each call of a service needs a span of the called service."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from testbed.jaeger import Jaeger
from tests.mesh.test_gateways import enter, gateway_proxy, leave, terminating_gateway
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACED, TracedMesh, retried
from tests.mesh.verify_runs import (
    OTLP,
    W3C,
    Verification,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
    web_without_headers,
    write,
)

pytestmark = pytest.mark.mesh


def without_tracer(traced: TracedMesh, *names: str, **args: Any) -> None:
    """Write the tracer, which these sidecars do not have because they have not restarted."""
    traced.apply(enabled=False)
    write(traced, **args)
    traced.mesh.restart_sidecars(*(name for name in TRACED if name not in names))


@pytest.mark.parametrize(
    ("names", "missing"),
    [(("web", "api"), ["web"]), (("web",), ["web"]), (("api",), ["api"]), (("client",), ["client"])],
)
def test_called_service_without_a_span_is_missing(
    traced: TracedMesh, names: tuple[str, ...], missing: list[str]
) -> None:
    """Also if its program passed the headers on, so that the next service has a span, and without --expect."""
    without_tracer(traced, *names)
    result = diagnosis(traced, expect="")
    assert_causes(result, "CT401", *names)
    assert result.report["missing"] == missing
    if "client" not in names:
        assert_causes(unknown := diagnosis(traced, expect="", proxies=[], consul=False), "CT421", *missing)
        assert f"called {missing[0]} with status 200" in unknown.evidence
        assert "give --admin for each proxy" in unknown.report["causes"][0]["fix"]
    traced.follow()
    assert_complete(traced, expect="")


@pytest.mark.parametrize(("names", "missing"), [((), []), (("web",), ["web"]), (("web", "api"), ["web"])])
def test_called_service_is_missing_although_all_spans_have_one_name(
    traced: TracedMesh, jaeger: Jaeger, names: tuple[str, ...], missing: list[str]
) -> None:
    """The OpenTelemetry tracer has one service name for the whole mesh."""
    without_tracer(traced, *names, **to_jaeger(OTLP, jaeger))
    result = verify(traced, W3C, expect="", jaeger=jaeger)
    assert (result.report["services"], result.report["missing"]) == (["mesh"], missing)
    assert (result.codes, result.proxies) == ({"CT401"} if names else set(), set(names))
    traced.apply()


def test_sender_without_a_span_is_a_note_without_its_admin_interface(traced: TracedMesh) -> None:
    without_tracer(traced, "client")
    result = diagnosis(traced, expect="", proxies=[], consul=False)
    assert result.exit_code == 0
    assert "the request reached web through a proxy without a span" in result.report["notes"][0]
    traced.follow()


@pytest.mark.slow
def test_gateway_that_started_before_the_tracer_is_missing(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    with gateway_proxy(traced, "api") as (port, envoy):
        write(traced)
        traced.follow()
        traced.wait_until(retried(partial(enter, port)), "the gateway to reach web")
        proxies = [envoy, *(traced.mesh.sidecars[name] for name in ("web", "api"))]
        assert_causes(diagnosis(traced, port=port, expect="", proxies=proxies), "CT401", "api-gateway")


def test_service_behind_lost_headers_is_a_note_without_expected_services(traced: TracedMesh) -> None:
    traced.apply()
    with web_without_headers(traced):
        result = diagnosis(traced, expect="")
        assert (result.exit_code, result.report["services"]) == (0, ["client", "web"])
        assert any("have no span in the trace: api. " in note for note in result.report["notes"])
        assert_causes(diagnosis(traced), "CT408", "web")


@contextmanager
def config_entry(traced: TracedMesh, kind: str, **fields: Any) -> Iterator[None]:
    consul = traced.mesh.consul
    consul.write_config_entry({"Kind": kind, "Name": "web", **fields})
    try:
        yield
    finally:
        consul.delete_config_entry(kind, "web")


RETRIES = {"Service": "web", "NumRetries": 2, "RetryOnStatusCodes": [502, 503], "RetryOnConnectFailure": True}


ROUTES: dict[str, tuple[str, dict[str, Any], str]] = {
    "subset": ("resolver", {"DefaultSubset": "v1", "Subsets": {"v1": {"Filter": ""}}}, "v1.web."),
    "redirect": ("resolver", {"Redirect": {"Service": "api"}}, "api."),
    "failover": ("resolver", {"Failover": {"*": {"Targets": [{"Service": "api"}]}}}, "web."),
    "splitter": ("splitter", {"Splits": [{"Weight": 100, "Service": "api"}]}, "api."),
    "router": ("router", {"Routes": [{"Destination": RETRIES}]}, "web."),
}
"""Entries for web, each with the start of the cluster to which client then sends requests."""


@pytest.mark.slow
@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("spawn", [False, True])
def test_routes_to_other_instances_are_complete(traced: TracedMesh, route: str, *, spawn: bool) -> None:
    traced.apply(spans={"spawn_upstream_span": spawn})
    kind, fields, cluster = ROUTES[route]
    with config_entry(traced, f"service-{kind}", **fields):
        traced.wait_until(
            lambda: "".join(clusters_of_client(traced)[:1]).startswith(cluster), f"the route to {cluster}"
        )
        result = diagnosis(traced, expect="")
        assert (result.exit_code, result.report["calls_without_span"]) == (0, [])
        assert ("web" in result.report["services"]) == ("web." in cluster)


def clusters_of_client(traced: TracedMesh) -> list[str]:
    """Send a request, and return the clusters to which client sent it."""
    spans = diagnosis(traced, expect="", proxies=[]).report["spans"]
    found = [one for one in spans if one["localEndpoint"]["serviceName"] == "client" and one["kind"] == "CLIENT"]
    return [one["tags"]["upstream_cluster.name"] for one in found]


@pytest.mark.slow
def test_failover_to_another_service_is_complete(traced: TracedMesh) -> None:
    traced.apply()
    web = traced.mesh.sidecars["web"]
    with config_entry(traced, "service-resolver", Failover={"*": {"Targets": [{"Service": "api"}]}}):
        traced.mesh.consul.put("/v1/agent/service/maintenance/web?enable=true")
        try:
            traced.wait_until(
                lambda: has_services(diagnosis(traced, expect="", proxies=[]), "api", "client"), "failover"
            )
            assert_complete(traced, expect="", proxies=[one for one in traced.proxies if one is not web])
        finally:
            traced.mesh.consul.put("/v1/agent/service/maintenance/web?enable=false")
    traced.wait_until(lambda: has_services(diagnosis(traced, expect=""), *TRACED), "web")


def has_services(result: Verification, *names: str) -> bool:
    return result.report["services"] == sorted(names)


@pytest.mark.parametrize("spawn", [False, True])
def test_call_that_did_not_arrive_is_a_failed_request(traced: TracedMesh, *, spawn: bool) -> None:
    traced.apply(spans={"spawn_upstream_span": spawn})
    traced.mesh.stop_sidecars("api")
    try:
        proxies = [traced.mesh.sidecars[name] for name in ("client", "web")]
        with config_entry(traced, "service-router", Routes=[{"Destination": RETRIES}]):
            result = verify(traced, expect="", proxies=proxies)
            assert_causes(result, "CT411", "the")
            assert result.report["calls_without_span"] == []
    finally:
        traced.mesh.start_sidecars("api")
    traced.apply()
    assert_complete(traced, expect="")


@pytest.mark.slow
def test_terminating_gateway_reports_the_call_of_its_service(traced: TracedMesh) -> None:
    services = {name: {"protocol": "http"} for name in ("web", "api", "legacy")}
    traced.apply(enabled=False, services=services)
    mesh = traced.mesh
    with terminating_gateway(traced) as (gateway, caller):
        through: dict[str, Any] = {"port": mesh.upstream_port("legacy-client", "legacy"), "expect": ""}
        write(traced, services=services)
        mesh.programs.stop(caller.program)
        caller.start()
        caller.wait_until_ready(mesh.instances["legacy-client"].listeners)
        assert_causes(diagnosis(traced, proxies=[caller], **through), "CT421", "legacy")
        assert_causes(diagnosis(traced, proxies=[gateway, caller], **through), "CT401", "exit")
        mesh.programs.stop(gateway.program)
        gateway.start()
        gateway.wait_until_ready(listeners=1)
        # Its check in Consul can be critical until the next one, ten seconds later.
        traced.wait_until(retried(partial(leave, traced)), "the terminating gateway to reach legacy")
        run = partial(verify, traced, proxies=[gateway, caller], **through)
        result = traced.wait_until(lambda: one if (one := run()).exit_code == 0 else None, "a complete trace")
        assert result.report["services"] == ["exit", "legacy-client"]
    traced.apply()
