"""The command on stubs of a mesh: one server is the service, the trace store, the admin interface and Consul."""

import gc
import json
import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from consul_tracing.cli.app import app
from consul_tracing.cli.verify.report import as_json, span_as_json, summary
from consul_tracing.errors import CommandError
from consul_tracing.sources import consul
from tests.unit.cli.verify.dumps import COLLECTOR, SAMPLE_ALL, TRACER, dump, http, listener
from tests.unit.cli.verify.facts import span
from tests.unit.cli.verify.results import REJECTED, incomplete
from tests.unit.http_server import Headers, serving
from tests.unit.test_command_line_page import json_fields


class Stub:
    """A mesh of one proxy, whose responses a test changes."""

    def __init__(self) -> None:
        self.address = ""
        self.service = "web"
        self.traced = True
        self.tags: dict[str, str] = {}
        self.kind = "SERVER"
        self.stats: dict[str, int] = {}
        self.status: dict[str, int] = {}
        self.dump: Any = dump(listener("public_listener:1", 1, http(SAMPLE_ALL)))
        self.consul: dict[str, Any] = {}
        self.received: list[Headers] = []

    def answer(self, path: str, headers: Headers) -> tuple[int, Any]:
        path = path.removeprefix("/zipkin")
        content = self.content(path, headers)
        return self.status.get(path.partition("?")[0], 404 if content is None else 200), content

    def content(self, path: str, headers: Headers) -> Any:
        if path.startswith("/hello"):
            self.received.append(headers)
        if match := re.match(r"/api/v2/trace/(\w+)", path):
            sent = {one["x-b3-traceid"]: one["x-b3-spanid"] for one in self.received if "x-b3-traceid" in one}
            parent = sent.get(match[1])
            return (
                [span_as_json(span("1", self.service, self.kind, parent, trace_id=match[1])) | {"tags": self.tags}]
                if parent and self.traced
                else None
            )
        stats = [{"name": name, "value": value} for name, value in self.stats.items()]
        answers = {"/config_dump": {"configs": self.dump}, "/stats": {"stats": stats}}
        answers["/server_info"] = {"uptime_current_epoch": "1s"}
        answers |= self.consul
        return answers.get(path.partition("?")[0], [])


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.delenv("CONSUL_HTTP_ADDR", raising=False)
    served = Stub()
    with serving(served.answer, keep_alive=True) as served.address:
        yield served


def verify(stub: Stub, *options: str) -> Any:
    url = f"http://user:secret@{stub.address}/hello?key=secret"
    arguments = ["verify", url, f"--zipkin=http://user:secret@{stub.address}/zipkin/", "--timeout=0.5", *options]
    result = CliRunner().invoke(app, arguments)
    assert "secret" not in result.output
    return result


def test_verify_counts_spans_under_an_own_name_by_the_node_of_their_proxy(stub: Stub) -> None:
    stub.consul = {"/server_info": {"node": {"id": "api-1", "cluster": "api"}}}
    stub.service, stub.tags = "default/api", {"node_id": "api-1"}
    result = verify(stub, "--expect=api", f"--admin={stub.address}")
    assert (result.exit_code, "Note: the spans of api have the name default/api" in result.stdout) == (0, True)


def test_complete_trace_is_a_tree_and_exit_code_0(stub: Stub) -> None:
    result = verify(stub, "--expect=Web", "--header=X-Key: secret")
    assert (result.exit_code, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0] == (f"GET http://{stub.address}/hello: status 200, trace {stub.received[0]['x-b3-traceid']}")
    assert [line.split() for line in lines[2:4]] == [
        ["service", "kind", "name", "duration"],
        ["web", "SERVER", "get", "10.0", "ms"],
    ]
    trace_id = stub.received[0]["x-b3-traceid"]
    assert lines[-3:] == [
        f"Page of the trace: http://{stub.address}/zipkin/traces/{trace_id}",
        "",
        "The trace is complete: 1 service: web.",
    ]
    assert stub.received[0]["x-key"] == "secret"


def test_complete_trace_has_the_share_of_the_proxies_own_requests(stub: Stub) -> None:
    manager = {**http(SAMPLE_ALL), "stat_prefix": "public_listener"}
    stub.dump = dump(listener("public_listener:1", 1, manager), listener("api:2", 2, manager, direction="OUTBOUND"))
    stub.stats = {"http.public_listener.tracing.random_sampling": 1234, "tracing.zipkin.spans_sent": 1200}
    options = ["--expect=web", f"--admin={stub.address}"]
    share = f"traced since the start (the rate is 100 % now): web ({stub.address}) 1,200 of 1,234 (97 %)"
    assert share in verify(stub, *options).stdout
    (sampling,) = json.loads(verify(stub, *options, "--format=json").stdout)["sampling"]
    assert (sampling["requests"], sampling["traced"], sampling["rate"]) == (1234, 1200, 100)


