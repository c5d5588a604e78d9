"""`consul-tracing lint`: the documented examples, formats, fixes and arbitrary input."""

import contextlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.cli.lint.live import documents_of
from consul_tracing.cli.lint.report import as_json as lint_json
from consul_tracing.cli.lint.report import as_sarif, as_text
from consul_tracing.cli.render.rendering import as_hcl, as_json, as_yaml, entries
from consul_tracing.codes import CODES, page_of
from consul_tracing.envoy import TYPE
from consul_tracing.envoy_messages.messages import LISTENER_TRACING
from consul_tracing.envoy_messages.tracers import ZIPKIN
from consul_tracing.errors import CommandError
from consul_tracing.files.document import Document
from consul_tracing.files.documents import read_documents
from consul_tracing.inputs.mesh_settings import MeshSettings
from consul_tracing.lint.checks import Checked, check_texts
from consul_tracing.lint.examples import complete_entry, examples
from consul_tracing.lint.findings import Finding
from consul_tracing.lint.releases import Releases, oldest_releases
from consul_tracing.lint.rules import findings
from consul_tracing.names import COLLECTOR_CLUSTER, LISTENER_KEY
from generate.reference.codes import EXAMPLE_RELEASES as OLDEST
from testbed import CHECKOUT
from tests.command_line import consul_tracing
from tests.unit import meshes
from tests.unit.cli.test_recovery import DOCUMENTATION
from tests.unit.inputs.test_tracers import daemon, listener, manager

EXAMPLES = {code: ((one.language, one.bad), (one.language, one.good)) for code, one in examples().items()}
LIVE = {"CT328", "CT329", "CT335", "CT349", "CT360"}
"""Findings whose examples are more than one file."""


def lint_texts(texts: dict[str, str], oldest: Releases | None = None) -> list[Finding]:
    return check_texts(texts, oldest).findings


def fix_texts(texts: Mapping[str, str]) -> dict[str, str]:
    return {**texts, **{file: text for file, (_, text) in check_texts(texts, fix=True).changes.items()}}


def lint(text: str, form: str = "hcl", oldest: Releases | None = None) -> list[Finding]:
    return lint_texts({f"example.{form}": text}, oldest)


def codes(found: list[Finding]) -> list[str]:
    return [finding.code for finding in found]


def test_every_code_has_an_example() -> None:
    assert {code for code in CODES if code.startswith("CT3")} - EXAMPLES.keys() == LIVE


@pytest.mark.parametrize("code", EXAMPLES)
def test_bad_example_has_exactly_its_finding(code: str) -> None:
    (form, bad), _ = EXAMPLES[code]
    assert codes(lint(bad, form, OLDEST)) == [code]


@pytest.mark.parametrize("code", EXAMPLES)
def test_good_example_has_no_finding(code: str) -> None:
    _, (form, good) = EXAMPLES[code]
    assert lint(good, form, OLDEST) == []


def test_complete_example_has_no_finding() -> None:
    assert lint(complete_entry()) == []


def document(config: Any, kind: str = "proxy-defaults", name: str = "global") -> Document:
    (found,) = read_documents(json.dumps({"Kind": kind, "Name": name, "Config": config}), "example.json")
    return found


@given(meshes.MESHES)
def test_entries_of_this_package_have_no_error(args: dict[str, Any]) -> None:
    mesh = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    found = lint_texts({f"{one.name}.json": as_json(one) for one in entries(mesh)}, None)
    assert [str(one) for one in found if one.severity == "error"] == []


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
@pytest.mark.parametrize("form", ["hcl", "terraform", "yaml"])
def test_rendered_stacks_of_this_repository_pass(stack: str, form: str, tmp_path: Path) -> None:
    out = tmp_path / "entries"
    options = ("--stack", str(CHECKOUT / "stacks" / f"Pulumi.{stack}.yaml"), "--as", form)
    rendered = consul_tracing("render", *options, *(("--out", str(out)) if form == "hcl" else ()))
    out.mkdir(exist_ok=True)
    (out / f"printed.{'tf' if form == 'terraform' else 'yaml'}").write_text(rendered.stdout)
    checked = json.loads(consul_tracing("lint", str(out), "--envoy-version", "1.36", "--format", "json").stdout)
    # The collector of the dev stack is beside every proxy.
    accepted = [("CT317", "collector.per_host is true")] if stack == "dev" else []
    assert [one["code"] for one in checked["findings"]] == []
    assert [(one["code"], one["ignored"]) for one in checked["ignored"]] == accepted


