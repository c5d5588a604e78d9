"""`consul-tracing verify` on a real mesh whose spans leave the proxies and do not arrive in the trace store."""

import socket
import time
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from unittest.mock import patch

import grpc
import pytest

from consul_tracing.cli.verify import requests, verification
from consul_tracing.cli.verify.tracers import UNNAMED
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.sources import envoy
from testbed.collectors import http_collector
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK, free_port
from testbed.services import TcpService
from testbed.zipkin import Zipkin
from tests.mesh.sampled_traces import VERSIONS, choose, running
from tests.mesh.test_collectors import server_pair
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACE_ALL, TRACED, TracedMesh
from tests.mesh.verify_runs import (
    OTLP,
    W3C,
    Verification,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
    web_without_headers,
)

pytestmark = pytest.mark.mesh

OTLP_HTTP: dict[str, Any] = {"opentelemetry": {"service_name": "mesh", "transport": "http"}}
ZIPKIN: dict[str, Any] = {"zipkin": {}}


def diagnosis_with(traced: TracedMesh, port: int, tracer: dict[str, Any], **more: Any) -> Verification:
    """Return the diagnosis of a mesh that sends its spans to this port."""
    traced.apply(collector={"host": LOOPBACK, "port": port}, tracer=tracer)
    return diagnosis(traced, *([W3C] if "opentelemetry" in tracer else []), exported="opentelemetry" in tracer, **more)


@VERSIONS
def test_ct416_collector_speaks_tls(traced: TracedMesh, certificates: Path, version: str) -> None:
    with running(traced, version), http_collector(*server_pair(certificates)) as received:
        for tracer in (ZIPKIN, OTLP, OTLP_HTTP):
            assert_causes(result := diagnosis_with(traced, received.port, tracer), "CT416", *TRACED)
            assert "closes it without a response" in result.evidence
            assert "collector.tls" in result.report["causes"][0]["fix"]
    traced.apply()


@VERSIONS
def test_ct416_collector_is_behind_a_sidecar(traced: TracedMesh, version: str) -> None:
    port = traced.mesh.instances["api"].sidecar_port
    with running(traced, version):
        for tracer in (ZIPKIN, OTLP):
            # The admin interface of the sidecar shows its port, and so does Consul.
            others = [traced.mesh.sidecars[name] for name in ("client", "web")]
            for more in ({"consul": False}, {"proxies": others}):
                result = diagnosis_with(traced, port, tracer, **more)
                found = [one for one in result.report["causes"] if one["code"] == "CT416"]
                assert len(found) == len(more.get("proxies", TRACED))
                assert all("the port of the sidecar of api" in one["evidence"] for one in found)
                assert all(one["fix"].startswith("exclude the collector from the mesh") for one in found)
    traced.apply()


@pytest.mark.slow
@VERSIONS
def test_ct416_port_of_the_collector_has_another_protocol(traced: TracedMesh, jaeger: Jaeger, version: str) -> None:
    cases = [
        (ZIPKIN, jaeger.otlp_grpc_port, "not in HTTP/1.1"),
        (ZIPKIN, jaeger.otlp_http_port, "status 404"),
        (OTLP_HTTP, jaeger.otlp_grpc_port, "not in HTTP/1.1"),
        (OTLP_HTTP, jaeger.zipkin_port, "status 400"),
        (OTLP_HTTP, traced.mesh.zipkin.port, "status 404"),
        (OTLP, jaeger.otlp_http_port, "not in HTTP/2"),
        (OTLP, jaeger.zipkin_port, "not in HTTP/2"),
        (OTLP, traced.mesh.zipkin.port, "status 404"),
    ]
    with running(traced, version):
        for tracer, port, seen in cases:
            assert_causes(result := diagnosis_with(traced, port, tracer), "CT416", *TRACED)
            assert seen in result.evidence
    traced.apply()


