"""`consul-tracing verify` on a real mesh: each fault has its own code, and its fix makes the trace complete."""

import json
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import pytest

from consul_tracing.entries.bodies import gateway_arguments
from consul_tracing.inputs.mesh_settings import MeshSettings
from testbed.jaeger import Jaeger
from testbed.ports import LOOPBACK, free_port
from testbed.zipkin import Zipkin
from tests.mesh.sampled_traces import choose, flushing
from tests.mesh.test_gateways import KINDS, gateway_proxy
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import (
    TRACE_ALL,
    TRACED,
    TracedMesh,
    listener_tracing,
    request_id,
    retried,
    unique_path,
)
from tests.mesh.verify_runs import (
    NONE,
    OTLP,
    SAMPLE_ALL,
    SAMPLED,
    W3C,
    arguments,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
    web_without_headers,
    write,
    write_listener,
)

pytestmark = pytest.mark.mesh


def test_ct401_proxies_started_before_the_tracer_was_written(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    write(traced)
    assert_causes(diagnosis(traced), "CT401", *TRACED)
    assert_causes(diagnosis(traced, consul=False), "CT401", *TRACED)
    traced.follow()
    assert_complete(traced)


@pytest.mark.slow
def test_ct401_one_proxy_was_not_restarted_after_the_collector_moved(traced: TracedMesh) -> None:
    traced.apply()
    traced.apply(collector={"host": LOOPBACK, "port": free_port()})
    write(traced)
    traced.mesh.restart_sidecars("client", "api")
    assert_causes(result := diagnosis(traced), "CT401", "web")
    assert f"127.0.0.1:{traced.mesh.zipkin.port}" in result.evidence
    traced.follow()
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_ct402_tracer_names_an_unknown_cluster(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    config = {
        "collector_cluster": "nope",
        "collector_endpoint": "/api/v2/spans",
        "collector_endpoint_version": "HTTP_JSON",
    }
    tracer = {"@type": "type.googleapis.com/envoy.config.trace.v3.ZipkinConfig", **config}
    write_listener(traced, provider={"name": "envoy.tracers.zipkin", "typed_config": tracer}, **SAMPLE_ALL)
    assert_causes(result := diagnosis(traced, NONE), "CT402", *TRACED)
    assert '"nope"' in result.evidence
    traced.apply()
    assert_complete(traced, *SAMPLED)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["refused", "unknown-name", "tls"])
def test_ct403_collector_cannot_be_reached(traced: TracedMesh, fault: str) -> None:
    collector = {
        "refused": {"host": LOOPBACK, "port": free_port()},
        "unknown-name": {"host": "no-such-host.invalid"},
        "tls": {
            "host": LOOPBACK,
            "port": traced.mesh.zipkin.port,
            "tls": {"ca_file": "/etc/ssl/certs/ca-certificates.crt"},
        },
    }
    traced.apply(collector=collector[fault])
    assert_causes(result := diagnosis(traced), "CT403", *TRACED)
    reason = {"refused": "does not accept connections", "unknown-name": "DNS does not resolve", "tls": "TLS to"}
    assert reason[fault] in result.evidence
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_ct404_collector_rejects_the_path(traced: TracedMesh) -> None:
    traced.apply(tracer={"zipkin": {"path": "/nope"}})
    assert_causes(result := diagnosis(traced), "CT404", *TRACED)
    assert "status 404" in result.evidence
    traced.apply()
    assert_complete(traced)


def test_ct405_random_sampling_is_zero(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    assert_causes(diagnosis(traced, NONE), "CT405", "client")
    assert_causes(diagnosis(traced, NONE, proxies=[]), "CT405", "proxy-defaults/global")
    assert_complete(traced)
    traced.apply()
    assert_complete(traced, *SAMPLED)


@pytest.mark.parametrize(
    "options",
    [
        ["--header=X-B3-Sampled: 0"],
        ["--header=b3: 0"],
        ["--header=b3: 463ac35c9f6413ad48485a3953bb6124-a2fb4a1d1a96d312-0"],
    ],
)
def test_ct405_caller_marks_the_request_as_not_sampled(traced: TracedMesh, options: list[str]) -> None:
    traced.apply()
    assert_causes(diagnosis(traced, *options), "CT405", "the")
    assert_complete(traced)


@pytest.mark.slow
@KINDS
def test_ct406_gateway_marks_the_request_as_not_sampled(traced: TracedMesh, kind: str) -> None:
    traced.apply()
    expect = f"{kind}-gateway,web,api"
    sidecars = [traced.mesh.sidecars[name] for name in ("web", "api")]
    with gateway_proxy(traced, kind) as (port, envoy):
        through: dict[str, Any] = {"port": port, "expect": expect, "proxies": [envoy, *sidecars]}
        assert_causes(diagnosis(traced, NONE, **through), "CT406", f"{kind}-gateway")
        assert_complete(traced, **through)
    arguments_of_gateway = flushing(gateway_arguments(MeshSettings.of("mesh", traced.arguments())))
    with gateway_proxy(traced, kind, arguments_of_gateway) as (port, envoy):
        assert_complete(traced, *SAMPLED, port=port, expect=expect, proxies=[envoy, *sidecars])


@pytest.mark.slow
def test_ct407_listener_was_rejected(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    write_listener(traced, custom_tags=[{"tag": "team", "literal": {"value": ""}}], **SAMPLE_ALL)
    assert_causes(result := diagnosis(traced, NONE), "CT407", *TRACED)
    assert "value length must be at least 1" in result.evidence
    # Envoy still reports the rejection after the entry has its former content.
    traced.apply(sampling={"random": 0})
    assert_causes(diagnosis(traced, NONE), "CT405", "client")
    traced.apply()
    assert_complete(traced, *SAMPLED)


def test_ct408_application_does_not_pass_the_trace_headers_on(traced: TracedMesh) -> None:
    # Nothing chooses the id of the request that web sends.
    traced.apply(sampling=TRACE_ALL)
    with web_without_headers(traced):
        assert_causes(result := diagnosis(traced), "CT408", "web")
        assert result.report["missing"] == ["api"]
        other = result.evidence.partition("started trace ")[2].partition(" ")[0]
        assert {span["localEndpoint"]["serviceName"] for span in traced.mesh.zipkin.trace(other)} == {"web", "api"}
        assert_causes(diagnosis(traced, proxies=[], consul=False), "CT408", "web")
    assert_complete(traced)


@pytest.mark.slow
def test_ct409_service_is_not_http_for_its_proxy(traced: TracedMesh) -> None:
    traced.apply()
    traced.mesh.consul.delete_config_entry("service-defaults", "api")
    api = traced.mesh.sidecars["api"]
    traced.wait_until(lambda: not list(listener_tracing(api.config_dump())), "a TCP listener of api")
    assert_causes(diagnosis(traced), "CT409", "api")
    assert_causes(diagnosis(traced, proxies=[]), "CT409", "api")
    traced.apply()
    assert_complete(traced)


@pytest.mark.slow
def test_ct410_trace_store_is_down(traced: TracedMesh) -> None:
    traced.apply()
    traced.mesh.zipkin.stop()
    try:
        assert_causes(diagnosis(traced), "CT410", "the")
    finally:
        traced.mesh.zipkin.start()
        traced.mesh.zipkin.wait_until_ready()
    assert_complete(traced)


@pytest.mark.slow
def test_ct410_proxies_send_spans_to_another_store(traced: TracedMesh) -> None:
    traced.apply()
    other = Zipkin(traced.mesh.programs)
    try:
        other.wait_until_ready()
        assert_causes(result := diagnosis(traced, zipkin=other), "CT410", *TRACED)
        assert f"127.0.0.1:{traced.mesh.zipkin.port}" in result.report["causes"][0]["fix"]
    finally:
        other.stop()
    assert_complete(traced)


def test_ct412_opentelemetry_without_a_sampler_samples_again(traced: TracedMesh, jaeger: Jaeger) -> None:
    """Since Envoy 1.39 the rate of the listener applies in each proxy, also to a request that is sampled."""
    choose(traced, "1.40.0", None)
    traced.apply(**to_jaeger(OTLP, jaeger), envoy_version="1.34")
    unsampled = f"--header=x-request-id: {request_id(9999)}"
    assert_causes(result := diagnosis(traced, W3C, unsampled), "CT412", *TRACED)
    assert "Envoy 1.40 samples 10 % of all requests" in result.evidence
    traced.apply(**to_jaeger(OTLP, jaeger), envoy_version="1.36")
    assert_causes(diagnosis(traced, W3C, exported=True), "CT417", *TRACED)
    choose(traced, None, None)
    traced.apply()


def test_ct411_request_fails(traced: TracedMesh) -> None:
    traced.apply()
    traced.mesh.stop_service("web")
    try:
        for expect in ("client,web,api", ""):
            assert_causes(result := diagnosis(traced, expect=expect), "CT411", "the")
            assert "status 503; it ended at the SERVER span of web" in result.evidence
    finally:
        traced.mesh.restart_service("web")
    traced.wait_until(retried(partial(traced.mesh.request, unique_path())), "a successful request")
    assert_complete(traced)


def test_ct411_nothing_listens_at_the_url(traced: TracedMesh) -> None:
    traced.apply()
    assert_causes(diagnosis(traced, port=free_port()), "CT411", "the")


def test_command_as_a_process_reports_a_complete_trace(traced: TracedMesh) -> None:
    traced.apply()
    command = [sys.executable, "-m", "consul_tracing.cli", *arguments(traced)]
    output = traced.mesh.programs.run("consul-tracing verify", command, environment=traced.mesh.consul.environment)
    assert json.loads(output)["complete"]


@pytest.mark.parametrize(
    ("args", "options"),
    [
        ({}, ["--requests=5"]),
        ({}, SAMPLED),
        ({"sampling": {"random": 0}}, []),
        ({"tracer": {"zipkin": {"encoding": "protobuf"}}}, []),
        ({"tracer": {"zipkin": {"trace_id_128bit": False}}}, SAMPLED),
        ({"tracer": {"zipkin": {"shared_span_context": True}}}, []),
        ({"tracer": {"zipkin": {"propagation": "b3+w3c"}}}, ["--propagation=w3c"]),
        ({"spans": {"spawn_upstream_span": True, "verbose": True}}, []),
        ({"tags": {"team": {"literal": "core"}}}, []),
    ],
    ids=[
        "requests",
        "own-trace",
        "caller-samples",
        "protobuf",
        "64-bit",
        "shared",
        "w3c",
        "upstream-spans",
        "tags",
    ],
)
def test_traced_mesh_has_no_finding(traced: TracedMesh, args: dict[str, Any], options: Sequence[str]) -> None:
    traced.apply(**args)
    assert_complete(traced, *options)


def test_trace_without_expected_services_is_complete_when_spans_stop(traced: TracedMesh) -> None:
    traced.apply()
    result = verify(traced, expect="", proxies=[], consul=False)
    assert (result.exit_code, result.report["services"]) == (0, ["api", "client", "web"])


def test_gateway_that_skips_tracing_has_no_finding(traced: TracedMesh) -> None:
    traced.apply()
    traced.apply(gateways="skip")
    with gateway_proxy(traced, "ingress") as (port, envoy):
        sidecars = [traced.mesh.sidecars[name] for name in ("web", "api")]
        for options in ((), SAMPLED):
            assert_complete(traced, *options, port=port, expect="web,api", proxies=[envoy, *sidecars])
    traced.apply()
