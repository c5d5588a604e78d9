"""`consul-tracing verify` on a real mesh: why requests of users are not sampled although a forced one is traced."""

import json
import random
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from testbed.jaeger import Jaeger
from tests.mesh.sampled_traces import REQUESTS, choose, request_ids
from tests.mesh.test_gateways import gateway_proxy
from tests.mesh.test_replaced_listeners import replace_listener
from tests.mesh.trace_stores import to_jaeger
from tests.mesh.traced_mesh import TRACE_ALL, TRACED, UNTRACED, TracedMesh, request_id, traces_as, unique_path
from tests.mesh.verify_runs import (
    NONE,
    OTLP,
    SAMPLED,
    W3C,
    Verification,
    assert_causes,
    assert_complete,
    diagnosis,
    verify,
)

pytestmark = pytest.mark.mesh


def with_id(identity: str) -> str:
    return f"--header=x-request-id: {identity}"


@pytest.mark.parametrize(
    ("identity", "evidence"),
    [
        ("order-4711", "does not start with 8 hexadecimal digits"),
        ("01HV5J7Z9GXM3QK2T8W4N6P0RS", "does not start with 8 hexadecimal digits"),
        (f"{9999:08x}-0000-7000-8000-000000000000", "version 7: all ids of 65.5 seconds share a decision"),
        (request_id(1000), "it is not sampled at 10 %"),
    ],
    ids=["text", "ulid", "uuid-7", "uuid-4"],
)
def test_ct413_request_id_decides(traced: TracedMesh, identity: str, evidence: str) -> None:
    traced.apply()
    for more in ({}, {"proxies": []}):
        assert_causes(result := diagnosis(traced, NONE, with_id(identity), **more), "CT413", "the")
        assert evidence in result.evidence
    assert_complete(traced, *SAMPLED)


@pytest.mark.parametrize(
    "fields",
    [{"operation": "%REQ(:PATH)%"}, {"random_sampling": {"numerator": 100}}, {"nonsense": 1}],
    ids=["envoy-1.37", "fraction", "unknown"],
)
def test_ct414_consul_cannot_parse_the_block(traced: TracedMesh, fields: dict[str, Any]) -> None:
    traced.apply()
    entry = traced.proxy_defaults()
    block = json.loads(entry["Config"]["envoy_listener_tracing_json"]) | fields
    config = entry["Config"] | {"envoy_listener_tracing_json": json.dumps(block)}
    traced.mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
    for sidecar in traced.proxies:
        traced.wait_until(partial(traces_as, sidecar, UNTRACED), "a listener without the block")
    assert_causes(result := diagnosis(traced, NONE), "CT414", "proxy-defaults/global")
    assert next(iter(fields)) in result.evidence
    # A request with a trace context is traced at 0 % too.
    notes = verify(traced).report["notes"]
    assert any(note.startswith("requests without a trace context are not traced (CT414)") for note in notes)
    traced.apply()
    assert_complete(traced, *SAMPLED)


def test_rate_of_zero_is_a_note_on_a_trace_that_the_caller_samples(traced: TracedMesh) -> None:
    traced.apply(sampling={"random": 0})
    result = verify(traced)
    assert result.exit_code == 0
    assert "not traced (CT405): random sampling is 0 %" in result.report["notes"][0]
    traced.apply()
    assert "not traced" not in " ".join(verify(traced).report["notes"])


def test_silent_gateway_is_a_note_on_a_trace_that_the_caller_samples(traced: TracedMesh) -> None:
    traced.apply()
    with gateway_proxy(traced, "api") as (port, envoy):
        proxies = [envoy, *(traced.mesh.sidecars[name] for name in ("web", "api"))]
        result = verify(traced, port=port, expect="", proxies=proxies)
        assert result.exit_code == 0
        assert "not traced (CT406): the gateway marks requests without trace context" in result.report["notes"][0]


