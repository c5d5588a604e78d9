"""Requests that do not pass the expected services, and a tracer that Consul has and no proxy yet, on the real mesh."""

import json
from functools import partial

import pytest

from testbed.ports import LOOPBACK, free_port
from tests.command_line import consul_tracing
from tests.mesh.traced_mesh import TracedMesh
from tests.mesh.verify_runs import assert_causes, diagnosis, verify, write

pytestmark = pytest.mark.mesh


def test_ct422_service_is_misspelt(traced: TracedMesh) -> None:
    traced.apply()
    assert_causes(result := diagnosis(traced, expect="client,web,apy"), "CT422", "apy")
    assert result.report["causes"][0]["fix"] == "correct --expect: api"


def test_ct419_url_is_an_upstream_of_another_service(traced: TracedMesh) -> None:
    traced.apply()
    past = diagnosis(traced, port=traced.mesh.upstream_port("web", "api"))
    assert_causes(past, "CT419", "the")
    assert f"web at {LOOPBACK}:{traced.mesh.upstream_port()}" in past.report["causes"][0]["fix"]


def test_ct419_url_is_no_port_of_the_mesh(traced: TracedMesh) -> None:
    traced.apply()
    assert_causes(diagnosis(traced, port=traced.mesh.zipkin.port), "CT419", "the")
    assert_causes(diagnosis(traced, port=traced.mesh.instances["web"].port), "CT419", "the")


def test_other_tracer_in_consul_is_a_note_while_the_traces_arrive(traced: TracedMesh) -> None:
    traced.apply()
    write(traced, collector={"host": LOOPBACK, "port": free_port()})
    try:
        complete = verify(traced)
        assert (complete.exit_code, complete.codes) == (0, set())
        assert sum(note.startswith("a restart of ") for note in complete.report["notes"]) == 3
        assert_causes(diagnosis(traced, "--header=X-B3-Sampled: 0"), "CT405", "the")
    finally:
        write(traced)


def test_stale_prints_no_restart_into_an_invalid_tracer(traced: TracedMesh) -> None:
    traced.apply()
    entry = traced.proxy_defaults()
    tracer = entry["Config"]["envoy_tracing_json"].replace("collector_cluster", "colector_cluster")
    config = entry["Config"] | {"envoy_tracing_json": tracer, "envoy_listener_tracing_jsn": "{}"}
    traced.mesh.consul.write_config_entry({"Kind": "proxy-defaults", "Name": "global", "Config": config})
    admins = [f"--admin={LOOPBACK}:{one.admin_port}" for one in traced.proxies]
    stale = partial(consul_tracing, "stale", *admins, environment=traced.mesh.consul.environment)
    try:
        text = stale()
        assert (text.exit_code, "To restart" in text.stdout) == (1, False)
        assert "Correct this in Consul before a restart" in text.stdout
        assert text.stdout.index("CT308") < text.stdout.index("a restart may not have") < text.stdout.index("CT325")
        report = json.loads(
            consul_tracing(*stale.args, "--format=json", environment=stale.keywords["environment"]).stdout
        )
        assert all("colector_cluster" in "".join(one["mistakes"]) for one in report["proxies"])
    finally:
        write(traced)
