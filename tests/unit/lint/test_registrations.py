"""Registrations and annotations of pods that contradict proxy-defaults, and those that only differ from it."""

import json
from typing import Any

import pytest

from consul_tracing.cli.lint.live import documents_of
from consul_tracing.cli.render.rendering import as_pod_annotations
from consul_tracing.entries.registrations import differing
from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.findings import Finding
from consul_tracing.lint.rules import findings
from consul_tracing.names import PROXY_CONFIG_MAP
from tests.unit.cli.test_lint_inputs import GRPC, OTLP, SAMPLER, block, cluster, config, listener, tracer
from tests.unit.lint.test_rules import OTEL_CLUSTER
from tests.unit.meshes import settings

MESH = {"mesh.hcl": block()}
OTLP_MESH = {"mesh.hcl": block(tracing=OTLP, extra_static_clusters=OTEL_CLUSTER)}
WITHOUT_TRACER = '{"envoy_tracing_json": "{}"}'


def registration(keys: dict[str, Any], name: str = "web", **more: Any) -> str:
    own = {f"envoy_{key}_json": value for key, value in keys.items()}
    return json.dumps({"name": name, **more, "proxy": {"config": own}})


def deployment(value: str, annotations: str = "", kind: str = "Deployment") -> str:
    head = f"apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: web}}\nspec:\n  template:\n    metadata:\n"
    return f"{head}      annotations:\n        {PROXY_CONFIG_MAP}: {value}\n{annotations}"


def otlp(**fields: Any) -> str:
    return tracer("OpenTelemetry", grpc_service=GRPC, **{"service_name": "web", **fields})


def found(mesh: dict[str, str], *, keys: dict[str, Any] | None = None, **files: str) -> list[Finding]:
    texts = {**mesh, **({"web.json": registration(keys)} if keys else {})}
    return check_texts({**texts, **{f"{name}.yaml": text for name, text in files.items()}}).findings


def codes(listed: list[Finding]) -> list[str]:
    return [one.code for one in listed]


@pytest.mark.parametrize(
    ("mesh", "keys"),
    [
        (MESH, {"tracing": tracer(collector_hostname="web")}),
        (MESH, {"tracing": tracer(trace_context_option="USE_B3_WITH_W3C_PROPAGATION")}),
        (MESH, {"listener_tracing": listener(random_sampling={"value": 5})}),
        (MESH, {"listener_tracing": listener(random_sampling={"value": 0})}),
        (MESH, {"listener_tracing": listener(random_sampling={})}),
        (MESH, {"tracing": "{}"}),
        (MESH, {"tracing": "{}", "listener_tracing": listener(random_sampling={"value": 0})}),
        (OTLP_MESH, {"tracing": otlp(sampler=SAMPLER)}),
        (OTLP_MESH, {"tracing": otlp(), "listener_tracing": listener()}),
        ({}, {"tracing": "{}"}),
    ],
)
def test_legitimate_difference_has_no_finding(mesh: dict[str, str], keys: dict[str, str]) -> None:
    """An own name, an own rate, another format that has a common header, no tracer."""
    assert codes(found(mesh, keys=keys)) == []


@pytest.mark.parametrize(
    ("mesh", "keys", "path"),
    [
        (MESH, {"tracing": otlp(sampler=SAMPLER)}, ("Config", "envoy_tracing_json")),
        (OTLP_MESH, {"tracing": tracer()}, ("Config", "envoy_tracing_json")),
        (
            OTLP_MESH,
            {"listener_tracing": listener(provider=json.loads(tracer())["http"])},
            ("Config", "envoy_listener_tracing_json", "provider"),
        ),
    ],
)
def test_tracer_with_other_trace_headers_breaks_traces(
    mesh: dict[str, str], keys: dict[str, str], path: tuple[str, ...]
) -> None:
    (one,) = [one for one in found(mesh, keys=keys) if one.code == "CT356"]
    assert (one.severity, one.issue.path, one.file) == ("error", path, "web.json")
    assert one.issue.reason.startswith("has no trace headers in common with that of proxy-defaults: ")
    assert "Zipkin (b3)" in one.issue.reason
    assert "OpenTelemetry (traceparent)" in one.issue.reason


def test_clusters_of_a_registration_replace_those_of_the_mesh() -> None:
    keys = {"extra_static_clusters": '{"name": "statsd", "type": "STRICT_DNS"}'}
    (one,) = found(MESH, keys=keys)
    assert (one.code, one.issue.path) == ("CT310", ("Config", "envoy_extra_static_clusters_json"))
    assert one.issue.reason == 'replaces the clusters of proxy-defaults: the tracer has no cluster "zipkin"'
    assert codes(found(MESH, keys={"extra_static_clusters": f"{keys['extra_static_clusters']}, {cluster()}"})) == []
    (one,) = found(MESH, keys={"tracing": tracer(collector_cluster="other")})
    assert one.issue.reason.startswith('is not a cluster of envoy_extra_static_clusters_json: "other"')


