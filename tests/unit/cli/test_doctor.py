"""`consul-tracing doctor` on stubs of a mesh: one server is the service, the trace store, the proxy and Consul."""

import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consul_tracing.cli.app import app
from consul_tracing.cli.command import PageFormat
from consul_tracing.cli.doctor.page import Page, Section, rendered
from consul_tracing.errors import CommandError
from tests.unit.cli.verify.dumps import COLLECTOR, SAMPLE_ALL, TRACER, dump, http, listener
from tests.unit.cli.verify.test_command import Stub, stub

__all__ = ["stub"]

SECRET = "hunter2-do-not-print"  # noqa: S105 - what the tests search for

RUNNING = {
    "envoy_tracing_json": json.dumps({"http": TRACER}),
    "envoy_extra_static_clusters_json": json.dumps(COLLECTOR),
}


@pytest.fixture
def mesh(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> Stub:
    """A mesh without findings, except those of its entries."""
    monkeypatch.setenv("CONSUL_HTTP_ADDR", stub.address)
    node, stats = {"id": "web-proxy", "cluster": "web"}, {"use_all_default_tags": True}
    stub.dump = dump(listener("public_listener:1", 1, http(SAMPLE_ALL)), node=node, stats_config=stats)
    stub.consul = {
        "/v1/agent/self": {"Config": {"Version": "1.22.7"}},
        "/v1/agent/services": {},
        "/v1/catalog/services": {},
        "/v1/agent/service/web-proxy": {"Proxy": {"Config": RUNNING}},
        "/v1/config/proxy-defaults/global": {"Config": RUNNING},
        "/server_info": {"version": "commit/1.38.3/Clean/RELEASE/BoringSSL", "node": node},
        "/info": {"zipkin": {"version": "3.6.1"}},
    }
    return stub


def doctor(mesh: Stub, *options: str, traces: bool = True) -> Result:
    request = [f"http://user:{SECRET}@{mesh.address}/hello?key={SECRET}", "--timeout=0.5", "--expect=web"]
    store = [f"--zipkin=http://user:{SECRET}@{mesh.address}/zipkin/"]
    result = CliRunner().invoke(app, ["doctor", *([*request, *store] if traces else []), *options])
    assert SECRET not in result.output
    return result


def sections(mesh: Stub, *options: str, **more: Any) -> tuple[int, dict[str, Any]]:
    result = doctor(mesh, "--format=json", *options, **more)
    page = json.loads(result.stdout)
    assert page["exit_code"] == result.exit_code
    return result.exit_code, page["sections"]


def test_healthy_mesh_has_no_findings(mesh: Stub) -> None:
    code, found = sections(mesh, f"--admin={mesh.address}")
    assert code == 0
    assert {name: section["status"] for name, section in found.items()} == {
        "versions": "ok",
        "entries_in_consul": "ok",
        "entries_in_kubernetes": "skipped",
        "proxies": "ok",
        "traces": "ok",
    }
    assert found["versions"]["report"] == {
        "consul-tracing": version("consul-tracing"),
        "Consul": "1.22.7",
        f"Zipkin at http://{mesh.address}/zipkin": "3.6.1",
        "Envoy": {"1.38.3": [mesh.address]},
    }
    assert found["proxies"]["report"]["proxies"][0]["stale"] is False
    assert found["traces"]["report"]["complete"] is True


def test_page_has_the_reports_of_the_commands(mesh: Stub) -> None:
    mesh.traced = False
    result = doctor(mesh, f"--admin={mesh.address}")
    assert result.exit_code == 1
    title, created, _, *lines = result.stdout.splitlines()
    assert title == "consul-tracing doctor: findings"
    assert created.startswith("Created 20")
    assert lines[:2] == ["Versions: ok", f"  consul-tracing: {version('consul-tracing')}"]
    assert "Entries in Kubernetes: skipped: --kubernetes is not set" in lines
    assert "  Services without a span: web" in lines


def test_sections_that_are_not_requested_are_skipped(mesh: Stub) -> None:
    code, found = sections(mesh, traces=False)
    assert (code, found["proxies"]["status"], found["traces"]["status"]) == (0, "skipped", "skipped")
    assert found["traces"]["reason"] == "URL and --store are not set"


def test_each_section_runs_also_if_another_fails(mesh: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    code, found = sections(mesh, f"--admin={mesh.address}", "--agent")
    statuses = {name: section["status"] for name, section in found.items()}
    assert (code, statuses["versions"], statuses["traces"]) == (2, "ok", "ok")
    for name in ("entries_in_consul", "proxies"):
        assert statuses[name] == "failed"
        assert found[name]["reason"].startswith("Consul at http://127.0.0.1:1 cannot be read: ")
    monkeypatch.setenv("CONSUL_HTTP_ADDR", mesh.address)
    code, found = sections(mesh, "--admin=127.0.0.1:1")
    assert (code, found["proxies"]["status"], found["traces"]["status"]) == (2, "failed", "ok")
    assert found["proxies"]["report"]["unreadable"][0]["proxy"] == "127.0.0.1:1"


@pytest.fixture
def credentials(mesh: Stub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Credentials in the environment, and options with credentials."""
    monkeypatch.setenv("CONSUL_HTTP_TOKEN", SECRET)
    monkeypatch.setenv("CONSUL_HTTP_AUTH", f"user:{SECRET}")
    monkeypatch.setenv("CONSUL_HTTP_ADDR", f"http://user:{SECRET}@{mesh.address}")
    file = tmp_path / "auth"
    file.write_text(f"user:{SECRET}")
    mesh.traced = False
    header, store_header = f"--header=X-Key: {SECRET}", f"--store-header=X-Scope-OrgID: {SECRET}"
    return [f"--admin={mesh.address}", header, store_header, f"--store-auth-file={file}"]


@pytest.mark.parametrize("form", PageFormat)
def test_credentials_in_entries_and_spans_are_not_printed(mesh: Stub, credentials: list[str], form: PageFormat) -> None:
    other = json.dumps({"http": TRACER}).replace("zipkin", "datadog").replace("/api/v2/spans", SECRET)
    config = {**RUNNING, "envoy_tracing_json": other, "envoy_statsd_url": f"udp://user:{SECRET}@127.0.0.1:1"}
    cluster = {**COLLECTOR, "transport_socket": {"typed_config": {"private_key": {"inline_string": SECRET}}}}
    config["envoy_extra_static_clusters_json"] = json.dumps(cluster)
    mesh.consul["/v1/config/proxy-defaults"] = [{"Kind": "proxy-defaults", "Name": "global", "Config": config}]
    mesh.consul["/v1/agent/service/web-proxy"] = {"Proxy": {"Config": config}}
    mesh.tags = {"http.url": f"http://web/?key={SECRET}", "user": SECRET}
    result = doctor(mesh, f"--format={form}", *credentials)
    assert (result.exit_code, "findings" in result.stdout, "failed" in result.stdout) == (1, True, False)
    assert "tracer: http." in result.stdout


@pytest.mark.parametrize("form", PageFormat)
def test_credentials_that_a_server_repeats_are_removed(mesh: Stub, credentials: list[str], form: PageFormat) -> None:
    for path in ("/v1/agent/self", "/v1/agent/services", "/v1/agent/service/web-proxy"):
        mesh.consul[path], mesh.status[path] = f"the token {SECRET} is denied", 403
    result = doctor(mesh, "--agent", f"--format={form}", *credentials)
    assert result.exit_code == 2
    assert "the token [redacted] is denied" in result.stdout


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (["http://localhost/"], "URL requires --store"),
        (["--zipkin=http://localhost"], "--store requires URL"),
        (["--namespace=shop"], "--namespace requires --kubernetes"),
    ],
)
def test_options_that_belong_together(options: list[str], reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        CliRunner().invoke(app, ["doctor", *options], catch_exceptions=False)


def test_markdown_report_cannot_end_its_block_of_code() -> None:
    page = Page("now", [Section("Proxies", 1, ["```", "# not a title", "````"]), Section("Traces", reason="no URL")])
    assert rendered(page, PageFormat.MARKDOWN, []).splitlines() == [
        "# consul-tracing doctor: findings",
        "",
        "Created now",
        "",
        "## Proxies: findings",
        "",
        "`````text",
        "```",
        "# not a title",
        "````",
        "`````",
        "",
        "## Traces: skipped",
        "",
        "```text",
        "no URL",
        "```",
    ]


def test_secret_does_not_break_json() -> None:
    page = Page("now", [Section("Traces", 0, [], report={"complete": True, "proxies": ['a "secret', "prod"]})])
    report = json.loads(rendered(page, PageFormat.JSON, ['a "secret', "true", "prod"]))["sections"]["traces"]["report"]
    assert report == {"complete": True, "proxies": ["[redacted]", "prod"]}
