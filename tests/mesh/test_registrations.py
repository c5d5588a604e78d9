"""Proxies with tracing keys of their own: the findings of `lint`, `stale` and `verify` on the real mesh."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from consul_tracing.cli.stale.report import report_of
from consul_tracing.sources.consul import consul_client
from consul_tracing.sources.envoy import admin_client
from consul_tracing.sources.proxies import Target, Targets
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TracedMesh, rendered, span_names
from tests.mesh.verify_runs import OTLP, assert_causes, assert_complete, diagnosis, verify, write

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

TRACER, LISTENER = "envoy_tracing_json", "envoy_listener_tracing_json"
OFF = {TRACER: "{}"}
WITHOUT_WEB = [("api", "SERVER"), ("client", "CLIENT")]
WHOLE = [("api", "SERVER"), ("client", "CLIENT"), ("web", "CLIENT"), ("web", "SERVER")]


def register(traced: TracedMesh, name: str, keys: dict[str, Any]) -> None:
    """Register a sidecar with these keys, and restart it."""
    registration = traced.mesh.instances[name].registration
    if keys:
        registration["Connect"]["SidecarService"].setdefault("Proxy", {})["Config"] = keys
    traced.mesh.consul.register(registration)

    def is_merged() -> bool:
        config = traced.mesh.consul.get(f"/v1/agent/service/{name}-sidecar-proxy")["Proxy"].get("Config") or {}
        return all(config.get(key) == value for key, value in keys.items() if value)

    traced.wait_until(is_merged, f"the registration of {name}")
    traced.mesh.restart_sidecars(name)


@contextmanager
def registered(traced: TracedMesh, name: str, keys: dict[str, Any]) -> Iterator[None]:
    register(traced, name, keys)
    try:
        yield
    finally:
        register(traced, name, {})


def config(traced: TracedMesh, **args: Any) -> dict[str, Any]:
    found: dict[str, Any] = rendered(traced.arguments(**args))[-1]["Config"]
    return found


def stale(traced: TracedMesh) -> dict[str, list[str]]:
    """Return the differences of the proxies that must restart."""
    targets = [Target(admin_client(f"{LOOPBACK}:{one.admin_port}")) for one in traced.proxies]
    report = report_of(Targets(targets), consul_client(traced.mesh.consul.environment))
    assert report.unreadable == {}
    return {one.service: one.differences for one in report.stale}


@pytest.mark.parametrize("value", ["", None])
def test_empty_tracer_keeps_that_of_the_mesh(traced: TracedMesh, value: object) -> None:
    """CT357."""
    traced.apply()
    with registered(traced, "web", {TRACER: value}):
        assert span_names(traced.spans_of(traced.request(), 4)) == WHOLE


def test_tracer_of_the_listener_has_precedence_over_a_registration_without_one(traced: TracedMesh) -> None:
    """CT357: `gateways: skip`."""
    traced.apply(gateways="skip")
    with registered(traced, "web", OFF):
        assert span_names(traced.spans_of(traced.request(), 4)) == WHOLE
    traced.apply()


def test_tracer_with_other_headers_breaks_the_trace(traced: TracedMesh, jaeger: Jaeger) -> None:
    """CT356: web exports over OTLP, and its neighbours have the headers of Zipkin."""
    traced.apply()
    other = config(traced, **to_jaeger(OTLP, jaeger))
    keys = {key: other[key] for key in (TRACER, "envoy_extra_static_clusters_json", LISTENER)}
    with registered(traced, "web", keys):
        result = verify(traced, expect="", proxies=[])
        assert result.exit_code == 1
        assert "web" in result.report["missing"]


def test_proxy_without_a_tracer_is_accepted_unless_it_is_expected(traced: TracedMesh) -> None:
    traced.apply()
    with registered(traced, "web", OFF):
        assert span_names(traced.spans_of(traced.request(), 2)) == WITHOUT_WEB
        for proxies in (traced.proxies, []):
            result = diagnosis(traced, expect="", proxies=proxies)
            assert (result.exit_code, result.report["missing"]) == (0, []), result.report
            assert "without a span, because their registrations disable tracing: web" in result.report["notes"]
        assert_complete(traced, expect="client,api")
        assert_causes(diagnosis(traced), "CT401", "web")
        assert_causes(unread := diagnosis(traced, proxies=[]), "CT421", "web")
        for result in (diagnosis(traced), unread):
            assert "envoy_tracing_json without a tracer" in result.evidence
            assert "proxy-config-map" in result.report["causes"][0]["fix"]
        # Without access to Consul, nothing shows that it is intended.
        assert_causes(diagnosis(traced, expect="", proxies=[], consul=False), "CT421", "web")
    register(traced, "client", {})


def test_caller_without_a_tracer_is_accepted(traced: TracedMesh) -> None:
    """Its listener samples nothing, so that it does not decide for web."""
    traced.apply()
    block = json.loads(config(traced)[LISTENER]) | {"random_sampling": {"value": 0}}
    with registered(traced, "client", {**OFF, LISTENER: json.dumps(block)}):
        result = diagnosis(traced, expect="")
        assert (result.exit_code, result.report["services"]) == (0, ["api", "web"]), result.report
        assert "without a span, because their registrations disable tracing: client" in result.report["notes"]


def test_proxy_with_keys_of_its_own_is_stale_by_its_own_keys(traced: TracedMesh) -> None:
    traced.apply()
    own = json.loads(config(traced)[TRACER])
    own["http"]["typed_config"]["collector_hostname"] = "web.test"
    with registered(traced, "web", {TRACER: json.dumps(own)}):
        assert stale(traced) == {}
        write(traced, tracer={"zipkin": {"hostname": "mesh.test"}})
        expected = ["tracer: http.typed_config.collector_hostname"]
        traced.wait_until(lambda: stale(traced) == dict.fromkeys(("client", "api"), expected), "two stale proxies")
        traced.mesh.consul.register(traced.mesh.instances["web"].registration)
        traced.wait_until(partial(is_stale, traced, "web"), "the third one")
        # The others never restarted, so they have the former entry.
        traced.apply()
    traced.wait_until(lambda: stale(traced) == {}, "no stale proxy")


def is_stale(traced: TracedMesh, name: str) -> bool:
    return name in stale(traced)
