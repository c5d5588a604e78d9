"""Spans in Zipkin after a request through real proxies."""

import secrets
import socket
from typing import Any

import pytest

from testbed.ports import LOOPBACK
from tests.mesh.trace_stores import wait_until_idle
from tests.mesh.traced_mesh import (
    TracedMesh,
    parents,
    rendered,
    request_id,
    sampled_id,
    span_names,
    unique_path,
)

pytestmark = pytest.mark.mesh

FOUR_SPANS = [("api", "SERVER"), ("client", "CLIENT"), ("web", "CLIENT"), ("web", "SERVER")]
B3 = {"x-b3-traceid": "", "x-b3-spanid": "00f067aa0ba902b7", "x-b3-sampled": "1"}


def b3() -> dict[str, str]:
    """Return headers of a caller with its own trace."""
    return {**B3, "x-b3-traceid": secrets.token_hex(16)}


def test_request_is_one_trace_of_four_spans_with_128_bit_ids(traced: TracedMesh) -> None:
    traced.stack().up()
    traced.follow()
    spans = traced.spans_of(traced.request(), 4)
    assert span_names(spans) == FOUR_SPANS
    assert {len(span["traceId"]) for span in spans} == {32}
    assert len({span["id"] for span in spans}) == 4


def test_up_writes_the_rendered_entries(traced: TracedMesh) -> None:
    args = traced.arguments(tags={"team": {"literal": "core"}}, default_protocol="http", tcp_services=["db"])
    traced.stack(**args).up()
    live = {entry["Name"]: entry for entry in [*traced.mesh.consul.get("/v1/config/service-defaults")]}
    for entry in rendered(args):
        found = traced.proxy_defaults() if entry["Kind"] == "proxy-defaults" else live[entry["Name"]]
        assert found.items() >= entry.items()


def test_each_span_is_the_child_of_the_previous_span(traced: TracedMesh) -> None:
    traced.apply()
    assert parents(traced.spans_of(traced.request(), 4)) == {
        ("client", "CLIENT"): None,
        ("web", "SERVER"): ("client", "CLIENT"),
        ("web", "CLIENT"): ("web", "SERVER"),
        ("api", "SERVER"): ("web", "CLIENT"),
    }


def test_long_path_is_truncated(traced: TracedMesh) -> None:
    traced.apply(spans={"max_path_tag_length": 40, "verbose": True})
    path = unique_path() + "x" * 100
    spans = traced.spans_of(traced.request(path=path), 4)
    assert all(span["tags"]["http.url"].endswith(path[:40]) and span.get("annotations") for span in spans)


def test_upstream_requests_have_spans(traced: TracedMesh) -> None:
    traced.apply(spans={"spawn_upstream_span": True})
    response = traced.request()
    assert set(span_names(traced.spans_of(response, 6))) > set(FOUR_SPANS)


def test_protobuf_spans_arrive(traced: TracedMesh) -> None:
    traced.apply(tracer={"zipkin": {"encoding": "protobuf"}})
    assert span_names(traced.spans_of(traced.request(), 4)) == FOUR_SPANS


@pytest.mark.parametrize("percent", [0.01, 0.29, 25, 99])
def test_sampling_rate_changes_without_a_restart(traced: TracedMesh, percent: float) -> None:
    traced.apply()
    started = {name: sidecar.program.process.pid for name, sidecar in traced.mesh.sidecars.items()}
    traced.apply(sampling={"random": percent})
    first_unsampled = round(percent * 100)
    ids = [request_id(number) for number in (0, first_unsampled - 1, first_unsampled, 9999)]
    headers = [traced.request({"x-request-id": one}).json()["headers"] for one in ids]
    assert [one["x-b3-sampled"] for one in headers] == ["1", "1", "0", "0"]
    trace_ids = [one["x-b3-traceid"] for one in headers]
    for trace_id in trace_ids[:2]:
        assert span_names(traced.mesh.zipkin.wait_for_spans(trace_id, 4)) == FOUR_SPANS
    wait_until_idle(traced.mesh.programs, traced.proxies)
    assert [traced.mesh.zipkin.trace(trace_id) for trace_id in trace_ids[2:]] == [[], []]
    assert started == {name: sidecar.program.process.pid for name, sidecar in traced.mesh.sidecars.items()}