@pytest.mark.parametrize("value", ["", None])
def test_empty_tracer_is_not_off(value: object) -> None:
    (one,) = found(MESH, keys={"tracing": value})
    shown = "null" if value is None else "empty"
    assert (one.code, one.severity) == ("CT357", "warning")
    assert one.issue.reason == f"is {shown}: the proxy keeps the tracer of proxy-defaults"
    assert codes(found({}, web=deployment(f"'{json.dumps({'envoy_tracing_json': value})}'"))) == ["CT357"]
    untraced = 'Kind = "proxy-defaults"\nName = "global"\nConfig {\nprotocol = "http"\n}\n'
    assert codes(found({"mesh.hcl": untraced}, keys={"tracing": value})) == []


@pytest.mark.parametrize("own", ["{}", tracer(collector_hostname="web")])
def test_tracer_of_the_listener_has_precedence(own: str) -> None:
    in_listener = {"mesh.hcl": block(listener_tracing=listener(provider=json.loads(tracer())["http"]))}
    (one,) = found(in_listener, keys={"tracing": own})
    assert (one.code, one.issue.path) == ("CT357", ("Config", "envoy_tracing_json"))
    assert codes(found(in_listener, keys={"tracing": own, "listener_tracing": listener()})) == []


def test_finding_of_inherited_keys_is_reported_once() -> None:
    near = {"mesh.hcl": block(extra_static_clusters=cluster("127.0.0.1"))}
    own = found(near, keys={"tracing": tracer(collector_hostname="web")})
    assert [(one.code, one.file) for one in own] == [("CT317", "mesh.hcl")]
    replaced = found(near, keys={"extra_static_clusters": cluster("127.0.0.1")})
    assert [(one.code, one.file) for one in replaced] == [("CT317", "mesh.hcl"), ("CT317", "web.json")]
    other = found(MESH, keys={"tracing": otlp(sampler=SAMPLER)})
    assert ("CT340", "web.json") in [(one.code, one.file) for one in other]


def test_lost_sampler_is_found_and_an_own_rate_is_not() -> None:
    (one,) = found(OTLP_MESH, keys={"tracing": otlp()})
    assert (one.code, one.severity) == ("CT359", "warning")
    assert "samples 5 %" in one.issue.reason
    all_requests = otlp(sampler=json.loads(json.dumps(SAMPLER).replace('"numerator": 5', '"numerator": 100')))
    assert (
        codes(
            found(
                {"mesh.hcl": block(tracing=all_requests, extra_static_clusters=OTEL_CLUSTER)}, keys={"tracing": otlp()}
            )
        )
        == []
    )
    limited = {"tracing": otlp(), "listener_tracing": listener(random_sampling={"value": 5})}
    assert codes(found(OTLP_MESH, keys=limited)) == ["CT337"]


def test_live_registration_has_the_keys_of_the_mesh() -> None:
    keys = config(tracing=OTLP, extra_static_clusters=OTEL_CLUSTER)
    mesh = {"Kind": "proxy-defaults", "Name": "global", "Config": keys}
    own = differing({**keys, "envoy_tracing_json": otlp()}, keys)
    proxy = {"name": "web", "kind": "connect-proxy", "proxy": {"config": own}}
    assert codes(findings(documents_of([mesh, proxy], "consul"))) == ["CT359"]


def test_proxy_without_a_tracer_overrides_lower_rates_behind_it() -> None:
    slow = registration({"listener_tracing": listener(random_sampling={"value": 5})}, "api")
    (one,) = check_texts({**MESH, "web.json": registration({"tracing": "{}"}), "api.json": slow}).findings
    assert (one.code, one.severity, one.file) == ("CT358", "warning", "web.json")
    assert "still marks 100 %" in one.issue.reason
    assert one.issue.reason.endswith("overrides lower rates behind it: api (5 %)")
    complete = registration({"tracing": "{}", "listener_tracing": listener(random_sampling={"value": 0})})
    gateway = registration({"tracing": "{}"}, kind="ingress-gateway")
    for text in (complete, gateway):
        assert check_texts({**MESH, "web.json": text, "api.json": slow}).findings == []