def test_call_without_a_span_is_incomplete_without_expected_services(stub: Stub) -> None:
    stub.tags = {"upstream_cluster.name": "api.default.dc1.internal.1-2.consul"}
    stub.kind = "CLIENT"
    result = verify(stub)
    assert result.exit_code == 1
    assert "Services without a span: api\nCalls without a span of the called service: web to api\n" in result.stdout
    assert "CT421: A called service has no span: api" in result.stdout


def test_all_connections_are_closed(stub: Stub) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        assert verify(stub, "--expect=web", f"--admin={stub.address}").exit_code == 0
        gc.collect()
    assert [str(one.message) for one in caught] == []


def test_several_requests_are_counted(stub: Stub) -> None:
    assert "3 of 3 traces are complete" in verify(stub, "--expect=web", "--requests=3").stdout
    assert len({one["x-b3-traceid"] for one in stub.received}) == 3


def test_finding_has_evidence_and_fix_and_exit_code_1(stub: Stub) -> None:
    stub.traced = False
    stub.dump = dump(listener("public_listener:1", 1, http(SAMPLE_ALL)), tracer=None)
    result = verify(stub, "--expect=web", f"--admin={stub.address}")
    assert result.exit_code == 1
    assert "No span has arrived.\nServices without a span: web\n" in result.stdout
    assert result.stdout.endswith(
        f"""
consul-tracing: CT401: A proxy has no tracer or an old one: web ({stub.address})
  the proxy started at 2026-01-01T00:00:00Z without a tracer
  To fix: restart the proxy of web

Note: the environment variable CONSUL_HTTP_ADDR allows checks of the config entries
Note: no proxy that is read listens on port {stub.address.partition(":")[2]} of the URL

CT401: https://consul-tracing.github.io/consul-tracing/latest/reference/messages/#ct401
"""
    )


def sidecars(service: str) -> dict[str, Any]:
    proxy = {"Kind": "connect-proxy", "Proxy": {"DestinationServiceName": service}}
    return {service: {"Service": service}, f"{service}-sidecar-proxy": proxy}


@pytest.mark.parametrize(
    ("services", "place", "option"),
    [
        (sidecars("web"), ". The local Consul agent has the proxies of web", "--agent\n"),
        (sidecars("other"), "", "--agent, --kubernetes or --admin HOST:PORT for each proxy\n"),
        (None, "", "--agent, --kubernetes or --admin HOST:PORT for each proxy\n"),
    ],
    ids=["local-proxies", "of-other-services", "unreadable"],
)
def test_no_cause_without_proxies_has_the_usual_ones_and_the_next_command(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, services: object, place: str, option: str
) -> None:
    monkeypatch.setattr(consul, "DEFAULT_ADDRESS", stub.address if services else "127.0.0.1:1")
    stub.traced = False
    stub.consul["/v1/agent/services"] = services
    text = verify(stub, "--expect=web").stdout
    assert "\nNo cause was found.\n\nNote: no proxy was read. The usual causes: sidecars have not restarted" in text
    assert f" collector{place}. Run consul-tracing stale " in text
    assert f", and repeat this command with {option}" in text


def test_cause_without_proxies_has_no_guess(stub: Stub) -> None:
    stub.traced = False
    text = verify(stub, "--expect=web", "--header=b3: 0").stdout
    assert "Note: --admin HOST:PORT for each proxy, --agent or --kubernetes allows checks of the proxies" in text
    assert "no proxy was read" not in text


RUNNING = {
    "envoy_tracing_json": json.dumps({"http": TRACER}),
    "envoy_extra_static_clusters_json": json.dumps(COLLECTOR),
}
OTHER = json.loads(json.dumps(RUNNING).replace("/api/v2/spans", "/other"))


@pytest.mark.parametrize(("mesh", "own", "is_stale"), [(OTHER, RUNNING, False), (RUNNING, OTHER, True)])
def test_verify_and_stale_agree_on_a_proxy_with_a_tracer_of_its_own(
    stub: Stub, monkeypatch: pytest.MonkeyPatch, mesh: Any, own: Any, *, is_stale: bool
) -> None:
    """The registration has precedence over proxy-defaults."""
    monkeypatch.setenv("CONSUL_HTTP_ADDR", stub.address)
    stub.traced = False
    node, stats = {"id": "web-proxy", "cluster": "web"}, {"use_all_default_tags": True}
    stub.dump = dump(listener("public_listener:1", 1, http(SAMPLE_ALL)), node=node, stats_config=stats)
    stub.consul["/v1/config/proxy-defaults/global"] = {"Config": mesh}
    stub.consul["/v1/agent/service/web-proxy"] = {"Proxy": {"Config": own}}
    stub.stats = {}
    stale = CliRunner().invoke(app, ["stale", f"--admin={stub.address}"])
    assert (stale.exit_code, "collector_endpoint" in stale.stdout) == (int(is_stale), is_stale)
    result = verify(stub, "--expect=web", f"--admin={stub.address}", "--format=json")
    causes = [(one["code"], one["evidence"].partition("with ")[2]) for one in json.loads(result.stdout)["causes"]]
    assert causes == ([("CT401", "another tracer: collector_endpoint differs")] if is_stale else [])