def test_all_forms_of_an_entry_have_the_same_findings() -> None:
    mesh = meshes.settings(collector={"host": "127.0.0.1"}, tracer={"zipkin": {"trace_id_128bit": False}})
    (entry,) = entries(mesh)
    assert sorted(codes(lint(as_hcl(entry), "hcl"))) == ["CT315", "CT317"]
    assert sorted(codes(lint(as_json(entry), "json"))) == ["CT315", "CT317"]
    assert sorted(codes(lint(as_yaml(mesh), "yaml"))) == ["CT315", "CT317"]


def test_first_documented_tracer_of_consul_loses_its_spans_and_does_not_sample() -> None:
    """The page on Envoy's tracing in Consul's documentation: v1 path, 64-bit ids, no sampling rates."""
    sample = DOCUMENTATION.replace("/api/v2/spans", "/api/v1/spans")
    assert sorted(codes(lint(sample))) == ["CT314", "CT315", "CT320"]


def test_registration_inherits_the_keys_of_proxy_defaults() -> None:
    mesh = meshes.settings()
    (entry,) = entries(mesh)
    registration = json.dumps({"name": "web", "proxy": {"config": {"envoy_tracing_json": tracer_of("nope")}}})
    assert lint(registration, "json") == []
    (found,) = lint_texts({"mesh.hcl": as_hcl(entry), "web.json": registration}, None)
    assert (found.code, found.file, found.entry) == ("CT310", "web.json", "registration web")


def tracer_of(cluster: str) -> str:
    (entry,) = entries(meshes.settings())
    text: str = entry.body["Config"]["envoy_tracing_json"]
    return text.replace("tracing_collector", cluster)


def test_gateway_in_the_same_files_disables_tracing() -> None:
    (entry,) = entries(meshes.settings())
    gateway = json.dumps({"Kind": "ingress-gateway", "Name": "edge", "Listeners": []})
    (found,) = lint_texts({"mesh.json": as_json(entry), "edge.json": gateway}, None)
    assert (found.code, found.file) == ("CT329", "mesh.json")
    assert found.issue.reason.endswith("not sampled: edge")


@pytest.mark.parametrize(
    ("gateway_class", "expected"),
    [("consul", ["CT329"]), ("consul-api-gateway", ["CT329"]), ("nginx", []), (["consul"], []), (None, [])],
)
def test_gateway_of_the_gateway_api_is_one_of_consul_by_its_class(gateway_class: object, expected: list[str]) -> None:
    (entry,) = entries(meshes.settings())
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": "edge"},
        "spec": {"gatewayClassName": gateway_class},
    }
    route = {**gateway, "kind": "HTTPRoute"}
    manifests = {"edge.json": json.dumps(gateway), "route.json": json.dumps(route)}
    assert codes(lint_texts({"mesh.json": as_json(entry), **manifests}, None)) == expected
    assert lint_texts({"mesh.json": as_json(entry), "route.json": json.dumps(route)}, None) == []


def terraform(tracer: str, clusters: str, listener: str = "var.listener") -> list[str]:
    """Return the codes of a Terraform resource whose tracing keys are these expressions, except CT330."""
    text = f"""
        resource "consul_config_entry" "mesh" {{
          kind = "proxy-defaults"
          name = "global"
          config_json = jsonencode({{
            Config = {{
              envoy_tracing_json               = {tracer}
              envoy_extra_static_clusters_json = {clusters}
              envoy_listener_tracing_json      = {listener}
            }}
          }})
        }}
    """
    found = lint(text, "tf", None)
    assert not any("Unevaluated" in finding.issue.reason for finding in found)
    assert "CT330" in codes(found)
    return [code for code in codes(found) if code != "CT330"]