def test_caller_with_a_sampled_trace_is_traced_at_zero_random_sampling(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    assert traced.request().json()["headers"]["x-b3-sampled"] == "0"
    assert span_names(traced.spans_of(traced.mesh.request(unique_path(), b3()), 4)) == FOUR_SPANS


@pytest.mark.parametrize("request_id", ["order-4711", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "4711"])
def test_request_id_that_does_not_begin_with_eight_hexadecimal_digits_is_never_sampled(
    traced: TracedMesh, request_id: str
) -> None:
    traced.apply()
    decisions = [
        traced.mesh.request(unique_path(), headers).json()["headers"]["x-b3-sampled"]
        for headers in ({"x-request-id": request_id}, {"x-request-id": sampled_id()})
    ]
    assert decisions == ["0", "1"]


def test_tags_of_all_kinds_arrive_on_every_span(traced: TracedMesh) -> None:
    traced.apply(
        tags={
            "team": {"literal": "core"},
            "user": {"request_header": "X-User", "default": "anonymous"},
            "consul": {"environment": "CONSUL_HTTP_ADDR"},
            "zone": {"environment": "NO_SUCH_VARIABLE", "default": "unknown"},
            "authority": {"request_header": ":authority"},
        }
    )

    def tagged() -> list[dict[str, Any]]:
        spans = traced.spans_of(traced.request({"X-User": "ada"}), 4)
        return spans if all("team" in span["tags"] for span in spans) else []

    spans = traced.wait_until(tagged, "spans with tags")
    expected = {"team": "core", "consul": traced.mesh.consul.url, "zone": "unknown"}
    assert all(span["tags"].items() >= expected.items() for span in spans)
    # The demo services forward only trace headers, so X-User ends at the first service.
    users = {(span["localEndpoint"]["serviceName"], span["kind"]): span["tags"]["user"] for span in spans}
    authority = {(span["localEndpoint"]["serviceName"], span["kind"]): span["tags"]["authority"] for span in spans}
    assert authority == {**dict.fromkeys(FOUR_SPANS, "api"), ("client", "CLIENT"): "web", ("web", "SERVER"): "web"}
    assert users == {**dict.fromkeys(FOUR_SPANS, "anonymous"), ("client", "CLIENT"): "ada", ("web", "SERVER"): "ada"}


def test_b3_w3c_propagation_adds_traceparent(traced: TracedMesh) -> None:
    traced.apply()
    assert "traceparent" not in traced.request().json()["upstream"]["headers"]
    traced.apply(tracer={"zipkin": {"propagation": "b3+w3c"}})
    headers = traced.request().json()["upstream"]["headers"]
    assert headers["traceparent"].split("-")[1] == headers["x-b3-traceid"]


def test_tcp_service_works_with_an_http_default_protocol(traced: TracedMesh) -> None:
    traced.apply(default_protocol="http", tcp_services=["db"])
    traced.mesh.start_sidecars("db", "db-client")

    def echoed() -> bool:
        with socket.create_connection(
            (LOOPBACK, traced.mesh.upstream_port("db-client", "db")), timeout=5
        ) as connection:
            connection.sendall(b"\x00 no http \xff")
            return connection.recv(64) == b"\x00 no http \xff"

    assert echoed()
    traced.mesh.stop_sidecars("db", "db-client")


def test_restarted_proxies_of_a_disabled_mesh_do_not_trace(traced: TracedMesh) -> None:
    traced.apply()
    traced.stack(enabled=False).up()
    traced.follow()
    assert "x-b3-traceid" not in traced.request().json()["headers"]