def test_json_has_the_documented_fields(stub: Stub) -> None:
    stub.tags = {"http.url": "http://web/?key=secret", "user": "secret", "http.status_code": "200"}
    result = verify(stub, "--expect=web,api", "--format=json")
    report = json.loads(result.stdout)
    assert report.keys() == json_fields("verify")
    assert (report["version"], report["complete"], report["services"], report["missing"]) == (
        1,
        False,
        ["web"],
        ["api"],
    )
    assert report["time"].endswith("Z")
    assert 0 <= report["seconds"] < 10
    assert report["requests"] == {"sent": 1, "sampled": 1, "complete": 0}
    assert (report["calls_without_span"], report["sampling"]) == ([], [])
    (one,) = report["spans"]
    assert (one["traceId"], one["tags"]) == (report["trace_id"], {"http.status_code": "200"})
    (cause,) = report["causes"]
    assert cause.keys() == {"code", "proxy", "evidence", "fix", "page"}


def test_unreachable_consul_and_admin_interfaces_are_notes(stub: Stub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONSUL_HTTP_ADDR", "127.0.0.1:1")
    stub.traced = False
    result = verify(stub, "--admin=127.0.0.1:1", "--format=json")
    assert result.exit_code == 1
    admin, consul = json.loads(result.stdout)["notes"]
    assert "the admin interface 127.0.0.1:1 cannot be read" in admin
    assert "Consul at http://127.0.0.1:1 cannot be read" in consul


def test_other_server_is_not_an_admin_interface(stub: Stub) -> None:
    stub.traced = False
    stub.dump = [1]
    assert (
        "does not respond as expected: it is not Envoy's admin interface"
        in verify(stub, f"--admin={stub.address}").stdout
    )


@pytest.mark.parametrize("status", [500, 404])
def test_store_that_is_not_healthy_is_the_cause(stub: Stub, status: int) -> None:
    stub.status = {"/api/v2/services": status}
    assert "CT410" in verify(stub, "--expect=web").stdout


@pytest.mark.parametrize(
    "option",
    ["--header=secret", "--store-header=secret", "--store=secret", "--admin=user:secret@proxy:19000", "--admin=proxy"],
)
def test_invalid_option_is_one_error_without_its_value(stub: Stub, option: str) -> None:
    result = verify(stub, option)
    assert isinstance(result.exception, CommandError)
    assert "secret" not in str(result.exception)
    assert "\n" not in str(result.exception)


@pytest.mark.parametrize(("expect", "failures"), [("web", "0"), ("web,api", "2")])
def test_junit_file_has_the_result(stub: Stub, tmp_path: Path, expect: str, failures: str) -> None:
    report = tmp_path / "report.xml"
    assert verify(stub, f"--expect={expect}", f"--junit={report}").exit_code == int(failures != "0")
    text = report.read_text()
    assert f'failures="{failures}"' in text
    assert f"http://{stub.address}/hello: complete trace" in text
    assert "secret" not in text


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--metrics=9464"], "--metrics requires --interval"),
        (["--metrics=host", "--interval=1"], "--metrics must have the form HOST:PORT or PORT"),
    ],
)
def test_invalid_monitoring_is_an_error_before_the_first_request(stub: Stub, options: list[str], message: str) -> None:
    result = verify(stub, *options)
    assert isinstance(result.exception, CommandError)
    assert result.exception.reason == message
    assert stub.received == []


def test_causes_that_differ_in_the_proxy_only_are_one_in_the_text() -> None:
    api, web = REJECTED, replace(REJECTED, proxy="web (127.0.0.1:19001)")
    other = replace(REJECTED, fix="read its log")
    result = incomplete(api, other, web)
    lines = summary(result)
    heads = [line.rpartition(": ")[2] for line in lines if line.startswith("consul-tracing: CT404: ")]
    assert heads == ["api (127.0.0.1:19002), web (127.0.0.1:19001)", "api (127.0.0.1:19002)"]
    assert sum(line == f"  To fix: {REJECTED.fix}" for line in lines) == 1
    assert len(json.loads(as_json(result))["causes"]) == 3
