"""`consul-tracing verify` where Consul routes requests: redirects, splitters, routers, failover, intentions."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import pytest

from testbed.envoy import Envoy
from testbed.mesh import Instance, Service
from testbed.ports import free_port
from tests.mesh.test_verify_wrong_causes import found, sidecar
from tests.mesh.traced_mesh import TracedMesh, retried, unique_path
from tests.mesh.verify_runs import assert_causes, assert_complete, diagnosis, verify, web_with

pytestmark = [pytest.mark.mesh, pytest.mark.slow]

ROUTES: dict[str, dict[str, Any]] = {
    "splitter": {"Kind": "service-splitter", "Splits": [{"Weight": 100, "Service": "to-splitter"}]},
    "redirect": {"Kind": "service-resolver", "Redirect": {"Service": "to-redirect"}},
    "failover": {"Kind": "service-resolver", "Failover": {"*": {"Service": "to-failover"}}},
}
"""Entries of the service api that send its requests to another service. Failover does if api is not healthy.

Each has a service of its own: Envoy may keep the endpoints of one that is registered again with another port.
"""

DEFAULTS = {name: {"protocol": "http"} for name in ("web", "api", *(f"to-{route}" for route in ROUTES))}


@contextmanager
def routed(traced: TracedMesh, route: str) -> Iterator[Envoy]:
    """Route the requests to api to another service, which has the same program."""
    traced.apply(services=DEFAULTS)
    consul, entry = traced.mesh.consul, {**ROUTES[route], "Name": "api"}
    registration = Instance.allocate(Service(f"to-{route}")).registration
    with sidecar(traced, {**registration, "Port": traced.mesh.instances["api"].port}, listeners=1) as proxy:
        consul.write_config_entry(entry)
        maintain(traced, enable=route == "failover")
        try:
            traced.wait_until(lambda: receives(traced, f"to-{route}"), f"a request to the service to-{route}")
            yield proxy
        finally:
            maintain(traced, enable=False)
            consul.delete_config_entry(entry["Kind"], "api")
            traced.wait_until(lambda: receives(traced, "api"), "a request to the service api")


def maintain(traced: TracedMesh, *, enable: bool) -> None:
    traced.mesh.consul.put("/v1/agent/service/maintenance/api-sidecar-proxy", enable=str(enable).lower())


def receives(traced: TracedMesh, service: str) -> bool:
    """Return whether a request of web to api arrives at the sidecar of a service."""
    response = retried(partial(traced.mesh.request, caller="web", to="api"))()
    return f"/svc/{service}" in json.dumps(response.json()["headers"].get("x-forwarded-client-cert", ""))


# Consul at times sends no endpoints of the service after a service-resolver of api has been deleted.
@pytest.mark.nightly
@pytest.mark.parametrize("route", ROUTES)
def test_service_that_consul_replaces_is_not_called_a_fault_of_an_application(traced: TracedMesh, route: str) -> None:
    with routed(traced, route) as reserve:
        proxies = [*traced.proxies, reserve]
        assert_complete(traced, expect=f"client,web,to-{route}", proxies=proxies)
        assert_complete(traced, expect="", proxies=proxies)
        result = diagnosis(traced, proxies=proxies)
        assert found(result) == [("CT411", "api")]
        assert f"Consul routed the call of web to to-{route} instead of api" in result.evidence
        result = diagnosis(traced, proxies=[reserve], consul=False)
        known_from_the_trace = route == "failover"
        assert found(result) == [("CT411", "api") if known_from_the_trace else ("CT408", "web")]
        assert known_from_the_trace or f"or Consul routes its call to to-{route}" in result.evidence
    traced.apply()
    assert_complete(traced)


def test_subset_of_a_service_has_no_finding(traced: TracedMesh) -> None:
    traced.apply()
    subsets = {"DefaultSubset": "v1", "Subsets": {"v1": {"Filter": ""}}}
    traced.mesh.consul.write_config_entry({"Kind": "service-resolver", "Name": "api", **subsets})
    try:
        web = traced.mesh.sidecars["web"]
        traced.wait_until(lambda: any(one["name"].startswith("v1.api.") for one in web.clusters()), "a subset")
        assert_complete(traced)
        with web_with(traced, "--respond=200"):
            assert_causes(result := diagnosis(traced), "CT408", "web")
            assert "sent none to api" in result.evidence
    finally:
        traced.mesh.consul.delete_config_entry("service-resolver", "api")
    assert_complete(traced)


def test_transparent_proxy(traced: TracedMesh) -> None:
    """A third listener has a filter chain for each upstream, and one for addresses outside the mesh."""
    traced.apply()
    mesh, registration = traced.mesh, traced.mesh.instances["web"].registration
    transparent = {"Mode": "transparent", "TransparentProxy": {"OutboundListenerPort": free_port()}}
    registration["Connect"]["SidecarService"]["Proxy"].update(transparent)
    mesh.consul.register(registration)
    mesh.stop_sidecars("web")
    mesh.launch_sidecars("web")
    try:
        # The cluster of addresses outside the mesh has no instances.
        traced.wait_until(lambda: len(mesh.sidecars["web"].listeners()) == 3, "the listener of a transparent proxy")
        traced.wait_until(retried(partial(mesh.request, unique_path())), "a successful request")
        for expect in ("client,web,api", ""):
            assert_complete(traced, expect=expect)
        with web_with(traced, "--respond=200"):
            assert_causes(diagnosis(traced), "CT408", "web")
    finally:
        mesh.consul.register(mesh.instances["web"].registration)
        mesh.restart_sidecars("web")
    assert_complete(traced)


def test_response_after_the_last_retry_is_that_of_the_application(traced: TracedMesh) -> None:
    traced.apply()
    retries = {"NumRetries": 2, "RetryOnStatusCodes": [503]}
    routes = [{"Destination": retries}]
    traced.mesh.consul.write_config_entry({"Kind": "service-router", "Name": "web", "Routes": routes})
    client = traced.mesh.sidecars["client"]
    try:
        traced.wait_until(lambda: "retriable_status_codes" in json.dumps(client.config_dump()), "retries")
        with web_with(traced, "--respond=503"):
            for expect in ("client,web", ""):
                result = verify(traced, expect=expect)
                assert (result.exit_code, found(result)) == (0, [])
                assert len(result.report["spans"]) == 4
                assert "status 503 (it ended at the SERVER span of web: status 503)" in result.report["notes"][0]
    finally:
        traced.mesh.consul.delete_config_entry("service-router", "web")
    assert_complete(traced)


@contextmanager
def denied(traced: TracedMesh, source: str, destination: str) -> Iterator[None]:
    consul, sources = traced.mesh.consul, [{"Name": source, "Action": "deny"}]
    consul.write_config_entry({"Kind": "service-intentions", "Name": destination, "Sources": sources})

    def status() -> int:
        return traced.mesh.request(caller=source, to=destination).status

    try:
        traced.wait_until(lambda: status() == 403, "a denied request")
        yield
    finally:
        consul.delete_config_entry("service-intentions", destination)
        traced.wait_until(lambda: status() == 200, "an allowed request")


def test_denied_request_did_not_pass_the_mesh(traced: TracedMesh) -> None:
    traced.apply()
    with denied(traced, "client", "web"):
        for proxies in (traced.proxies, []):
            assert_causes(result := diagnosis(traced, proxies=proxies), "CT411", "the")
            assert 'it ended at the SERVER span of web: status 403; a proxy: "RBAC: access denied"' in result.evidence
    with denied(traced, "web", "api"):
        result = verify(traced)
        assert (result.exit_code, found(result)) == (0, [])
        assert "it ended at the SERVER span of api: status 403" in " ".join(result.report["notes"])
    assert_complete(traced)


def test_application_with_spans_of_its_own_in_another_store(traced: TracedMesh) -> None:
    traced.apply()
    with web_with(traced, "--own-spans"):
        for expect in ("client,web,api", ""):
            assert_causes(result := diagnosis(traced, expect=expect), "CT410", "web")
            assert "the parent of a call of web is a span of its application" in result.evidence
    assert_complete(traced)