def zipkin(**fields: str) -> str:
    given = {
        "@type": '"type.googleapis.com/envoy.config.trace.v3.ZipkinConfig"',
        "collectorCluster": '"zipkin"',
        "collectorEndpoint": '"/api/v2/spans"',
        "collectorEndpointVersion": '"HTTP_JSON"',
        "traceId128bit": "true",
        **fields,
    }
    members = ", ".join(f'"{name}" = {value}' for name, value in given.items())
    return f'jsonencode({{http = {{name = "envoy.tracers.zipkin", typedConfig = {{{members}}}}}}})'


def otlp(name: str = '"a"', **fields: str) -> str:
    kind = '"type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig"'
    given = {"@type": kind, "service_name": '"mesh"', **fields}
    members = ", ".join(f'"{field}" = {value}' for field, value in given.items())
    return f"jsonencode({{http = {{name = {name}, typed_config = {{{members}}}}}}})"


GRPC = '{envoy_grpc = {cluster_name = "zipkin"}}'


@pytest.mark.parametrize(
    ("tracer", "clusters", "expected"),
    [
        (otlp("var.name", grpc_service=GRPC), "var.clusters", []),
        (otlp(grpc_service="var.service"), "var.clusters", []),
        (otlp(grpc_service=GRPC, sampler='{name = "a", typed_config = {"@type" = var.type}}'), "var.clusters", []),
        ('jsonencode({http = {name = "a", typed_config = {"@type" = var.type}}})', "var.clusters", []),
        (zipkin(), "var.clusters", []),
        (zipkin(), 'jsonencode({name = var.name, connect_timeout = "3s"})', []),
        (zipkin(), "jsonencode([var.cluster])", ["CT309"]),
        (zipkin(), 'jsonencode({name = "other", connect_timeout = "3s"})', ["CT310"]),
        (zipkin(collectorCluster="var.name"), "var.clusters", []),
        (zipkin(traceId128bit="var.bits"), "var.clusters", []),
        (zipkin(traceId128bit="false"), "var.clusters", ["CT315"]),
        ('jsonencode({http = {name = "envoy.tracers.zipkin", typedConfig = var.tracer}})', "var.clusters", []),
    ],
)
def test_expressions_are_not_mistakes(tracer: str, clusters: str, expected: list[str]) -> None:
    assert terraform(tracer, clusters) == expected


@pytest.mark.parametrize(
    "listener",
    [
        "jsonencode(var.listener)",
        "jsonencode([var.listener])",
        'jsonencode({"@type" = var.type, random_sampling = {value = 1}})',
    ],
)
def test_expression_in_a_listener_is_not_a_mistake(listener: str) -> None:
    assert terraform("var.tracer", "var.clusters", listener) == []


def cluster_json(**socket: str) -> str:
    given = {"address": '"10.0.0.1"', "port_value": "9411", **socket}
    address = ", ".join(f"{name} = {value}" for name, value in given.items())
    endpoint = f"{{endpoint = {{address = {{socket_address = {{{address}}}}}}}}}"
    assignment = f'{{cluster_name = "zipkin", endpoints = [{{lb_endpoints = [{endpoint}]}}]}}'
    return f'jsonencode({{name = "zipkin", type = "LOGICAL_DNS", load_assignment = {assignment}}})'


@pytest.mark.parametrize(
    "clusters",
    [
        cluster_json(port_value="var.port"),
        cluster_json(address="var.host"),
        'jsonencode({name = "zipkin", type = "LOGICAL_DNS", load_assignment = var.assignment})',
        'jsonencode({name = "zipkin", type = "EDS", eds_cluster_config = var.eds})',
        'jsonencode({name = "zipkin", type = "STATIC", health_checks = var.checks, load_assignment = var.assignment})',
        'jsonencode({name = "zipkin", transport_socket = var.socket, cluster_type = var.type})',
        'jsonencode({name = "zipkin", type = 2, load_assignment = {cluster_name = "a", endpoints = [var.e]}})',
    ],
)
def test_expression_in_a_cluster_is_not_a_missing_field(clusters: str) -> None:
    assert terraform(zipkin(), clusters) == []