@pytest.fixture
def restored(traced: TracedMesh) -> Iterator[TracedMesh]:
    """The mesh. Teardown restores the listener of api's sidecar."""
    yield traced
    traced.mesh.consul.register(traced.mesh.instances["api"].registration)
    traced.mesh.restart_sidecars("api")


def test_ct415_escape_hatch_replaces_the_public_listener(restored: TracedMesh) -> None:
    restored.apply()
    replace_listener(restored)
    for more in ({}, {"consul": False}, {"expect": ""}):
        assert_causes(result := diagnosis(restored, **more), "CT415", "api")
    assert "envoy_public_listener_json of its registration or of proxy-defaults" in result.evidence
    replace_listener(restored, tracing={"random_sampling": {"value": 100}})
    assert_complete(restored)


@pytest.mark.slow
@pytest.mark.parametrize("percent", [1, 10])
@pytest.mark.parametrize("expect", ["client,web,api", ""])
def test_ct412_opentelemetry_without_a_sampler(traced: TracedMesh, jaeger: Jaeger, percent: int, expect: str) -> None:
    choose(traced, "1.40.0", None)
    traced.apply(**to_jaeger(OTLP, jaeger), envoy_version="1.34", sampling={"random": percent})
    result = diagnosis(traced, W3C, with_id(request_id(9999)), expect=expect)
    assert_causes(result, "CT412", *TRACED)
    assert f"Envoy 1.40 samples {percent} % of all requests" in result.evidence
    choose(traced, None, None)
    traced.apply()


@pytest.mark.slow
def test_ct412_opentelemetry_without_a_sampler_behind_a_gateway(traced: TracedMesh, jaeger: Jaeger) -> None:
    choose(traced, "1.40.0", None)
    traced.apply(**to_jaeger(OTLP, jaeger), envoy_version="1.34", sampling={"random": 1})
    runtime = {"layers": [{"name": "all", "static_layer": {"tracing.random_sampling": 100}}]}
    arguments = ["--config-yaml", json.dumps({"layered_runtime": runtime})]
    with gateway_proxy(traced, "api", arguments, version="1.40.0") as (port, envoy):
        proxies = [envoy, *(traced.mesh.sidecars[name] for name in ("web", "api"))]
        through: dict[str, Any] = {"port": port, "expect": "", "proxies": proxies}
        assert_causes(diagnosis(traced, W3C, with_id(request_id(9999)), **through), "CT412", "web", "api")
    choose(traced, None, None)
    traced.apply()


@pytest.mark.parametrize("application", ["all", "b3-single"])
def test_ct420_single_b3_header_is_left_unchanged(traced: TracedMesh, application: Any) -> None:
    traced.apply()
    traced.mesh.restart_service("web", propagate=application)
    for more in ({"expect": ""}, {}, {"proxies": [], "consul": False}):
        result = diagnosis(traced, "--propagation=b3-single", **more)
        assert_causes(result, "CT420", "client", "web")
        assert "the parent of the span of web is an earlier span and not the call of client" in result.evidence
    choose(traced, "1.40.0", None)
    traced.apply()
    assert_complete(traced, "--propagation=b3-single", expect="")
    choose(traced, None, None)
    traced.mesh.restart_service("web")
    traced.apply()
    assert_complete(traced, "--propagation=b3", expect="")


def sampling(result: Verification) -> dict[str, dict[str, Any]]:
    """Return the sampling decisions by service."""
    return {one["proxy"].partition(" ")[0]: one for one in result.report["sampling"]}


def disagreements(result: Verification) -> list[str]:
    return [note for note in result.report["notes"] if ", and not " in note]


CHANCE = random.Random("users")  # noqa: S311 - not for cryptography

HALF = {"random": 50}
"""A rate at which REQUESTS requests show that it is not applied."""


def users(traced: TracedMesh, prefix: str = "") -> None:
    """Send requests of users, with random ids or with ids that start with a prefix."""
    for number, headers in enumerate(request_ids(CHANCE)):
        traced.mesh.request(unique_path(), {"x-request-id": f"{prefix}{number}"} if prefix else headers)


