"""Consul parses every field of the listener that this package writes.

Consul parses `envoy_listener_tracing_json` with its own copy of Envoy's messages. It logs a warning about a field or a
type that it does not know, drops the whole block, and sampling is 0 %. With `gateways: skip` the block contains the
tracer. Last runs: Consul 1.22.7 (all), 1.22.5 and 1.20.6 (those that they support).
"""

import json
from typing import Any

import pytest

from consul_tracing.names import LISTENER_KEY
from tests.mesh.traced_mesh import UNTRACED, TracedMesh, listener_tracing, traces_as
from tests.unit.cli.test_lint import CONSUL_FORM, ENVOY_FORMS

pytestmark = pytest.mark.mesh

FIELDS: dict[str, Any] = {
    "spans": {"max_path_tag_length": 64, "spawn_upstream_span": True, "verbose": True},
    "tags": {
        "literal": {"literal": "prod"},
        "header": {"request_header": "x-tenant", "default": "none"},
        "variable": {"environment": "REGION", "default": "none"},
        "caller": {"caller": "service", "default": "none"},
    },
}
ZIPKIN = {
    "path": "/api/v2/spans",
    "encoding": "protobuf",
    "hostname": "zipkin.example",
    "shared_span_context": True,
    "trace_id_128bit": False,
}
OPENTELEMETRY = {
    "service_name": "mesh",
    "headers": {"x-scope-orgid": "shop"},
    "resource_attributes": {"deployment.environment.name": "prod"},
    "max_cache_size": 2048,
}
OTLP_GRPC = {**OPENTELEMETRY, "retry_seconds": 60}
OTLP_HTTP = {**OPENTELEMETRY, "transport": "http", "path": "/otlp/v1/traces"}
OLDEST, ENVOY_1_36 = (1, 20), (1, 22, 6)
"""Releases of Consul: the oldest of the tests, and the first with the messages of Envoy 1.36."""

TRACERS = [
    pytest.param({"zipkin": ZIPKIN}, OLDEST, id="b3"),
    pytest.param({"zipkin": {**ZIPKIN, "propagation": "b3+w3c"}}, ENVOY_1_36, id="b3+w3c"),
    pytest.param({"zipkin": {**ZIPKIN, "headers": {"x-scope-orgid": "shop"}}}, ENVOY_1_36, id="zipkin-headers"),
    pytest.param({"opentelemetry": OTLP_GRPC}, ENVOY_1_36, id="otlp-grpc"),
    pytest.param({"opentelemetry": OTLP_HTTP}, ENVOY_1_36, id="otlp-http"),
    pytest.param({"datadog": {"service_name": "mesh"}}, OLDEST, id="datadog"),
]
"""The tracers with all their inputs, and the first Consul that knows their messages."""

ALL_RATES, RANDOM = {"client": 50, "random": 0.01, "overall": 12.5}, {"random": 0.01}
"""Sampling rates. OpenTelemetry has one."""


@pytest.mark.parametrize(("tracer", "since"), TRACERS)
def test_consul_parses_every_field_of_the_listener(
    traced: TracedMesh, tracer: dict[str, Any], since: tuple[int, ...]
) -> None:
    version = traced.mesh.consul.get("/v1/agent/self")["Config"]["Version"]
    if tuple(map(int, version.partition("-")[0].split("."))) < since:
        pytest.skip(f"Consul {version} does not know all messages of this tracer")
    log = traced.mesh.consul.program.output
    before = len(log())
    sampling = RANDOM if "opentelemetry" in tracer else ALL_RATES
    # Waits until each proxy has exactly the block that was written.
    traced.apply(tracer=tracer, sampling=sampling, gateways="skip", **FIELDS)
    blocks = list(listener_tracing(traced.mesh.sidecars["web"].config_dump()))
    assert all({"provider", "custom_tags", "spawn_upstream_span"} <= block.keys() for block in blocks)
    assert "failed to parse" not in log()[before:]


def test_consul_parses_the_listener_without_a_tracer(traced: TracedMesh) -> None:
    log = traced.mesh.consul.program.output
    before = len(log())
    traced.apply(sampling=ALL_RATES, **FIELDS)
    assert "failed to parse" not in log()[before:]


def write(traced: TracedMesh, fields: dict[str, Any]) -> None:
    """Add fields to the live listener."""
    entry = traced.proxy_defaults()
    block = json.loads(entry["Config"][LISTENER_KEY])
    entry["Config"][LISTENER_KEY] = json.dumps({**block, **fields})
    traced.mesh.consul.write_config_entry(entry)


def test_consul_parses_protobufs_forms(traced: TracedMesh) -> None:
    traced.apply()
    before = len(traced.mesh.consul.program.output())
    write(traced, CONSUL_FORM)
    sidecar = traced.mesh.sidecars["web"]
    traced.wait_until(lambda: any("custom_tags" in one for one in listener_tracing(sidecar.config_dump())), "the block")
    assert "failed to parse" not in traced.mesh.consul.program.output()[before:]


@pytest.mark.parametrize("fields", [{"unknown_field": 1}, *ENVOY_FORMS])
def test_consul_drops_a_block_that_it_cannot_parse(traced: TracedMesh, fields: dict[str, Any]) -> None:
    traced.apply()
    before = len(traced.mesh.consul.program.output())
    write(traced, fields)
    warning = "failed to parse ListenerTracingJSON config"
    traced.wait_until(lambda: warning in traced.mesh.consul.program.output()[before:], f'"{warning}" in Consul\'s log')
    sidecar = traced.mesh.sidecars["web"]
    traced.wait_until(lambda: traces_as(sidecar, UNTRACED), "a listener without the block")
