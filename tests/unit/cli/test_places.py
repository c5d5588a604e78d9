"""The places in which people keep entries and proxy configurations: what is read, and what is reported as not read."""

import json

import pytest

from consul_tracing.cli.render.rendering import entries
from consul_tracing.files.documents import read_file
from consul_tracing.files.finder import LAST_APPLIED, NOT_READ
from consul_tracing.names import CLUSTERS_KEY, TRACER_KEY
from tests.unit.cli.test_lint import codes, lint, lint_texts
from tests.unit.meshes import settings

TRACER = '{"http":{"name":"envoy.zipkin","config":{"collector_cluster":"zipkin","collector_endpoint":"/api/v1/spans"}}}'
"""A tracer of Envoy's v2 API."""
QUOTED = json.dumps(TRACER)
CONFIG = json.dumps({"envoy_tracing_json": TRACER})
ENTRY = {"kind": "proxy-defaults", "name": "global", "config": {"envoy_tracing_json": TRACER}}
RESOURCE = f"""
apiVersion: consul.hashicorp.com/v1alpha1
kind: ProxyDefaults
metadata: {{name: global}}
spec:
  config:
    envoy_tracing_json: '{TRACER}'
"""
HCL = f"""
Kind = "proxy-defaults"
Name = "global"
Config {{
  envoy_tracing_json = {QUOTED}
}}
"""


def indented(text: str, width: int) -> str:
    return text.strip("\n").replace("\n", "\n" + " " * width)