def test_sampled_share_of_users_is_reported(traced: TracedMesh) -> None:
    traced.apply(sampling=HALF)
    traced.mesh.restart_sidecars(*TRACED)
    users(traced)
    result = verify(traced)
    assert (result.exit_code, disagreements(result)) == (0, [])
    found = sampling(result)
    assert {name: one["rate"] for name, one in found.items()} == dict.fromkeys(TRACED, 50)
    assert found["client"]["requests"] in {REQUESTS + 1, REQUESTS + 2}
    assert 150 < found["client"]["random"] < 250
    assert found["web"]["traced"] == pytest.approx(2 * found["client"]["traced"], abs=2)
    assert result.report["notes"][0].startswith(
        "received and sent requests traced since the start (the rate is 50 % now): client"
    )


def test_request_ids_of_users_that_are_never_sampled_are_a_note(traced: TracedMesh) -> None:
    traced.apply(sampling=HALF)
    traced.mesh.restart_sidecars(*TRACED)
    users(traced, "order-")
    result = verify(traced)
    assert result.exit_code == 0
    assert len(disagreements(result)) == len(TRACED)
    assert "request ids that callers set decide (CT413)" in disagreements(result)[0]
    traced.mesh.restart_sidecars(*TRACED)
    traced.apply()


@pytest.mark.slow
def test_callers_that_mark_requests_as_not_sampled_are_a_note(traced: TracedMesh) -> None:
    traced.apply(sampling=HALF)
    traced.mesh.restart_sidecars(*TRACED)
    for headers in request_ids(CHANCE):
        traced.mesh.request(unique_path(), {**headers, "x-b3-sampled": "0"})
    result = verify(traced)
    assert "callers or a gateway mark the others as not sampled" in disagreements(result)[0]
    traced.mesh.restart_sidecars(*TRACED)
    traced.apply()


@pytest.mark.slow
@pytest.mark.parametrize("version", ["1.36.4", "1.40.0"])
def test_share_of_a_sampler_is_that_of_its_spans(traced: TracedMesh, jaeger: Jaeger, version: str) -> None:
    """The listener samples all requests, so its counters do not show the rate."""
    choose(traced, version, None)
    traced.apply(**to_jaeger(OTLP, jaeger), sampling=HALF)
    users(traced)
    result = diagnosis(traced, W3C, exported=True)
    client = sampling(result)["client"]
    assert (client["rate"], client["random"]) == (50, client["requests"])
    assert 150 < client["traced"] < 250
    assert disagreements(result) == []
    choose(traced, None, None)
    traced.apply()


@pytest.mark.parametrize(("percent", "needed"), [(10, "--requests 44"), (1, "--requests 100 several times")])
def test_ct405_low_rate_names_the_number_of_requests(traced: TracedMesh, percent: int, needed: str) -> None:
    traced.apply(sampling={"random": percent})
    for more in ({}, {"proxies": []}):
        # The application's own requests of users have random ids, so one may be sampled.
        result = diagnosis(traced, NONE, **more)
        while result.exit_code == 0:
            result = diagnosis(traced, NONE, **more)
        assert result.codes == {"CT405"}
        assert needed in result.report["causes"][0]["fix"]


def test_requests_that_are_not_sampled_are_not_incomplete(traced: TracedMesh) -> None:
    traced.apply(sampling=HALF)
    result = verify(traced, NONE, "--requests=40", expect="")
    counts = result.report["requests"]
    assert (result.exit_code, counts["complete"]) == (0, counts["sampled"])
    assert 4 < counts["sampled"] < 36 < counts["sent"]
    traced.apply()


def test_complete_trace_at_full_sampling_has_no_note_about_rates(traced: TracedMesh) -> None:
    traced.apply(sampling=TRACE_ALL)
    traced.mesh.restart_sidecars(*TRACED)
    users(traced)
    result = verify(traced, expect="")
    assert (result.exit_code, disagreements(result)) == (0, [])
    traced.apply()
