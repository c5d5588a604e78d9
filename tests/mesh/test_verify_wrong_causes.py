"""What `consul-tracing verify` must not name as the cause, and several causes at a time, on a real mesh."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from testbed.envoy import Envoy
from testbed.mesh import Instance, Service
from testbed.ports import LOOPBACK, free_port
from tests.mesh.traced_mesh import TRACE_ALL, TRACED, TracedMesh, listener_tracing
from tests.mesh.verify_runs import (
    NONE,
    SAMPLED,
    Verification,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
    web_with,
    web_without_headers,
    write,
)

pytestmark = pytest.mark.mesh


def found(result: Verification) -> list[tuple[str, str]]:
    """Return the codes of the causes and their services or other parties, in their order."""
    return [(cause["code"], cause["proxy"].partition(" (")[0]) for cause in result.report["causes"]]


@contextmanager
def sidecar(traced: TracedMesh, registration: dict[str, Any], *, listeners: int = 2) -> Iterator[Envoy]:
    """Start the sidecar of another instance."""
    consul, identity = traced.mesh.consul, registration["ID"]
    consul.register(registration)
    envoy = traced.mesh.start_envoy(identity, [f"-sidecar-for={identity}"])
    try:
        envoy.wait_until_ready(listeners)
        yield envoy
    finally:
        envoy.stop()
        consul.put(f"/v1/agent/service/deregister/{identity}")


def healthy_instances(proxy: Envoy, cluster: str) -> int:
    """Return the number of healthy instances in the clusters whose names start so."""
    hosts = [host for one in proxy.clusters() if one["name"].startswith(cluster) for host in one["host_statuses"]]
    return sum(host["health_status"].get("eds_health_status") == "HEALTHY" for host in hosts)


@pytest.mark.slow
def test_proxy_with_a_tracer_of_its_own_is_not_stale(traced: TracedMesh) -> None:
    traced.apply(sampling=TRACE_ALL)
    web = traced.mesh.instances["web"].registration
    tracer = json.loads(traced.proxy_defaults()["Config"]["envoy_tracing_json"])
    tracer["http"]["typed_config"]["trace_id_128bit"] = False
    for config, expected in (
        ({"envoy_tracing_json": json.dumps(tracer)}, [("CT408", "web")]),
        ({}, [("CT408", "web")]),
    ):
        web["Connect"]["SidecarService"]["Proxy"]["Config"] = config
        traced.mesh.consul.register(web)
        traced.mesh.restart_sidecars("web")
        assert_complete(traced)
        with web_without_headers(traced):
            assert found(diagnosis(traced)) == expected


@pytest.mark.slow
def test_registration_that_disables_tracing_is_named_as_such(traced: TracedMesh) -> None:
    traced.apply()
    web = traced.mesh.instances["web"].registration
    web["Connect"]["SidecarService"]["Proxy"]["Config"] = {"envoy_tracing_json": "{}"}
    traced.mesh.consul.register(web)
    traced.mesh.restart_sidecars("web")
    try:
        assert_causes(result := diagnosis(traced), "CT401", "web")
        assert "the registration of the proxy has an envoy_tracing_json without a tracer" in result.evidence
    finally:
        traced.mesh.consul.register(traced.mesh.instances["web"].registration)
        traced.mesh.restart_sidecars("web")
    assert_complete(traced)


@pytest.mark.slow
def test_rejection_of_another_filter_is_a_note(traced: TracedMesh) -> None:
    traced.apply(sampling=TRACE_ALL)
    consul, api = traced.mesh.consul, traced.mesh.sidecars["api"]
    script = {"ProxyType": "connect-proxy", "Listener": "inbound", "Script": "function envoy_on_request("}
    extension = {"Name": "builtin/lua", "Arguments": script}
    consul.write_config_entry(
        {"Kind": "service-defaults", "Name": "api", "Protocol": "http", "EnvoyExtensions": [extension]}
    )
    traced.wait_until(lambda: "error_state" in json.dumps(api.config_dump()), "a rejected listener")
    with web_without_headers(traced):
        for environment in (True, False):
            assert_causes(result := diagnosis(traced, consul=environment), "CT408", "web")
            assert "once rejected an update of its listener public_listener" in " ".join(result.report["notes"])
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_former_rejection_is_no_cause_without_consul(traced: TracedMesh) -> None:
    traced.apply(sampling=TRACE_ALL)
    entry = traced.proxy_defaults()
    block = json.loads(entry["Config"]["envoy_listener_tracing_json"])
    block["custom_tags"] = [{"tag": "team", "literal": {"value": ""}}]
    config = entry["Config"] | {"envoy_listener_tracing_json": json.dumps(block)}
    traced.mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
    api = traced.mesh.sidecars["api"]
    traced.wait_until(lambda: "error_state" in json.dumps(api.config_dump()), "a rejected listener")
    with web_without_headers(traced):
        assert_causes(diagnosis(traced, consul=False), "CT408", "web")
        traced.apply(sampling=TRACE_ALL)
        assert_causes(diagnosis(traced, consul=False), "CT408", "web")
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
@pytest.mark.parametrize("stale", ["the-other", "the-used"])
def test_replica_that_does_not_receive_the_request_is_a_note(traced: TracedMesh, stale: str) -> None:
    registration = {**Instance.allocate(Service("web", calls=("api",))).registration, "ID": "web-2"}
    consul = traced.mesh.consul
    traced.apply(enabled=False)
    with sidecar(traced, registration) as replica:
        consul.put("/v1/agent/service/maintenance/web-2-sidecar-proxy", enable="true")
        traced.wait_until(lambda: healthy_instances(traced.mesh.sidecars["client"], "web.") == 1, "one instance of web")
        write(traced)
        if stale == "the-other":
            traced.apply(tracer={"zipkin": {"path": "/nope"}})
            expected = [("CT404", service) for service in TRACED]
        else:
            traced.mesh.restart_sidecars("client", "api")
            replica.stop()
            replica.start()
            replica.wait_until_ready(2)
            expected = [("CT401", "web")]
        result = diagnosis(traced, proxies=[replica, *traced.proxies])
        assert sorted(found(result)) == sorted(expected)
        labels = " ".join(cause["proxy"] for cause in result.report["causes"])
        assert f":{replica.admin_port})" not in labels
        notes = " ".join(result.report["notes"])
        assert (f":{replica.admin_port}) did not receive the request" in notes) == (stale == "the-other")
    traced.bootstrap_hash = ""
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_hosts_with_the_same_upstream_port(traced: TracedMesh) -> None:
    """The other host has the address 127.0.0.2."""
    traced.apply(sampling={"random": 0})
    batch = Instance(
        Service("batch", protocol="none", calls=("web",)), upstream_ports={"web": traced.mesh.upstream_port()}
    )
    registration = batch.registration
    registration["Connect"]["SidecarService"]["Proxy"]["Upstreams"][0]["LocalBindAddress"] = "127.0.0.2"
    with sidecar(traced, registration) as other:
        assert_causes(diagnosis(traced, NONE, proxies=[other, *traced.proxies]), "CT405", "client")
    traced.apply()
    assert_complete(traced, *SAMPLED)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no-call", "past-the-sidecar"])
def test_application_that_does_not_call_through_its_sidecar(traced: TracedMesh, fault: str) -> None:
    traced.apply()
    past = f"--through={traced.mesh.instances['api'].port}"
    with web_with(traced, "--respond=200" if fault == "no-call" else past):
        assert_causes(result := diagnosis(traced), "CT408", "web")
        assert (
            "sent none to api: the application does not call api for this request, or calls it past" in result.evidence
        )
        assert_causes(result := diagnosis(traced, proxies=[]), "CT408", "web")
        assert "makes no call for this request, calls past its sidecar, or does not pass" in result.evidence
    assert_complete(traced)


@pytest.mark.slow
def test_lost_headers_are_known_from_counters_if_the_other_trace_is_not_sampled(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    with web_without_headers(traced):
        assert_causes(result := diagnosis(traced), "CT408", "web")
        assert "the sidecar of web sent since the request: 1 request to api" in result.evidence
    assert_complete(traced)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_error_of_an_application_is_no_fault_of_tracing(traced: TracedMesh, status: int) -> None:
    traced.apply()
    with web_with(traced, f"--respond={status}"):
        for expect in ("client,web", ""):
            result = verify(traced, expect=expect)
            assert (result.exit_code, found(result)) == (0, [])
            seen = f"the request has status {status} (it ended at the SERVER span of web: status {status})"
            assert f"{seen}. This is not a fault of tracing" in result.report["notes"]
        result = diagnosis(traced)
        assert found(result) == [("CT411", "the request")]
        assert f"status {status}; the application web responded with it" in result.evidence


@pytest.mark.slow
def test_stale_proxy_and_application_that_loses_headers(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    write(traced, sampling=TRACE_ALL)
    traced.mesh.restart_sidecars("web", "api")
    with web_without_headers(traced):
        assert found(diagnosis(traced)) == [("CT401", "client"), ("CT408", "web")]
        traced.bootstrap_hash = ""
        traced.apply(enabled=False)
        write(traced, sampling=TRACE_ALL)
        traced.mesh.restart_sidecars("client", "web")
        assert found(diagnosis(traced)) == [("CT401", "api"), ("CT408", "web")]
    traced.bootstrap_hash = ""
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_proxy_with_another_collector_and_service_without_http(traced: TracedMesh) -> None:
    traced.apply(collector={"host": LOOPBACK, "port": free_port()})
    write(traced)
    traced.mesh.restart_sidecars("client", "api")
    traced.mesh.consul.delete_config_entry("service-defaults", "api")
    api = traced.mesh.sidecars["api"]
    traced.wait_until(lambda: not list(listener_tracing(api.config_dump())), "a TCP listener of api")
    assert found(diagnosis(traced)) == [("CT401", "web"), ("CT409", "api")]
    traced.bootstrap_hash = ""
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_stale_proxy_and_failed_request(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    write(traced)
    traced.mesh.restart_sidecars("web", "api")
    traced.mesh.stop_service("api")
    try:
        assert found(result := diagnosis(traced)) == [("CT401", "client"), ("CT411", "the request")]
        assert "it ended at the SERVER span of api: status 503" in result.evidence
    finally:
        traced.mesh.restart_service("api")
    traced.bootstrap_hash = ""
    traced.apply()
    assert_complete(traced)
