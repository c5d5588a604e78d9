"""Names, tags and resource attributes of spans, with the examples of docs/guides/spans.md."""

import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

import toolchain
from consul_tracing.envoy import proxy_environment
from consul_tracing.inputs.tracer_settings import Tracer
from testbed import CHECKOUT
from testbed.collectors import Received, http_collector
from testbed.http import send_request
from testbed.ports import LOOPBACK
from tests.documents import code_blocks
from tests.mesh.recorded_spans import RecordedSpan, spans_of
from tests.mesh.sampled_traces import choose
from tests.mesh.test_gateways import gateway_proxy
from tests.mesh.traced_mesh import TRACED, TracedMesh, sampled_parent

pytestmark = pytest.mark.mesh

TRACERS: dict[str, dict[str, Any]] = {
    "zipkin": {"zipkin": {}},
    "otlp": {"opentelemetry": {"transport": "http", "service_name": "mesh"}},
    "datadog": {"datadog": {"service_name": "mesh"}},
}
DOCUMENT = "docs/guides/spans.md"
WEB, API, CLIENT, WEB_CLIENT = ("web", "SERVER"), ("api", "SERVER"), ("client", "CLIENT"), ("web", "CLIENT")


@dataclass(frozen=True)
class Recorded:
    """The mesh with a tracer whose spans are recorded."""

    traced: TracedMesh
    received: Received
    arguments: dict[str, Any]

    @property
    def tracer(self) -> str:
        """The name of the tracer."""
        return next(iter(self.arguments["tracer"]))

    def apply(self, **args: Any) -> None:
        """Write the entries with further arguments."""
        self.traced.apply(**self.arguments, **args)

    def spans(self, path: str = "/orders/{}") -> dict[tuple[str, str], RecordedSpan]:
        """Return the spans of a sampled request by service and kind."""
        headers = sampled_parent(secrets.token_hex(16)) if self.tracer != "zipkin" else {}
        response = self.traced.request(headers, path=path.format(secrets.token_hex(4)))
        return spans_of(self.traced, self.received, response)

    def spans_until(self, accepted: Callable[[dict[tuple[str, str], RecordedSpan]], bool], path: str) -> Any:
        """Repeat a request until its spans are accepted, because entries take effect one proxy after the other."""

        def found() -> dict[tuple[str, str], RecordedSpan] | None:
            spans = self.spans(path)
            return spans if accepted(spans) else None

        return self.traced.wait_until(found, "the spans")


CELLS = [
    pytest.param((version, tracer), id=f"{version}-{tracer}", marks=[] if is_quick else pytest.mark.slow)
    for version, tracer, is_quick in (
        ("1.36.4", "otlp", True),
        ("1.40.0", "otlp", True),
        ("1.36.4", "zipkin", False),
        ("1.40.0", "zipkin", True),
        ("1.36.4", "datadog", False),
        ("1.40.0", "datadog", False),
    )
]


@pytest.fixture(scope="module", params=CELLS)
def recorded(request: pytest.FixtureRequest, traced: TracedMesh) -> Iterator[Recorded]:
    version, name = request.param
    choose(traced, version, Tracer(**TRACERS[name]))
    with http_collector() as received:
        collector = {"host": LOOPBACK, "port": received.port}
        mesh = Recorded(traced, received, {"tracer": TRACERS[name], "collector": collector, "envoy_version": version})
        mesh.apply()
        assert {proxy.running_version for proxy in traced.proxies} == {version}
        yield mesh
    choose(traced, None, None)


def documented_tags() -> set[str]:
    """Return the tags that the page lists, without the values in its parentheses."""
    text = (CHECKOUT / "docs/explain/what-spans-contain.md").read_text()
    listed = re.search(r"Every span has (.*?)\n\n", text, re.DOTALL)
    assert listed
    return set(re.findall(r"`([^`]+)`", re.sub(r"\([^)]*\)", "", listed[1])))


def test_spans_have_the_documented_tags_and_query_strings(recorded: Recorded) -> None:
    recorded.apply()
    spans = recorded.spans("/orders/{}?email=a@example.com")
    assert len(documented_tags()) == 12
    for span in spans.values():
        assert documented_tags() <= span.tags.keys(), span
        assert span.tags["http.url"].endswith("?email=a@example.com")
    assert spans[WEB].tags["node_id"].endswith("web-sidecar-proxy")
    assert spans[WEB_CLIENT].tags["upstream_cluster.name"].startswith("api.default.dc1.internal.")


def test_tags_have_the_identity_of_the_caller(recorded: Recorded) -> None:
    log = recorded.traced.mesh.consul.program.output
    before = len(log())
    parts = ("service", "namespace", "datacenter", "trust-domain")
    tags: dict[str, Any] = {f"caller.{part}": {"caller": part} for part in parts}
    recorded.apply(tags={**tags, "caller.or": {"caller": "service", "default": "none"}})
    spans = recorded.spans()
    found = {
        key: {name: value for name, value in span.tags.items() if name.startswith("caller.")}
        for key, span in spans.items()
    }
    domain = found[WEB].pop("caller.trust-domain")
    assert re.fullmatch(r"[0-9a-f-]{36}\.consul", domain)
    assert found[API].pop("caller.trust-domain") == domain
    common = {"caller.namespace": "default", "caller.datacenter": "dc1"}
    assert found == {
        WEB: {**common, "caller.service": "client", "caller.or": "client"},
        API: {**common, "caller.service": "web", "caller.or": "web"},
        CLIENT: {"caller.or": "none"},
        WEB_CLIENT: {"caller.or": "none"},
    }
    assert "failed to parse" not in log()[before:]
    assert not any(proxy.has_rejected_listener for proxy in recorded.traced.proxies)