def test_all_lower_rates_are_counted() -> None:
    slow = registration({"listener_tracing": listener(random_sampling={"value": 5})}, "api")
    files = {f"{name}.json": slow.replace('"api"', f'"{name}"') for name in "abcdefg"}
    (one,) = check_texts({**MESH, "web.json": registration({"tracing": "{}"}), **files}).findings
    assert one.issue.reason.endswith("overrides lower rates behind it: a (5 %), b (5 %), c (5 %) and 4 more")


def test_fix_of_a_rate_of_0_of_one_proxy_does_not_restore_the_rate_of_the_mesh() -> None:
    (one,) = found(MESH, keys={"listener_tracing": listener(overall_sampling={"value": 0})})
    assert (one.code, 'envoy_tracing_json: "{}"' in one.fix, "remove" in one.fix) == ("CT321", True, False)


@pytest.mark.parametrize("name", ["*", "@a", "a,b", "a'b", 'a"b', "{it's}"])
def test_pod_annotations_of_render_have_no_finding(name: str) -> None:
    services = {name: {"protocol": "http"}} if name != "*" else {}
    text = as_pod_annotations(settings(services=services, tracer={"opentelemetry": {}}), None)
    assert check_texts({"-": text}).findings == []


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("'{\"envoy_tracing_json\": }'", "is not valid JSON: "),
        ('\'[{"envoy_tracing_json": "{}"}]\'', "is JSON, and not an object"),
        ("'null'", "is JSON, and not an object"),
        ("'envoy_tracing_json'", "is not valid JSON: "),
        ("{envoy_tracing_json: '{}'}", "is not text, which Kubernetes requires of an annotation"),
    ],
)
def test_annotation_that_consul_k8s_ignores_is_an_error(value: str, reason: str) -> None:
    (one,) = found(MESH, web=deployment(value))
    assert (one.code, one.severity, one.line) == ("CT355", "error", 8)
    assert one.issue.reason.startswith(f"{PROXY_CONFIG_MAP} {reason}")


@pytest.mark.parametrize("value", ["''", "'{}'", '"{{ .Values.config }}"', "'${CONFIG}'", f"'{WITHOUT_TRACER}'"])
def test_annotation_that_consul_k8s_reads_or_a_template_is_no_mistake(value: str) -> None:
    assert {"CT350", "CT355"}.isdisjoint(codes(found(MESH, web=deployment(value))))


@pytest.mark.parametrize("kind", ["Deployment", "StatefulSet", "DaemonSet"])
def test_annotation_has_the_findings_of_a_registration(kind: str) -> None:
    value = json.dumps({"envoy_tracing_json": otlp(sampler=SAMPLER)})
    (one,) = [one for one in found(MESH, web=deployment(f"'{value}'", kind=kind)) if one.code == "CT356"]
    assert (one.entry, one.line) == ("registration web", 8)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ({"envoy_tracing_json": "{}", "xds_fetch_timeout_ms": 9999, "Protocol": "http"}, []),
        ({"sampling": 1}, [("CT355", "warning")]),
        ({"config": {"envoy_tracing_json": "{}"}}, [("CT355", "error")]),
        ({"envoy_tracing_jsn": "{}"}, [("CT325", "error")]),
        ({"envoy_tracing_json": {"http": {}}}, [("CT301", "error"), ("CT304", "error")]),
    ],
)
def test_keys_of_an_annotation_that_consul_ignores_are_found(written: Any, expected: list[tuple[str, str]]) -> None:
    listed = found(MESH, web=deployment(f"'{json.dumps(written)}'"))
    assert [(one.code, one.severity) for one in listed if one.code != "CT310"] == expected


def test_gateway_of_an_annotation_is_known_by_the_pod_or_by_the_values_of_helm() -> None:
    slow = {"api.json": registration({"listener_tracing": listener(random_sampling={"value": 5})}, "api")}
    pod = deployment(f"'{WITHOUT_TRACER}'", "        consul.hashicorp.com/gateway-kind: ingress-gateway\n")
    annotations = f"      annotations: |\n        \"{PROXY_CONFIG_MAP}\": '{WITHOUT_TRACER}'\n"
    values = f"ingressGateways:\n  gateways:\n    - name: edge\n{annotations}"
    assert codes(found({**MESH, **slow}, pod=pod)) == []
    assert codes(found({**MESH, **slow}, values=values)) == []
    assert codes(found({**MESH, **slow}, web=deployment(f"'{WITHOUT_TRACER}'"))) == ["CT358"]


def test_rate_of_a_registration_that_envoy_rounds_to_zero_is_reported() -> None:
    one = found(MESH, keys={"listener_tracing": listener(random_sampling={"value": 0.001})})
    assert codes(one) == ["CT321"]