@pytest.mark.slow
def test_ct416_collector_is_a_tcp_service(traced: TracedMesh) -> None:
    """The service returns what it receives, as a service of another protocol returns an error."""
    service = TcpService(free_port())
    with futures.ThreadPoolExecutor(1) as pool:
        pool.submit(service.serve_forever, 0.01)
        try:
            for tracer in (ZIPKIN, OTLP):
                assert_causes(diagnosis_with(traced, service.server_address[1], tracer), "CT416", *TRACED)
        finally:
            service.shutdown()
            service.server_close()
    traced.apply()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "fix"), [(401, "requires credentials"), (429, "limits the rate"), (503, "its storage fails")]
)
def test_ct404_fix_depends_on_the_status_of_the_collector(traced: TracedMesh, status: int, fix: str) -> None:
    with http_collector(status=status) as received:
        for tracer in (ZIPKIN, OTLP_HTTP):
            assert_causes(result := diagnosis_with(traced, received.port, tracer), "CT404", *TRACED)
            assert f"status {status}" in result.evidence
            assert fix in result.report["causes"][0]["fix"]
    traced.apply()


@pytest.mark.slow
def test_ct403_collector_responds_too_late(traced: TracedMesh) -> None:
    with http_collector(seconds=2) as received:
        collector = {"host": LOOPBACK, "port": received.port, "export_timeout_ms": 200}
        traced.apply(collector=collector, tracer=OTLP_HTTP)
        assert_causes(result := diagnosis(traced, W3C, exported=True), "CT403", *TRACED)
        assert "did not respond to" in result.evidence
    traced.apply()


@pytest.mark.slow
def test_ct403_exports_over_grpc_have_no_response(traced: TracedMesh) -> None:
    with socket.create_server((LOOPBACK, 0), backlog=16) as server:
        traced.apply(collector={"host": LOOPBACK, "port": server.getsockname()[1]}, tracer=OTLP)
        assert_causes(result := verify(traced, W3C, "--timeout=3"), "CT403", *TRACED)
        assert "accepts connections, and did not respond" in result.evidence
    traced.apply()


class _Refusal(grpc.GenericRpcHandler):
    def __init__(self, status: grpc.StatusCode) -> None:
        self._status = status

    def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler:
        return grpc.unary_unary_rpc_method_handler(lambda _, context: context.abort(self._status, "refused"))


@pytest.mark.parametrize(
    "status",
    [
        "PERMISSION_DENIED",
        pytest.param("UNIMPLEMENTED", marks=pytest.mark.slow),
        pytest.param("RESOURCE_EXHAUSTED", marks=pytest.mark.slow),
    ],
)
def test_ct417_otlp_over_grpc_is_refused(traced: TracedMesh, status: str) -> None:
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([_Refusal(grpc.StatusCode[status])])
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    server.start()
    try:
        assert_causes(result := diagnosis_with(traced, port, OTLP), "CT417", *TRACED)
        assert "no counter" in result.evidence
        assert "/logging?tracing=debug" in result.report["causes"][0]["fix"]
    finally:
        server.stop(grace=None).wait()
    traced.apply()


@pytest.mark.slow
def test_ct417_another_store_cannot_be_told_from_a_refusal_over_grpc(traced: TracedMesh, jaeger: Jaeger) -> None:
    traced.apply(**to_jaeger(OTLP, jaeger))
    assert_causes(diagnosis(traced, W3C, exported=True), "CT417", *TRACED)
    traced.apply(**to_jaeger(OTLP_HTTP, jaeger))
    assert_causes(diagnosis(traced, W3C, exported=True), "CT410", *TRACED)
    traced.apply()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tracer", "name"),
    [({"opentelemetry": {}}, UNNAMED), (OTLP, "mesh"), (OTLP_HTTP, "mesh")],
    ids=["no-name", "grpc", "http"],
)
def test_ct418_spans_of_all_proxies_have_one_name(
    traced: TracedMesh, jaeger: Jaeger, tracer: dict[str, Any], name: str
) -> None:
    traced.apply(**to_jaeger(tracer, jaeger))
    for more in ({}, {"proxies": []}):
        assert_causes(result := diagnosis(traced, W3C, jaeger=jaeger, exported=True, **more), "CT418", "the")
        assert f"4 of 4 spans of the trace have the name {name}" in result.evidence
    notes = " | ".join(verify(traced, W3C, jaeger=jaeger, expect="").report["notes"])
    assert f"have the name {name} (CT418)" in notes
    assert "not part of the trace" not in notes
    settings = MeshSettings.of("mesh", traced.arguments(**to_jaeger(tracer, jaeger)))
    choose(traced, None, settings.tracer)
    traced.apply(**to_jaeger(tracer, jaeger))
    assert_complete(traced, W3C, jaeger=jaeger)
    assert "CT418" not in str(verify(traced, W3C, jaeger=jaeger, expect="").report["notes"])
    choose(traced, None, None)
    traced.apply()