PLACES = {
    "Helm value": ("yaml", 4, f"connectInject:\n  centralConfig:\n    proxyDefaults: |\n      {CONFIG}\n"),
    "Helm value as map": (
        "yaml",
        4,
        f"connectInject:\n  centralConfig:\n    proxyDefaults:\n      envoy_tracing_json: {QUOTED}\n",
    ),
    "Helm value as quoted JSON": ("yaml", 2, f"centralConfig:\n  proxyDefaults: '{CONFIG}'\n"),
    "value of a Helm release": (
        "tf",
        4,
        (
            'resource "helm_release" "a" {\n set {\n  name = "connectInject.centralConfig.proxyDefaults"\n'
            f"  value = {json.dumps(CONFIG)}\n }}\n}}\n"
        ),
    ),
    "values of a Helm release": (
        "tf",
        6,
        (
            'resource "helm_release" "a" {\n  values = [<<-EOF\n    connectInject:\n      centralConfig:\n'
            f"        proxyDefaults: |\n          {CONFIG}\n  EOF\n  ]\n}}\n"
        ),
    ),
    "Helm value with yamlencode": (
        "tf",
        2,
        (
            'resource "helm_release" "a" {\n values = [yamlencode({ centralConfig = { proxyDefaults = '
            f"jsonencode({{ envoy_tracing_json = {QUOTED} }}) }} }})]\n}}\n"
        ),
    ),
    "configuration of servers": (
        "yaml",
        3,
        f"server:\n  extraConfig: |\n    {json.dumps({'config_entries': {'bootstrap': [ENTRY]}})}\n",
    ),
    "HCL in a ConfigMap": (
        "yaml",
        9,
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a.hcl: |\n    {indented(HCL, 4)}\n",
    ),
    "quoted HCL in a ConfigMap": (
        "yaml",
        5,
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n  a.hcl: {json.dumps(HCL)}\n",
    ),
    "JSON in an environment variable": (
        "yaml",
        4,
        (
            "services:\n  consul:\n    environment:\n      CONSUL_LOCAL_CONFIG: "
            f"'{json.dumps({'config_entries': {'bootstrap': [ENTRY]}})}'\n"
        ),
    ),
    "merge patch of kustomize": (
        "yaml",
        9,
        f"kind: Kustomization\npatches:\n  - patch: |-\n      {indented(RESOURCE, 6)}\n",
    ),
    "JSON patch of kustomize": (
        "yaml",
        6,
        (
            "kind: Kustomization\npatches:\n  - patch: |-\n      - op: replace\n        path: "
            f"/spec/config/envoy_tracing_json\n        value: '{TRACER}'\n"
        ),
    ),
    "JSON patch of the whole map": (
        "json",
        2,
        f'[{{"op": "add", "path": "/spec/config",\n"value": {CONFIG}}}]',
    ),
    "manifest with an interpolation": (
        "tf",
        6,
        (
            'resource "kubectl_manifest" "a" {\n  yaml_body = <<-YAML\n    apiVersion: consul.hashicorp.com/v1alpha1\n'
            '    kind: ProxyDefaults\n    metadata: {name: global, namespace: "${var.namespace}"}\n'
            f"    spec: {{config: {{envoy_tracing_json: '{TRACER}'}}}}\n  YAML\n}}\n"
        ),
    ),
    "manifest with yamlencode": (
        "tf",
        5,
        (
            'resource "kubectl_manifest" "a" {\n  yaml_body = yamlencode({\n    apiVersion = '
            '"consul.hashicorp.com/v1alpha1", kind = "ProxyDefaults"\n    metadata = { name = "global", label = var.a }'
            f"\n    spec = {{ config = {{ envoy_tracing_json = {QUOTED} }} }}\n  }})\n}}\n"
        ),
    ),
    "HCL in a heredoc": (
        "tf",
        6,
        f'resource "local_file" "a" {{\n  content = <<-EOT\n    {indented(HCL, 4)}\n  EOT\n}}\n',
    ),
    "configuration of an agent": (
        "hcl",
        3,
        (
            'config_entries {\n  bootstrap = [{ kind = "proxy-defaults" name = "global" config {\n'
            f"    envoy_tracing_json = {QUOTED} }} }}]\n}}\n"
        ),
    ),
    "annotation of a pod": (
        "yaml",
        9,
        (
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  template:\n    metadata:\n"
            f"      annotations:\n        a: b\n        consul.hashicorp.com/proxy-config-map: '{CONFIG}'\n"
        ),
    ),
    "registration of an ingress gateway": (
        "hcl",
        3,
        f'service {{\n kind = "ingress-gateway"\n proxy {{ config {{ envoy_tracing_json = {QUOTED} }} }}\n}}\n',
    ),
    "registration of a terminating gateway": (
        "json",
        1,
        json.dumps({"service": {"kind": "terminating-gateway", "proxy": {"config": {"envoy_tracing_json": TRACER}}}}),
    ),
    "expression in the JSON of Terraform": (
        "tf.json",
        1,
        json.dumps(
            {
                "resource": {
                    "consul_config_entry": {
                        "a": {
                            "kind": "proxy-defaults",
                            "name": "global",
                            "config_json": f"${{jsonencode({{Config = {{envoy_tracing_json = {QUOTED}}}}})}}",
                        }
                    }
                }
            }
        ),
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_entry_in_a_place_is_checked_at_its_line(place: str) -> None:
    form, line, text = PLACES[place]
    found = [one for one in lint(text, form) if one.code != "CT320"]
    assert tuple(one.code for one in found if one.code in {"CT306", "CT314"}) == ("CT306", "CT314")
    assert {one.line for one in found} == {line}


@pytest.mark.parametrize(
    ("form", "line", "text"),
    [
        ("json", 2, f'{{\n"envoy_tracing_json": {QUOTED}}}'),
        ("hcl", 1, f"envoy_tracing_json = {QUOTED}"),
        ("yaml", 1, f"ENVOY_TRACING_JSON: {QUOTED}"),
        ("tf", 3, f"locals {{\n  a = {{\n    envoy_tracing_json = {QUOTED}\n  }}\n}}"),
        ("tf", 2, "locals {\n  a = merge(var.a, { envoy_listener_tracing_json = var.b })\n}"),
        ("hcl", 2, f"agent {{ connect {{ proxy_defaults {{\n config {{ envoy_tracing_json = {QUOTED} }} }} }} }}"),
        ("yaml", 2, "a:\n- sh -c 'echo \"envoy_extra_static_clusters_json = x\"'"),
        ("yaml", 3, 'a: |\n  b\n  "envoy_tracing_json": [\n  c\n'),
        ("yaml", 2, "- op: add\n  path: /spec/envoy_tracing_json\n  value: '{}'"),
        ("yaml", 2, "- op: remove\n  path: /spec/config/envoy_tracing_json"),
        ("yaml", 2, f"centralConfig:\n  proxyDefaults: '{CONFIG[:-1]}'"),
        ("yaml", 1, "config.envoy_tracing_json: a"),
    ],
)
def test_tracing_key_in_another_place_is_reported_at_its_line(form: str, line: int, text: str) -> None:
    (found,) = lint(text, form)
    assert (found.code, found.line, found.severity) == ("CT350", line, "warning")


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("yaml", "# envoy_tracing_json: a\nb: c"),
        ("tf", 'variable "a" {\n  description = "The text of envoy_tracing_json, without braces."\n}'),
        ("yaml", "a: |\n  # envoy_tracing_json: b\n  c: d\n"),
        ("yaml", f"metadata:\n  annotations:\n    {LAST_APPLIED}: {json.dumps(CONFIG)}"),
    ],
)
def test_prose_and_comments_are_no_tracing_keys(form: str, text: str) -> None:
    assert read_file(text, f"a.{form}").unread == []