def xray_daemon(**fields: str) -> str:
    address = ", ".join(f"{name} = {value}" for name, value in fields.items())
    config = f'"@type" = "type.googleapis.com/envoy.config.trace.v3.XRayConfig", segment_name = "web", {address}'
    return f'jsonencode({{http = {{name = "envoy.tracers.xray", typed_config = {{{config}}}}}}})'


@pytest.mark.parametrize(
    ("tracer", "expected"),
    [
        (xray_daemon(daemon_endpoint="var.daemon"), []),
        (xray_daemon(daemon_endpoint='{address = var.host, protocol = "UDP", port_value = 2000}'), []),
        (xray_daemon(daemon_endpoint='{address = var.host, port_value = "2000"}'), ["CT341"]),
        (xray_daemon(), ["CT341"]),
    ],
)
def test_address_of_the_xray_daemon_may_be_an_expression(tracer: str, expected: list[str]) -> None:
    assert terraform(tracer, "var.clusters") == expected


def test_field_of_the_v2_api_in_a_cluster_is_reported_once() -> None:
    clusters = {"name": "zipkin", "type": "STRICT_DNS", "tlsContext": {}, "hosts": [], "extension_protocol_options": {}}
    found = findings([document({CLUSTERS: json.dumps(clusters)})])
    assert [(one.code, one.issue.path[-1]) for one in found] == [
        ("CT306", "tlsContext"),
        ("CT306", "hosts"),
        ("CT306", "extension_protocol_options"),
    ]


def lint_mesh(**args: Any) -> list[str]:
    """Return the codes of the entry of a mesh with the protocol of its tracer at every port."""
    (entry,) = entries(meshes.settings(**args))
    return codes(lint(as_json(entry), "json", None))


@pytest.mark.parametrize(
    ("tracer", "own"),
    [
        ({"zipkin": {}}, 9411),
        ({"opentelemetry": {}}, 4317),
        ({"opentelemetry": {"transport": "http"}}, 4318),
        ({"datadog": {"service_name": "mesh"}}, 8126),
    ],
)
def test_port_of_another_protocol_is_reported_for_each_tracer(tracer: Any, own: int) -> None:
    for port in (9411, 4317, 4318, 8126, 14268, 443):
        expected = [] if port == own else ["CT340"]
        assert lint_mesh(tracer=tracer, collector={"host": "otel.example", "port": port}) == expected
    tls = {"ca_file": "/ca.pem"}
    assert lint_mesh(tracer=tracer, collector={"host": "otel.example", "port": 443, "tls": tls}) == []


UNTRACED = json.dumps(listener(manager()))
CRASHING = json.dumps(listener(manager(tracing={"provider": daemon("xray-daemon")})))


def test_replaced_public_listener_of_one_proxy_is_reported_where_the_mesh_traces() -> None:
    (entry,) = entries(meshes.settings())
    registration = json.dumps({"name": "web", "proxy": {"config": {"Envoy_Public_Listener_JSON": UNTRACED}}})
    (found,) = lint_texts({"mesh.json": as_json(entry), "web.json": registration}, None)
    assert (found.code, found.file) == ("CT342", "web.json")
    assert lint(registration, "json") == []


@pytest.mark.parametrize("field", ["EnvoyListenerJSON", "envoy_listener_json", "envoyListenerJSON"])
def test_replaced_listener_of_an_upstream_is_reported_where_the_mesh_traces(field: str) -> None:
    (entry,) = entries(meshes.settings())
    web = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}
    web["UpstreamConfig"] = {"Overrides": [{"Name": "api", field: UNTRACED}]}  # type: ignore[assignment]
    (found,) = lint_texts({"mesh.json": as_json(entry), "web.json": json.dumps(web)}, None)
    assert (found.code, found.file) == ("CT342", "web.json")
    assert lint(json.dumps(web), "json") == []


def test_crashing_tracer_in_a_replaced_listener_is_reported() -> None:
    assert codes(findings([document({"envoy_public_listener_json": CRASHING})])) == ["CT341"]


