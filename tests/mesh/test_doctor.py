"""`consul-tracing doctor` on a real mesh."""

import json
from typing import Any

import pytest

from testbed.http import url
from testbed.ports import LOOPBACK
from tests.command_line import consul_tracing
from tests.mesh.traced_mesh import TRACED, TracedMesh
from tests.mesh.verify_runs import write

pytestmark = pytest.mark.mesh


def doctor(traced: TracedMesh, *options: str) -> tuple[int, dict[str, Any]]:
    mesh = traced.mesh
    admins = [f"--admin={LOOPBACK}:{one.admin_port}" for one in traced.proxies]
    request = [url(mesh.upstream_port()), f"--zipkin={mesh.zipkin.url}", "--expect=client,web,api", "--timeout=20"]
    run = consul_tracing("doctor", *request, *admins, "--format=json", *options, environment=mesh.consul.environment)
    return run.exit_code, json.loads(run.stdout)["sections"]


def test_sections_of_a_traced_mesh(traced: TracedMesh) -> None:
    traced.apply()
    # The collector of the test runs on the host of the proxies, and another test may have had a gateway.
    code, sections = doctor(traced, "--ignore=CT317,CT329")
    statuses = {name: section["status"] for name, section in sections.items()}
    assert statuses == {
        "versions": "ok",
        "entries_in_consul": "ok",
        "entries_in_kubernetes": "skipped",
        "proxies": "ok",
        "traces": "ok",
    }, json.dumps(sections["entries_in_consul"])
    assert code == 0
    versions = sections["versions"]["report"]
    assert list(versions["Envoy"]) == [traced.proxies[0].running_version]
    assert [text for text in versions.values() if isinstance(text, str) and not text[0].isdigit()] == []


def test_stale_proxies_are_findings_of_two_sections(traced: TracedMesh) -> None:
    traced.apply(enabled=False)
    write(traced)
    code, sections = doctor(traced, "--timeout=1")
    stale = {one["service"]: one["restart"] for one in sections["proxies"]["report"]["proxies"] if one["stale"]}
    assert stale.keys() == set(TRACED)
    assert stale["web"].endswith("consul connect envoy -sidecar-for web")
    assert {one["code"] for one in sections["traces"]["report"]["causes"]} == {"CT401"}
    assert code == 1
    traced.follow()


def test_each_section_runs_without_consul(traced: TracedMesh) -> None:
    traced.apply()
    mesh = traced.mesh
    request = [url(mesh.upstream_port()), f"--zipkin={mesh.zipkin.url}", "--expect=client,web,api", "--agent"]
    environment = {"CONSUL_HTTP_ADDR": f"{LOOPBACK}:1"}
    run = consul_tracing("doctor", *request, "--format=json", environment=environment)
    statuses = {name: section["status"] for name, section in json.loads(run.stdout)["sections"].items()}
    assert run.exit_code == 2
    assert (statuses["entries_in_consul"], statuses["proxies"], statuses["traces"]) == ("failed", "failed", "ok")