@pytest.mark.slow
def test_ct418_does_not_hide_an_application_that_loses_headers(traced: TracedMesh, jaeger: Jaeger) -> None:
    traced.apply(**to_jaeger(OTLP, jaeger), sampling=TRACE_ALL)
    with web_without_headers(traced):
        result = diagnosis(traced, W3C, jaeger=jaeger, exported=True)
        assert result.codes == {"CT408", "CT418"}, result.report["causes"]
    traced.apply()


@pytest.mark.slow
def test_ct410_tracer_of_a_format_that_the_store_does_not_receive(traced: TracedMesh) -> None:
    with http_collector() as received:
        collector = {"host": LOOPBACK, "port": received.port}
        traced.apply(collector=collector, tracer={"datadog": {"service_name": "mesh"}}, sampling=TRACE_ALL)
        assert_causes(result := verify(traced, W3C, "--timeout=3"), "CT410", *TRACED)
        assert "sends spans for Datadog" in result.evidence
    traced.apply()


@pytest.mark.slow
def test_ct410_store_accepts_spans_and_drops_them(traced: TracedMesh) -> None:
    store = Zipkin(traced.mesh.programs, {"COLLECTOR_SAMPLE_RATE": "0"})
    try:
        store.wait_until_ready()
        traced.apply(collector={"host": LOOPBACK, "port": store.port})
        assert_causes(result := verify(traced, "--timeout=3", zipkin=store), "CT410", *TRACED)
        assert "accepted them and dropped or delayed them" in result.evidence
        assert "COLLECTOR_SAMPLE_RATE" in result.report["causes"][0]["fix"]
    finally:
        store.stop()
    traced.apply()


def test_ct419_url_is_the_public_port_of_a_sidecar(traced: TracedMesh) -> None:
    traced.apply()
    port = traced.mesh.instances["web"].sidecar_port
    for more in ({}, {"consul": False}):
        assert_causes(result := diagnosis(traced, port=port, **more), "CT419", "the")
        assert f"127.0.0.1:{traced.mesh.upstream_port()} of client" in result.report["causes"][0]["fix"]
    assert_causes(diagnosis(traced, port=port, proxies=[]), "CT419", "the")


class Shifted:
    """The clock of a machine whose time is wrong."""

    def __init__(self, seconds: int) -> None:
        self._seconds = seconds

    def __getattr__(self, name: str) -> Any:
        value = getattr(time, name)
        if name == "time_ns":
            return lambda: value() + self._seconds * 1_000_000_000
        return (lambda: value() + self._seconds) if name == "time" else value


@pytest.mark.parametrize("seconds", [-300, 300])
def test_proxies_with_another_clock_do_not_report_to_another_store(traced: TracedMesh, seconds: int) -> None:
    """The time of the command is wrong, for which the clocks of the proxies differ from it as those of other hosts."""
    traced.apply(sampling=TRACE_ALL)
    with web_without_headers(traced), ExitStack() as patches:
        for module in (requests, verification, envoy):
            patches.enter_context(patch.object(module, "time", Shifted(seconds)))
        assert_causes(result := diagnosis(traced), "CT408", "web")
        assert sum(f"differs by {abs(seconds)} s" in note for note in result.report["notes"]) == len(TRACED)
    assert_complete(traced)