def test_host_without_a_dot_is_reported_on_kubernetes_only() -> None:
    mesh = meshes.settings(collector={"host": "zipkin"})
    (entry,) = entries(mesh)
    assert codes(lint(as_yaml(mesh), "yaml")) == ["CT344"]
    assert codes(lint(as_json(entry), "json")) == []


def test_fix_keeps_the_line_ends_of_the_file(tmp_path: Path) -> None:
    (form, bad), _ = EXAMPLES["CT307"]
    file = tmp_path / f"example.{form}"
    file.write_bytes(bad.replace("\n", "\r\n").encode())
    consul_tracing("lint", str(file), "--fix")
    assert file.read_bytes() == bad.replace("\n", "\r\n").replace("envoy.zipkin", "envoy.tracers.zipkin").encode()


@pytest.mark.parametrize("file", ["https://consul.example.tf", "https://consul.example/v1.yaml"])
def test_address_of_consul_is_not_the_name_of_a_file(file: str) -> None:
    (found,) = documents_of([{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}], file)
    assert (found.file, found.form, found.fields) == (file, "api", {"Protocol": "http"})


@pytest.mark.parametrize("field", ["Namespace", "Partition"])
def test_unset_scope_is_the_default_one(field: str) -> None:
    one = {"Kind": "service-defaults", "Name": "web", "Protocol": "http"}
    other = {**one, "Protocol": "grpc", field: "default"}
    found = lint_texts({"one.json": json.dumps(one), "other.json": json.dumps(other)}, None)
    assert codes(found) == ["CT327"]
    same = {"one.json": json.dumps(one), "same.json": json.dumps({**one, field: "default"})}
    assert lint_texts(same, None) == []
    elsewhere = {"one.json": json.dumps(one), "elsewhere.json": json.dumps({**other, field: "team"})}
    assert lint_texts(elsewhere, None) == []


def test_mesh_has_one_proxy_defaults_object_in_all_namespaces() -> None:
    one, other = (
        {
            "apiVersion": "consul.hashicorp.com/v1alpha1",
            "kind": "ProxyDefaults",
            "metadata": {"name": "global", "namespace": namespace},
            "spec": {"config": {"protocol": protocol}},
        }
        for namespace, protocol in (("consul", "http"), ("shop", "grpc"))
    )
    assert codes(lint_texts({"one.json": json.dumps(one), "other.json": json.dumps(other)}, None)) == ["CT327"]


def test_two_declarations_of_an_entry_are_reported_unless_they_are_equal() -> None:
    one, other = (f'Kind = "service-defaults"\nName = "web"\nProtocol = "{name}"' for name in ("http", "grpc"))
    assert lint_texts({"one.hcl": one, "copy.hcl": one}, None) == []
    (found,) = lint_texts({"one.hcl": one, "other.hcl": other}, None)
    assert (found.code, found.file) == ("CT327", "other.hcl")
    assert found.issue.reason == "service-defaults/web is also declared in one.hcl:1, with other content"


@pytest.mark.parametrize(
    "secret", ["https://user:hunter2@otel", "Bearer hunter2", "-----BEGIN PRIVATE KEY-----hunter2"]
)
def test_credential_is_never_printed(secret: str) -> None:
    config = {"envoy_tracing_json": tracer_of("x").replace('"/api/v2/spans"', json.dumps(secret)), "password": secret}
    found = findings([document(config)])
    assert codes(found).count("CT326") == 2
    for output in (as_sarif(found), lint_json(Checked(found)), "\n".join(map(str, as_text(Checked(found))))):
        assert "hunter2" not in output


def test_line_inside_of_a_heredoc_is_reported() -> None:
    (form, bad), _ = EXAMPLES["CT314"]
    (found,) = lint(bad, form)
    assert bad.splitlines()[(found.line or 0) - 1].strip().startswith('"collector_endpoint"')
    (found,) = lint(bad.replace("typed_config", "typedConfig").replace("collector_endpoint", "collectorEndpoint"), form)
    assert bad.splitlines()[(found.line or 0) - 1].strip().startswith('"collector_endpoint"')


