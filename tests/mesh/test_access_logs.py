"""Access logs with the trace id, as the sidecars write them."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from consul_tracing.access_logs import CONSUL_FORMAT
from consul_tracing.inputs.tracer_settings import Tracer
from testbed import CHECKOUT
from testbed.collectors import http_collector
from testbed.consul import Consul
from testbed.envoy import Envoy
from testbed.ports import LOOPBACK
from testbed.processes import Programs
from testbed.pulumi import Project
from tests.mesh.consul_entries import MESH, live, put, rejection, stack_config
from tests.mesh.recorded_spans import spans_of
from tests.mesh.sampled_traces import choose
from tests.mesh.traced_mesh import TracedMesh, sampled_parent, unique_path

pytestmark = pytest.mark.mesh

LOGS: dict[str, Any] = {"access_logs": {"trace_id": True}}
TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {}},
    "otlp": {"opentelemetry": {"transport": "http", "service_name": "mesh"}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}
FLUSH_SECONDS = 30
"""Envoy writes its log every 10 seconds."""


@pytest.fixture(autouse=True)
def default_sidecars(traced: TracedMesh) -> Iterator[None]:
    yield
    choose(traced, None, None)


def lines(proxy: Envoy, path: str) -> list[dict[str, Any]]:
    """Return the lines about a path in the log of a proxy."""
    found = [json.loads(line) for line in proxy.program.output().splitlines() if line.startswith('{"')]
    return [line for line in found if line.get("path") == path]


@pytest.mark.parametrize(
    ("version", "tracer"),
    [
        ("1.36.4", "zipkin"),
        ("1.40.0", "otlp"),
        *(
            pytest.param(*cell, marks=pytest.mark.slow)
            for cell in (("1.40.0", "zipkin"), ("1.36.4", "otlp"), ("1.36.4", "datadog"), ("1.40.0", "datadog"))
        ),
    ],
)
def test_three_sidecars_log_the_id_of_the_trace(traced: TracedMesh, version: str, tracer: str) -> None:
    choose(traced, version, Tracer(**TRACERS[tracer]))
    with http_collector() as received:
        collector = {"host": LOOPBACK, "port": received.port}
        traced.apply(**LOGS, tracer=TRACERS[tracer], collector=collector, envoy_version=version)
        assert {proxy.running_version for proxy in traced.proxies} == {version}
        trace_id, path = secrets.token_hex(16), unique_path()
        b3 = {"x-b3-traceid": trace_id, "x-b3-spanid": secrets.token_hex(8), "x-b3-sampled": "1"}
        response = traced.request(b3 if tracer == "zipkin" else sampled_parent(trace_id), path=path)
        spans = spans_of(traced, received, response)

    def logged() -> list[dict[str, Any]]:
        found = [line for proxy in traced.proxies for line in lines(proxy, path)]
        return found if len(found) == len(spans) else []

    found = traced.wait_until(logged, "the lines of the sidecars", seconds=FLUSH_SECONDS)
    assert [line["upstream_cluster"].partition(".")[0] for line in found].count("local_app") == 2
    assert len({line["request_id"] for line in found}) == 1
    if tracer == "datadog":
        assert {line["dd.trace_id"] for line in found} == {str(int(trace_id[16:], 16))}
        assert {line["traceparent"][:36] for line in found} == {f"00-{trace_id}-"}
    else:
        assert {line["trace_id"] for line in found} == {trace_id}
    has_span_id = (version, tracer) == ("1.40.0", "otlp")
    assert len({line["span_id"] for line in found if "span_id" in line}) == (4 if has_span_id else 0)
    assert not any(proxy.has_rejected_listener for proxy in traced.proxies)


def formats(value: Any) -> Iterator[dict[str, str]]:
    """Yield the JSON formats in a config dump."""
    if isinstance(value, dict):
        if "json_format" in value:
            yield value["json_format"]
        for member in value.values():
            yield from formats(member)
    elif isinstance(value, list):
        for member in value:
            yield from formats(member)


def test_format_contains_that_of_consul_and_reaches_running_proxies(traced: TracedMesh) -> None:
    choose(traced, None, None)
    traced.apply(proxy_defaults={"AccessLogs": {"Enabled": True}})
    web = traced.mesh.sidecars["web"]
    traced.wait_until(lambda: list(formats(web.config_dump())), "access logs")
    assert {json.dumps(one, sort_keys=True) for one in formats(web.config_dump())} == {
        json.dumps(CONSUL_FORMAT, sort_keys=True)
    }
    # The admin's log is in the bootstrap of the next start. Listeners do not wait for it.
    traced.mesh.consul.write_config_entry({**traced.proxy_defaults(), "AccessLogs": logs()})
    traced.wait_until(lambda: any("trace_id" in one for one in formats(web.config_dump())), "the new format")


def logs() -> dict[str, Any]:
    """Return the fields that the component writes."""
    return {"Enabled": True, "JSONFormat": json.dumps({**CONSUL_FORMAT, "trace_id": "%TRACE_ID%"})}


OF_OTHERS = {"Enabled": True, "JSONFormat": '{"path":"%REQ(:PATH)%"}', "Type": "stderr"}


def test_format_of_another_owner_is_replaced_and_further_fields_stay(programs: Programs, consul: Consul) -> None:
    put(consul, MESH, AccessLogs=OF_OTHERS, MeshGateway={"Mode": "local"})
    stack = Project(programs, CHECKOUT, stack_config(consul, **LOGS, existing="adopt"), stack="prod")
    output = stack.up()
    assert "AccessLogs.JSONFormat" in output
    stack.preview(expect_no_changes=True)
    written = live(consul)["AccessLogs"]
    assert (written["Enabled"], written["Type"]) == (True, "stderr")
    assert json.loads(written["JSONFormat"]) == {**CONSUL_FORMAT, "trace_id": "%TRACE_ID%"}
    output = stack.refresh()
    stack.preview(expect_no_changes=True)
    stack.configure(stack_config(consul, existing="adopt"))
    stack.up()
    assert live(consul)["AccessLogs"] == {"Type": "stderr"}
    stack.preview(expect_no_changes=True)


def test_text_format_of_another_owner_is_rejected_before_the_write(programs: Programs, consul: Consul) -> None:
    put(consul, MESH, AccessLogs={"Enabled": True, "TextFormat": "%REQ(:PATH)%"})
    before = live(consul)
    stack = Project(programs, CHECKOUT, stack_config(consul, **LOGS, existing="adopt"), stack="prod")
    assert "CT220: proxy-defaults/global: AccessLogs.JSONFormat conflicts with" in rejection(stack)
    assert live(consul) == before
