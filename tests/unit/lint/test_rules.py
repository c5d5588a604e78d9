"""Rules whose findings lead to the fix: mistakes beside the first one, reasons, and further rules."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from consul_tracing.cli.render.rendering import as_hcl
from consul_tracing.codes import CODES
from consul_tracing.entries.bodies import proxy_defaults
from consul_tracing.entries.registrations import proxy_config
from consul_tracing.inputs.proxies import proxies_of
from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.findings import Finding
from tests.unit.cli.test_lint_inputs import (
    GRPC,
    HTTP2,
    OTLP_HTTP,
    block,
    cluster,
    entry,
    listener,
    manifest,
    tracer,
)
from tests.unit.meshes import settings

V2_TYPE = "type.googleapis.com/envoy.config.trace.v2.ZipkinConfig"


def lint(**keys: str) -> list[Finding]:
    return check_texts({"mesh.hcl": block(**keys)}).findings


def found(**keys: str) -> list[tuple[str, str]]:
    """Return the codes and the last two names of the paths."""
    return sorted((one.code, ".".join(one.issue.path[-2:])) for one in lint(**keys))


def v2(name: str = "envoy.zipkin", **config: Any) -> str:
    return json.dumps({"http": {"name": name, "config": config}}, indent=1)


@pytest.mark.parametrize("name", ["envoy.zipkin", "envoy.tracers.zipkin"])
def test_mistakes_in_the_config_of_the_v2_api_are_shown_at_once(name: str) -> None:
    text = v2(name, collector_cluster="zipkn", collector_endpoint="/api/v1/spans", shared_span_contxt=True)
    expected = [
        ("CT306", "http.config"),
        *([("CT307", "http.name")] if name == "envoy.zipkin" else []),
        ("CT308", "config.collector_endpoint_version"),
        ("CT308", "config.shared_span_contxt"),
        ("CT310", "config.collector_cluster"),
        ("CT314", "config.collector_endpoint"),
        ("CT315", "config.trace_id_128bit"),
    ]
    assert found(tracing=text) == expected


def test_mistake_in_the_config_of_the_v2_api_has_its_line() -> None:
    content = block(tracing=v2(collector_cluster="zipkin", collector_endpoint="/api/v1/spans"))
    (one,) = [one for one in check_texts({"mesh.hcl": content}).findings if one.code == "CT314"]
    assert "/api/v1/spans" in content.splitlines()[(one.line or 1) - 1]


def test_mistakes_beside_a_type_of_the_v2_api_are_shown_at_once() -> None:
    text = tracer(**{"@type": V2_TYPE, "collectorEndpoint": "/api/v1/spans", "trace_id_128bit": "maybe"})
    text = text.replace('"collector_endpoint": "/api/v2/spans", ', "")
    assert found(tracing=text) == [
        ("CT306", "typed_config.@type"),
        ("CT308", "typed_config.trace_id_128bit"),
        ("CT314", "typed_config.collector_endpoint"),
    ]


def test_removed_tracer_in_the_config_of_the_v2_api_is_named() -> None:
    assert found(tracing=v2("envoy.lightstep", collector_cluster="zipkin")) == [
        ("CT305", "http.name"),
        ("CT306", "http.config"),
    ]


@pytest.mark.parametrize(
    "text", [tracer("Jaeger"), v2("envoy.tracers.jaeger", agent="a"), tracer("Acme").replace("tracers.acme", "jaeger")]
)
def test_jaeger_receives_the_spans_of_other_tracers(text: str) -> None:
    (reason,) = [one.issue.reason for one in lint(tracing=text) if one.code == "CT305"]
    assert reason.startswith("is not a tracer of Envoy")
    assert reason.endswith(". Jaeger receives the spans of zipkin (port 9411) and of opentelemetry (4317, 4318)")
    assert "did you mean" not in reason


def test_entry_of_another_tool_keeps_its_findings() -> None:
    assert [one.code for one in check_texts({"mesh.json": entry()}).findings] == []


def test_mesh_without_rates_traces_requests_of_sampled_callers() -> None:
    (one,) = check_texts({"mesh.json": entry(listener_tracing="")}).findings
    assert one.code == "CT320"
    assert one.issue.reason == (
        "traces only requests whose caller is sampled: without envoy_listener_tracing_json, Consul sets "
        "random_sampling to 0 %"
    )


@pytest.mark.parametrize(
    ("write", "form", "place", "end"),
    [(block, "hcl", "Config {", "\n"), (entry, "json", '"Config": {', ",\n"), (manifest, "yaml", "  config:", "")],
)
@pytest.mark.parametrize(
    "keys", [{}, {"tracing": OTLP_HTTP, "extra_static_clusters": cluster(port=4318)}], ids=["zipkin", "sampler"]
)
def test_line_of_the_fix_for_missing_rates_can_be_pasted(
    write: Callable[..., str], form: str, place: str, end: str, keys: dict[str, str]
) -> None:
    text = write(**keys, listener_tracing="@")
    text = re.sub(r'(,\s*"|\n *)envoy_listener_tracing_json("?: "@"| = <<EOF\n@\nEOF|: \|\n *@)', "", text)
    (one,) = check_texts({f"mesh.{form}": text}).findings
    line = one.fix.removeprefix("Add a line with the rates: ")
    pasted = text.replace(place, f"{place}\n    {line}{end}", 1)
    assert (one.code, check_texts({f"mesh.{form}": pasted}).findings) == ("CT320", [])


def test_ids_of_64_bits_are_advice() -> None:
    (one,) = lint(tracing=tracer(trace_id_128bit=False))
    assert (one.code, one.issue.reason) == (
        "CT315",
        "is false, Envoy's default: applications with 128-bit trace ids cannot join the traces",
    )


def test_fixes_for_files_name_no_input_of_the_component() -> None:
    inputs = re.compile(r"`(collector|gateways|sampling|tracer|spans|services|tags)(\.\w+)*:")
    named = [code for code, one in CODES.items() if code.startswith("CT3") and inputs.search(one.fix)]
    assert named == []


@pytest.mark.parametrize("name", ["random", "overall"])
def test_rate_that_envoy_rounds_to_0_is_found(name: str) -> None:
    (one,) = lint(listener_tracing=listener(**{f"{name}_sampling": {"value": 0.009}}))
    assert (one.code, one.issue.reason) == ("CT321", "is 0.009 %, which Envoy rounds to 0 %")
    assert lint(listener_tracing=listener(**{f"{name}_sampling": {"value": 0.01}})) == []


SKYWALKING = tracer("SkyWalking", grpc_service=GRPC)
OTEL_CLUSTER = cluster(port=4317, typed_extension_protocol_options=HTTP2)


def test_skywalking_requires_a_span_of_the_upstream_request() -> None:
    keys = {"tracing": SKYWALKING, "extra_static_clusters": cluster(port=11800, typed_extension_protocol_options=HTTP2)}
    (one,) = lint(**keys)
    assert (one.code, one.severity, one.issue.path[-1]) == ("CT345", "warning", "spawn_upstream_span")
    assert lint(**keys, listener_tracing=listener(spawn_upstream_span=True)) == []


DETECTOR = {
    "name": "environment",
    "typed_config": {
        "@type": "type.googleapis.com/envoy.extensions.tracers.opentelemetry.resource_detectors.v3."
        "EnvironmentResourceDetectorConfig"
    },
}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ["CT346"]),
        ({"service_name": ""}, ["CT346"]),
        ({"resource_detectors": []}, ["CT346"]),
        ({"service_name": "mesh"}, []),
        ({"resource_detectors": [DETECTOR]}, []),
    ],
)
def test_spans_of_opentelemetry_need_a_service_name(fields: dict[str, Any], expected: list[str]) -> None:
    text = tracer("OpenTelemetry", grpc_service=GRPC, **fields)
    assert [one.code for one in lint(tracing=text, extra_static_clusters=OTEL_CLUSTER)] == expected


@pytest.mark.parametrize("protocol", ["https", "tls", "HTTP3"])
def test_unknown_protocol_of_the_mesh_is_tcp(protocol: str) -> None:
    content = block().replace("Config {", f'Config {{\nprotocol = "{protocol}"')
    (one,) = check_texts({"mesh.hcl": content}).findings
    assert (one.code, one.issue.path, one.line) == ("CT332", ("Config", "protocol"), 4)
    assert one.issue.reason.endswith("Consul takes it for tcp, which Envoy does not trace")
    assert check_texts({"mesh.hcl": content.replace(protocol, "HTTP2")}).findings == []


@pytest.mark.parametrize(
    ("text", "file"),
    [
        (block().replace("envoy_listener", "envoy_tracing_json = <<EOF\n{}\nEOF\nenvoy_listener"), "mesh.hcl"),
        (block().replace("envoy_listener", "Envoy_Tracing_Json = <<EOF\n{}\nEOF\nenvoy_listener"), "mesh.hcl"),
        (manifest() + "    Envoy_Tracing_json: '{}'\n", "mesh.yaml"),
        (entry().replace('"Config": {', '"Config": {"envoy_tracing_json": "{}",'), "mesh.json"),
    ],
)
def test_repeated_key_is_found(text: str, file: str) -> None:
    codes = [one.code for one in check_texts({file: text}).findings]
    assert "CT354" in codes


def test_key_in_the_branches_of_a_template_is_not_repeated() -> None:
    text = manifest() + "    protocol: http\n"
    branches = (
        text.replace("    protocol", "{{ if .a }}\n    protocol: http2\n{{ else }}\n    protocol") + "{{ end }}\n"
    )
    assert "CT354" not in [one.code for one in check_texts({"mesh.yaml": branches}).findings]


def without_endpoints(**fields: Any) -> str:
    given = {**json.loads(cluster()), **fields}
    return json.dumps({name: value for name, value in given.items() if value is not None})


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [
        (without_endpoints(load_assignment=None), ["CT348"]),
        (without_endpoints(load_assignment={"cluster_name": "zipkin"}), ["CT348"]),
        (without_endpoints(load_assignment={"cluster_name": "zipkin", "endpoints": [{"lb_endpoints": []}]}), ["CT348"]),
        (cluster(port=0), ["CT348"]),
        (without_endpoints(type="EDS", load_assignment=None), ["CT308"]),
        (without_endpoints(type="LOGICAL_DNS", load_assignment=None), ["CT308"]),
        (f'{cluster()}, {{"name": "statsd", "type": "STRICT_DNS"}}', []),
    ],
)
def test_cluster_of_the_collector_needs_an_endpoint(clusters: str, expected: list[str]) -> None:
    assert [one.code for one in lint(extra_static_clusters=clusters)] == expected


def test_registration_without_a_tracer_has_no_finding() -> None:
    """The proxy does not trace, and the others do."""
    registration = json.dumps({"name": "web", "proxy": {"config": {"envoy_tracing_json": "{}"}}})
    assert check_texts({"mesh.hcl": block(), "web.json": registration}).findings == []


def test_proxy_with_the_keys_of_a_service_without_tracing_has_no_finding() -> None:
    """It samples no request, so that it does not decide for the next proxy."""
    mesh = settings(services={"web": {"protocol": "http", "tracing": {"enabled": False}}})
    registration = json.dumps({"name": "web", "proxy": {"config": proxy_config(mesh, proxies_of(mesh)["web"])}})
    assert check_texts({"mesh.hcl": as_hcl(proxy_defaults(mesh)), "web.json": registration}).findings == []


@pytest.mark.parametrize(
    "text",
    [
        'Kind = "service-defaults"\nName = "web"\nenvoy_tracing_json = "{}"',
        'Kind = "service-defaults"\nName = "web"\nUpstreamConfig { Defaults { envoy_tracing_json = "{}" } }',
    ],
)
def test_tracing_key_beside_the_fields_of_a_service_is_not_supported(text: str) -> None:
    assert [one.code for one in check_texts({"web.hcl": text}).findings] == ["CT331"]


@pytest.mark.parametrize("key", ["envoy_tracing_json", "envoyTracingJson", "envoyTracingJSON"])
def test_tracing_key_in_the_spec_of_a_service_is_not_supported(key: str) -> None:
    head = "apiVersion: consul.hashicorp.com/v1alpha1\nkind: ServiceDefaults\nmetadata: {name: web}\n"
    found = check_texts({"web.yaml": f'{head}spec: {{protocol: http, {key}: "{{}}"}}'}).findings
    assert [one.code for one in found] == ["CT331"]