@pytest.mark.parametrize("code", ["CT303", "CT307", "CT309", "CT314", "CT325"])
def test_fix_removes_the_finding(code: str) -> None:
    (form, bad), _ = EXAMPLES[code]
    checked = check_texts({f"example.{form}": bad}, fix=True)
    assert (checked.findings, codes(checked.fixed)) == ([], [code])
    assert checked.changes.keys() == {f"example.{form}"}


def test_fix_of_escaped_text_keeps_the_rest_of_the_file() -> None:
    text = json.dumps({"Kind": "proxy-defaults", "Name": "global", "Config": {CLUSTERS: '[{"name": "a"}]', "x": "[1]"}})
    assert fix_texts({"mesh.json": text}) == {"mesh.json": text.replace('"[{', '"{').replace('}]"', '}"')}


CLUSTERS = "envoy_extra_static_clusters_json"


def test_sarif_has_the_rule_the_level_and_the_line() -> None:
    (form, bad), _ = EXAMPLES["CT315"]
    (run,) = json.loads(as_sarif(lint(bad, form)))["runs"]
    (rule,), (result,) = run["tool"]["driver"]["rules"], run["results"]
    assert (rule["id"], result["ruleId"], result["ruleIndex"], result["level"]) == ("CT315", "CT315", 0, "warning")
    (location,) = result["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "example.hcl"}
    assert location["physicalLocation"]["region"]["startLine"] > 1


def test_json_has_a_version() -> None:
    (form, bad), _ = EXAMPLES["CT332"]
    content = json.loads(lint_json(Checked(lint(bad, form), {f"example.{form}": 1})))
    assert content == {
        "version": 1,
        "checked": {"entries": 1, "files": 1, "files_without_entries": 0},
        "findings": [
            {
                "code": "CT332",
                "severity": "error",
                "file": "example.hcl",
                "line": 3,
                "entry": "service-defaults/web",
                "path": "Protocol",
                "reason": 'must be one of tcp, http, http2, grpc; got "https"',
                "fix": "Set http, http2 or grpc, which Envoy traces, or tcp.",
                "replacement": None,
                "page": page_of("CT332"),
            }
        ],
        "ignored": [],
        "fixed": [],
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["envoy_tracing_json", "envoy_listener_tracing_json", "envoy_extra_static_clusters_json", "Envoy_Tracing_Json"]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    """Return the `Config` of a valid mesh with random values in random places."""
    mesh = meshes.settings(
        tracer=draw(st.sampled_from([{"zipkin": {}}, {"opentelemetry": {}}])), gateways=draw(GATEWAYS)
    )
    config: dict[str, Any] = {key: json.loads(f"[{text}]") for key, text in entries(mesh)[-1].body["Config"].items()}
    for _ in range(draw(st.integers(1, 3))):
        place: Any = config
        while isinstance(place, dict | list) and place:
            steps = sorted(place) if isinstance(place, dict) else range(len(place))
            step = draw(st.sampled_from(steps))
            if not isinstance(place[step], dict | list) or draw(st.integers(0, 3)) == 0:
                place[step] = draw(JSON)
                break
            place = place[step]
    return {key: json.dumps(value)[1:-1] if draw(st.integers(0, 9)) else value for key, value in config.items()}


GATEWAYS = st.sampled_from(["join", "skip"])
OLDEST_RELEASES = st.sampled_from([Releases(), Releases((1, 34), (1, 21, 0)), Releases((1, 40), (2, 0, 0))])


@given(st.dictionaries(st.sampled_from(KEYS), JSON | JSON.map(json.dumps)) | mutated(), OLDEST_RELEASES)
def test_entry_of_any_content_gives_findings_only(config: dict[str, Any], oldest: Releases) -> None:
    for kind in ("proxy-defaults", "service-defaults"):
        with contextlib.suppress(CommandError):
            findings([document(config, kind)], oldest)


@given(
    st.text() | st.text('{}[]="<J\n:- ').map(lambda text: f"Kind = {text}"), st.sampled_from(["hcl", "yaml", "json"])
)
def test_file_of_any_content_gives_findings_only(text: str, form: str) -> None:
    lint(text, form)


SAMPLERS = "envoy.extensions.tracers.opentelemetry.samplers.v3"


def otlp_entry(sampler: str = "", rate: float = 100, overall: float = 100) -> str:
    """Return an entry of another tool with the OpenTelemetry tracer and the extension `sampler`."""
    mesh = meshes.settings(tracer={"opentelemetry": {}}, envoy_version="1.35")
    (entry,) = entries(mesh)
    tracer, listener = (json.loads(entry.body["Config"][key]) for key in KEYS[:2])
    samplers = {
        "": {},
        "parent_based": {"sampler": tracer["http"]["typed_config"]["sampler"]},
        "ratio": {"sampler": tracer["http"]["typed_config"]["sampler"]["typed_config"]["wrapped_sampler"]},
        "always_on": {
            "sampler": {
                "name": "on",
                "typedConfig": {"@type": f"type.googleapis.com/{SAMPLERS}.AlwaysOnSamplerConfig"},
            }
        },
    }
    del tracer["http"]["typed_config"]["sampler"]
    tracer["http"]["typed_config"] |= samplers[sampler]
    listener |= {"random_sampling": {"value": rate}, "overall_sampling": {"value": overall}}
    config = {**entry.body["Config"], KEYS[0]: json.dumps(tracer), KEYS[1]: json.dumps(listener)}
    return json.dumps({"Kind": "proxy-defaults", "Name": "global", "Config": config})


@pytest.mark.parametrize(
    ("entry", "envoy", "expected"),
    [
        (otlp_entry(rate=10), None, [("CT337", "warning")]),
        (otlp_entry(rate=10), (1, 34), []),
        (otlp_entry(rate=10), (1, 36), [("CT337", "warning")]),
        (otlp_entry(rate=10), (1, 39), [("CT337", "error")]),
        (otlp_entry(overall=99), (1, 40), [("CT337", "error")]),
        (otlp_entry(rate=10, overall=10), (1, 40), [("CT337", "error"), ("CT337", "error")]),
        (otlp_entry(), (1, 40), []),
        (otlp_entry("parent_based"), None, []),
        (otlp_entry("parent_based", rate=10), (1, 36), [("CT338", "warning")]),
        (otlp_entry("parent_based", rate=10), (1, 40), [("CT338", "error")]),
        (otlp_entry("ratio"), (1, 40), [("CT338", "warning")]),
        (otlp_entry("always_on"), (1, 36), [("CT338", "warning")]),
        (otlp_entry("parent_based"), (1, 34), [("CT323", "error")]),
    ],
)
def test_sampling_of_opentelemetry_is_checked(entry: str, envoy: Any, expected: list[tuple[str, str]]) -> None:
    found = lint(entry, "json", Releases(envoy=envoy))
    assert [(one.code, str(one.severity)) for one in found] == expected


@pytest.mark.parametrize(("envoy", "expected"), [((1, 37), ["CT323"]), ((1, 38), []), (None, [])])
def test_access_log_with_the_span_id_requires_a_newer_envoy(envoy: Any, expected: list[str]) -> None:
    logs = {"Enabled": True, "JSONFormat": '{"span_id": "%SPAN_ID%"}'}
    entry = json.dumps({**json.loads(otlp_entry("parent_based")), "AccessLogs": logs})
    assert [one.code for one in lint(entry, "json", Releases(envoy=envoy))] == expected


SKIP = meshes.settings(tracer={"opentelemetry": {}}, gateways="skip")
W3C_SKIP = meshes.settings(tracer={"zipkin": {"propagation": "b3+w3c"}}, gateways="skip", envoy_version="1.36")
ZIPKIN_TRACER = {
    "@type": f"{TYPE}{ZIPKIN}",
    "collector_cluster": COLLECTOR_CLUSTER,
    "collector_endpoint": "/api/v2/spans",
    "collector_endpoint_version": "HTTP_JSON",
}
CONSUL_FORM: dict[str, Any] = {
    "verbose": True,
    "max_path_tag_length": "256",
    "custom_tags": [{"tag": "a", "literal": {"value": "b"}}],
    "provider": {
        "name": "envoy.tracers.zipkin",
        "typed_config": {**ZIPKIN_TRACER, "trace_id_128bit": True},
    },
}
"""Fields of a listener that Consul and Envoy parse."""

ENVOY_FORMS: list[dict[str, Any]] = [
    {"verbose": "yes"},
    {"custom_tags": {"tag": "a", "literal": {"value": "b"}}},
    {"provider": {"name": "zipkin", "typed_config": {**ZIPKIN_TRACER, "collector_endpoint_version": "http_json"}}},
]
"""Fields of a listener that only Envoy parses. tests/mesh/test_parsed_by_consul.py writes them to Consul."""


@pytest.mark.parametrize("fields", [CONSUL_FORM, *ENVOY_FORMS])
def test_form_of_a_listener_that_only_envoy_parses_is_reported(fields: dict[str, Any]) -> None:
    block = {"@type": TYPE + LISTENER_TRACING, "random_sampling": {"value": 1}, **fields}
    found = [one for one in findings([document({LISTENER_KEY: json.dumps(block)})]) if one.code == "CT339"]
    assert len(found) == (fields is not CONSUL_FORM)


NEW_FIELD = {"@type": TYPE + LISTENER_TRACING, "random_sampling": {"value": 1}, "operation": "x"}


OLD_SKIP = meshes.settings(tracer={"opentelemetry": {}}, gateways="skip", envoy_version="1.34")


@pytest.mark.parametrize(("consul", "is_parsed"), [((1, 20, 6), False), ((1, 21, 0), True), (None, True)])
def test_resource_detectors_in_the_listener_are_parsed_since_consul_1_21(consul: Any, *, is_parsed: bool) -> None:
    (entry,) = entries(OLD_SKIP)
    found = lint(as_json(entry), "json", Releases((1, 34), consul))
    assert {one.code for one in found} == (set() if is_parsed else {"CT339"})


@pytest.mark.parametrize("mesh", [SKIP, W3C_SKIP], ids=["sampler", "w3c"])
@pytest.mark.parametrize(
    ("consul", "is_parsed"),
    [((1, 20, 6), False), ((1, 22, 5), False), ((1, 22, 6), True), ((1, 22, 7), True), ((2, 0, 0), True), (None, True)],
)
def test_listener_of_this_package_is_parsed_since_consul_1_22_6(
    mesh: MeshSettings, consul: Any, *, is_parsed: bool
) -> None:
    (entry,) = entries(mesh)
    found = lint(as_json(entry), "json", Releases(consul=consul))
    assert {(one.code, str(one.severity)) for one in found} == (set() if is_parsed else {("CT339", "error")})


@pytest.mark.parametrize(("consul", "expected"), [(None, "warning"), ((1, 22, 7), "error"), ((2, 0, 0), None)])
def test_field_that_no_tested_consul_parses_is_found_without_its_version(consul: Any, expected: str | None) -> None:
    config = {**entries(meshes.settings())[0].body["Config"], KEYS[1]: json.dumps(NEW_FIELD)}
    found = findings([document(config)], Releases(consul=consul))
    assert [str(one.severity) for one in found if one.code == "CT339"] == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("envoy", "consul", "expected"),
    [
        ("1.36", "1.22.7", Releases((1, 36), (1, 22, 7))),
        ("1.36.4", "1.22", Releases((1, 36), (1, 22, 0))),
        (None, "1.22.7+ent", Releases(None, (1, 22, 7))),
        (None, None, Releases()),
    ],
)
def test_oldest_releases_are_read(envoy: str | None, consul: str | None, expected: Releases) -> None:
    assert oldest_releases(envoy, consul) == expected


@pytest.mark.parametrize(("envoy", "consul"), [("new", None), (None, "latest"), (None, "1")])
def test_invalid_release_is_rejected_with_its_option(envoy: str | None, consul: str | None) -> None:
    option = "--envoy-version" if envoy else "--consul-version"
    with pytest.raises(CommandError, match=f"{option} must be a version such as"):
        oldest_releases(envoy, consul)