def test_reason_names_the_error_in_the_text() -> None:
    (found,) = lint(f"centralConfig:\n  proxyDefaults: '{CONFIG[:-1]}'", "yaml")
    assert found.issue.reason == "a tracing key is in text that lint cannot read: Expecting ',' delimiter"
    (found,) = lint(f"envoy_tracing_json = {QUOTED}")
    assert found.issue.reason == f"a tracing key is {NOT_READ}"


@pytest.mark.parametrize(
    ("text", "gateway"),
    [
        ('service {\n name = "a"\n kind = "api-gateway"\n proxy { config { protocol = "http" } }\n}', "api-gateway"),
        ("service { connect { gateway { proxy { config { a = 1 } } terminating {} } } }", "terminating-gateway"),
        ("service { connect { gateway { proxy { config { a = 1 } } ingress {} } } }", "ingress-gateway"),
        ("service { connect { sidecar_service { proxy { config { a = 1 } } } } }", ""),
    ],
)
def test_registration_names_its_gateway(text: str, gateway: str) -> None:
    (document,) = read_file(text, "a.hcl").documents
    assert (document.kind, document.gateway) == ("registration", gateway)


def test_gateway_needs_no_sampling_rates() -> None:
    config = next(iter(entries(settings()))).body["Config"]
    tracing = {key: config[key] for key in (TRACER_KEY, CLUSTERS_KEY)}
    mesh = 'Kind = "proxy-defaults"\nName = "global"\nConfig { protocol = "http" }'
    for kind, expected in (("ingress-gateway", []), ("connect-proxy", ["CT320"])):
        registration = json.dumps({"name": "a", "kind": kind, "proxy": {"config": tracing}})
        assert codes(lint_texts({"mesh.hcl": mesh, "a.json": registration}, None)) == expected


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("hcl", 'services {\n  name = "a"\n  kind = "terminating-gateway"\n  port = 8443\n}'),
        ("json", '{"service": {"name": "a", "kind": "mesh-gateway", "port": 1}}'),
        (
            "yaml",
            (
                "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: a}\n"
                "spec: {parentRefs: [{kind: Gateway, name: b, port: 1}, {group: a, kind: Mesh, name: c}]}"
            ),
        ),
        ("yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {kind: proxy-defaults, name: b}"),
        ("json", '{"targets": [{"kind": "Gateway", "name": "a", "port": 1}]}'),
    ],
)
def test_objects_with_a_kind_that_are_no_entries(form: str, text: str) -> None:
    assert read_file(text, f"a.{form}").documents == []


def test_tracing_keys_in_a_script_are_reported_at_their_lines() -> None:
    text = f"#!/bin/sh\nset -e\ncat > mesh.hcl <<EOF{HCL}EOF\n# envoy_tracing_json = a\nconsul config write mesh.hcl\n"
    found = lint_texts({"install.sh": text}, None)
    assert [(one.code, one.line) for one in found] == [("CT350", 7)]
    assert [one.code for one in lint_texts({"consul.sh": "consul config write 'a"}, None)] == ["CT336"]


def test_script_without_tracing_keys_has_no_syntax_errors() -> None:
    assert lint_texts({"install": "#!/bin/sh\nconsul config write mesh.hcl\n"}, None) == []


IN_BRANCHES = """apiVersion: v1
kind: ConfigMap
data:
  {{- if .a }}
  mesh.json: '{"kind": "proxy-defaults", "name": "global", "config": {"envoy_tracing_json": "{}"}}'
  {{- else }}
  mesh.json: '{"kind": "proxy-defaults", "name": "global"}'
  {{- end }}
---
apiVersion: consul.hashicorp.com/v1alpha1
kind: ProxyDefaults
metadata: {name: global}
spec:
  config:
    {{- if .a }}
    envoy_tracing_json: '{'
    {{- else }}
    envoy_tracing_json: '{}'
    {{- end }}
"""


@pytest.mark.parametrize(("text", "code"), list(zip(IN_BRANCHES.split("---\n"), ["CT350", "CT330"], strict=True)))
def test_value_in_each_branch_of_a_template_is_reported_as_not_checked(text: str, code: str) -> None:
    assert code in [one.code for one in lint_texts({"mesh.yaml": text}, None)]
