"""Consul parses every field of the listener that this package writes.

Consul parses `envoy_listener_tracing_json` with its own copy of Envoy's messages. It logs a warning about a field or a
type that it does not know, drops the whole block, and sampling is 0 %. These tests run with the Consul of the toolchain
(1.22.7 in the last run).
"""

import json
from typing import Any

import pytest

from consul_tracing.names import LISTENER_KEY
from tests.mesh.traced_mesh import UNTRACED, TracedMesh, listener_tracing, traces_as

pytestmark = pytest.mark.mesh

FIELDS: dict[str, Any] = {
    "spans": {"max_path_tag_length": 64, "spawn_upstream_span": True, "verbose": True},
    "tags": {
        "literal": {"literal": "prod"},
        "header": {"request_header": "x-tenant", "default": "none"},
        "variable": {"environment": "REGION", "default": "none"},
    },
}
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {
        "zipkin": {
            "path": "/api/v2/spans",
            "encoding": "protobuf",
            "hostname": "zipkin.example",
            "propagation": "b3+w3c",
            "shared_span_context": True,
            "trace_id_128bit": False,
        }
    },
    "opentelemetry-grpc": {
        "opentelemetry": {
            "service_name": "mesh",
            "headers": {"x-scope-orgid": "shop"},
            "resource_attributes": {"deployment.environment.name": "prod"},
        }
    },
    "opentelemetry-http": {
        "opentelemetry": {
            "transport": "http",
            "path": "/otlp/v1/traces",
            "service_name": "mesh",
            "headers": {"x-scope-orgid": "shop"},
            "resource_attributes": {"deployment.environment.name": "prod"},
        }
    },
    "datadog": {"datadog": {"service_name": "mesh"}},
}
"""The tracers with all their inputs. With `gateways: skip` the tracer is in the listener."""


ALL_RATES, RANDOM = {"client": 50, "random": 0.01, "overall": 12.5}, {"random": 0.01}
"""Sampling rates. OpenTelemetry has one."""


@pytest.mark.parametrize("tracer", [pytest.param(one, id=name) for name, one in TRACERS.items()])
def test_consul_parses_every_field_of_the_listener(traced: TracedMesh, tracer: dict[str, Any]) -> None:
    log = traced.mesh.consul.program.output
    before = len(log())
    sampling = RANDOM if "opentelemetry" in tracer else ALL_RATES
    # Waits until each proxy has exactly the block that was written.
    traced.apply(tracer=tracer, sampling=sampling, gateways="skip", **FIELDS)
    blocks = list(listener_tracing(traced.mesh.sidecars["web"].config_dump()))
    assert all({"provider", "custom_tags", "spawn_upstream_span"} <= block.keys() for block in blocks)
    assert "failed to parse" not in log()[before:]


def test_consul_drops_a_block_with_a_field_that_it_does_not_know(traced: TracedMesh) -> None:
    traced.apply()
    entry = traced.proxy_defaults()
    block = json.loads(entry["Config"][LISTENER_KEY])
    before = len(traced.mesh.consul.program.output())
    entry["Config"][LISTENER_KEY] = json.dumps({**block, "unknown_field": 1})
    traced.mesh.consul.write_config_entry(entry)
    warning = "failed to parse ListenerTracingJSON config"
    traced.wait_until(lambda: warning in traced.mesh.consul.program.output()[before:], f'"{warning}" in Consul\'s log')
    sidecar = traced.mesh.sidecars["web"]
    traced.wait_until(lambda: traces_as(sidecar, UNTRACED), "a listener without the block")