def default_names(tracer: str) -> dict[tuple[str, str], str]:
    """Return the names of the table in the document."""
    if tracer == "zipkin":
        return {WEB: "web", API: "api", CLIENT: "web", WEB_CLIENT: "api"}
    return {WEB: "ingress", API: "ingress", CLIENT: "egress web", WEB_CLIENT: "egress api"}


def names(spans: dict[tuple[str, str], RecordedSpan]) -> dict[tuple[str, str], str]:
    return {key: span.name for key, span in spans.items()}


@pytest.fixture
def router(recorded: Recorded) -> Iterator[str]:
    """The router of the document, in Consul."""
    consul, programs = recorded.traced.mesh.consul, recorded.traced.mesh.programs
    recorded.apply()
    # Proxies may still have the router of another test.
    recorded.spans_until(lambda spans: names(spans) == default_names(recorded.tracer), "/{}")
    file = programs.make_directory("router") / "web.hcl"
    file.write_text(code_blocks(DOCUMENT, "hcl")[0])
    command = [toolchain.program("consul"), "config", "write", file]
    programs.run("consul config write", command, environment=consul.environment)
    yield "web"
    consul.delete_config_entry("service-router", "web")


@pytest.mark.usefixtures("router")
def test_documented_router_names_the_spans_of_received_requests(recorded: Recorded) -> None:
    routed = recorded.spans_until(lambda spans: spans[WEB].name == "GET /orders/{id}", "/orders/{}")
    assert names(routed) == {**default_names(recorded.tracer), WEB: "GET /orders/{id}"}
    assert names(recorded.spans("/{}")) == {**default_names(recorded.tracer), WEB: "GET web"}
    of_caller = {**sampled_parent(secrets.token_hex(16)), "x-envoy-decorator-operation": "chosen by the caller"}
    response = recorded.traced.request(of_caller)
    assert "x-envoy-decorator-operation" not in response.json()["headers"]
    assert spans_of(recorded.traced, recorded.received, response)[WEB].name == "GET web"


def test_documented_lua_extension_names_the_spans_of_received_requests(recorded: Recorded) -> None:
    (block,) = [one for one in code_blocks(DOCUMENT, "yaml") if "builtin/lua" in one]
    recorded.apply(**yaml.safe_load(block)["config"]["consul-tracing:mesh"])
    named = {**default_names(recorded.tracer), WEB: "GET web", API: "GET api"}
    recorded.spans_until(lambda spans: names(spans) == named, "/{}")
    assert not any(proxy.has_rejected_listener for proxy in recorded.traced.proxies)
    recorded.apply()
    recorded.spans_until(lambda spans: names(spans) == default_names(recorded.tracer), "/{}")


ATTRIBUTES = {
    "service.namespace": "shop",
    "service.version": "1.2.3",
    "deployment.environment.name": "prod",
    "service.instance.id": "web-0",
}


def test_resource_attributes_are_those_of_the_proxy_and_then_those_of_the_mesh(recorded: Recorded) -> None:
    if recorded.tracer != "opentelemetry":
        pytest.skip("other tracers have no resource")
    (line,) = re.findall(r"^Environment=OTEL_RESOURCE_ATTRIBUTES=(.*)", code_blocks(DOCUMENT, "ini")[0], re.MULTILINE)
    (block,) = [one for one in code_blocks(DOCUMENT, "yaml") if "resource_attributes" in one]
    attributes = yaml.safe_load(block)["config"]["consul-tracing:mesh"]["tracer"]["opentelemetry"]
    tracer = {"opentelemetry": {**TRACERS["otlp"]["opentelemetry"], **attributes}}
    mesh = Recorded(recorded.traced, recorded.received, {**recorded.arguments, "tracer": tracer})
    mesh.traced.mesh.sidecars["web"].environment = {"OTEL_RESOURCE_ATTRIBUTES": line}
    mesh.apply()
    spans = mesh.spans()
    assert spans[WEB].resource.items() >= ATTRIBUTES.items()
    assert spans[API].resource.items() >= attributes["resource_attributes"].items()
    assert "service.version" not in spans[API].resource
    for name in TRACED:
        mesh.traced.mesh.sidecars[name].environment = proxy_environment(Tracer(**tracer), name)
    recorded.traced.bootstrap_hash = ""
    recorded.apply()


def test_datadog_spans_have_the_environment_and_version_of_the_proxy(recorded: Recorded) -> None:
    if recorded.tracer != "datadog":
        pytest.skip("other tracers do not read these variables")
    web = recorded.traced.mesh.sidecars["web"]
    own = web.environment
    web.environment = {**own, "DD_ENV": "prod", "DD_VERSION": "1.2.3"}
    recorded.traced.bootstrap_hash = ""
    recorded.apply()
    spans = recorded.spans()
    assert spans[WEB].tags.items() >= {"env": "prod", "version": "1.2.3"}.items()
    assert spans[API].tags["version"].startswith("envoy ")
    assert "env" not in spans[API].tags
    web.environment = own
    recorded.traced.bootstrap_hash = ""
    recorded.apply()


@pytest.mark.slow
@pytest.mark.usefixtures("router")
def test_documented_router_names_spans_behind_an_ingress_gateway(recorded: Recorded) -> None:
    with gateway_proxy(recorded.traced, "ingress") as (port, _):
        trace_id = secrets.token_hex(16)
        b3 = {"x-b3-traceid": trace_id, "x-b3-spanid": secrets.token_hex(8), "x-b3-sampled": "1"}
        headers = {"Host": "web", **b3, **sampled_parent(trace_id), "x-envoy-decorator-operation": "of a stranger"}
        response = send_request(port, f"/orders/{secrets.token_hex(4)}", headers=headers)
        assert spans_of(recorded.traced, recorded.received, response)[WEB].name == "GET /orders/{id}"
