"""Config entries and proxy configurations in files."""

import contextlib
import json
from textwrap import dedent
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.cli.render.rendering import RenderError, as_hcl, as_json, entries_of_consul
from consul_tracing.errors import CommandError
from consul_tracing.files.document import Document
from consul_tracing.files.documents import read_documents
from consul_tracing.files.values import Unevaluated
from consul_tracing.lint.checks import check_texts
from tests.unit.meshes import JSON, MESHES, settings

HCL = """
    # The mesh.
    Kind = "proxy-defaults"
    Name = "global"
    Config {
      envoy_tracing_json = <<EOF
    {
      "http": {
        "name": "envoy.tracers.zipkin"
      }
    }
    EOF
      local_connect_timeout_ms = 1000
    }
    mesh_gateway { mode = "local" }
"""
CUSTOM_RESOURCE = """
    apiVersion: consul.hashicorp.com/v1alpha1
    kind: ProxyDefaults
    metadata:
      name: global
      namespace: consul
    spec:
      meshGateway:
        mode: local
      config:
        envoy_tracing_json: |
          {
            "http": {
              "name": "envoy.tracers.zipkin"
            }
          }
        local_connect_timeout_ms: 1000
"""
TRACER = {"http": {"name": "envoy.tracers.zipkin"}}


def read(text: str, file: str = "a.hcl") -> list[Document]:
    return read_documents(dedent(text), file)


def only(text: str, file: str = "a.hcl") -> Document:
    (document,) = read(text, file)
    return document


def mesh_of(document: Document) -> dict[str, Any]:
    fields = json.loads(json.dumps(document.fields))
    fields["Config"]["envoy_tracing_json"] = json.loads(fields["Config"]["envoy_tracing_json"])
    return fields  # type: ignore[no-any-return]


MESH = {
    "Config": {"envoy_tracing_json": TRACER, "local_connect_timeout_ms": 1000},
    "MeshGateway": {"Mode": "local"},
}


def test_hcl_entry_has_go_names_and_lines() -> None:
    document = only(HCL)
    assert (document.kind, document.name, document.form, document.line) == ("proxy-defaults", "global", "hcl", 1)
    assert mesh_of(document) == MESH
    assert document.lines[("Config",)] == 5
    assert document.lines[("Config", "envoy_tracing_json")] == 6
    assert document.lines[("Config", "envoy_tracing_json", "http")] == 8
    assert document.lines[("Config", "envoy_tracing_json", "http", "name")] == 9
    assert document.lines[("MeshGateway", "Mode")] == 15


def test_line_of_an_unknown_field_is_the_line_of_its_parent() -> None:
    document = only(HCL)
    assert document.line_of(("Config", "envoy_tracing_json", "http", "typed_config")) == 8
    assert document.line_of(("Expose",)) == 1


def test_custom_resource_is_found_among_other_objects() -> None:
    other = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: mesh}\ndata: {kind: proxy-defaults}\n---\n"
    document = only(other + dedent(CUSTOM_RESOURCE), "mesh.yaml")
    assert (document.kind, document.name, document.form) == ("proxy-defaults", "global", "yaml")
    assert mesh_of(document) == {**MESH, "Namespace": "consul"}
    assert document.lines[("MeshGateway", "Mode")] == 14
    assert document.lines[("Config", "envoy_tracing_json", "http", "name")] == 19


def test_kubectl_list_gives_its_entries() -> None:
    item = yaml.safe_load(dedent(CUSTOM_RESOURCE))
    service = {
        **item,
        "kind": "ServiceDefaults",
        "metadata": {"name": "web", "annotations": {"consul-tracing/pulumi-stack": "a/b/c"}},
        "spec": {
            "protocol": "http",
            "externalSNI": "a",
            "maxRequestHeadersKB": 9,
            "upstreamConfig": {"overrides": [{"name": "b", "connectTimeoutMs": 1}]},
        },
        "status": {"conditions": []},
    }
    listed = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [item, service]})
    mesh, web = read(listed, "-")
    assert mesh_of(mesh) == {**MESH, "Namespace": "consul"}
    assert (web.kind, web.name) == ("service-defaults", "web")
    assert web.fields == {
        "Protocol": "http",
        "ExternalSNI": "a",
        "MaxRequestHeadersKB": 9,
        "UpstreamConfig": {"Overrides": [{"Name": "b", "ConnectTimeoutMs": 1}]},
        "Meta": {"pulumi-stack": "a/b/c"},
    }


def test_output_of_consul_config_read_is_read() -> None:
    text = json.dumps(
        {
            "Kind": "proxy-defaults",
            "Name": "global",
            "TransparentProxy": {},
            "MeshGateway": {},
            "Expose": {},
            "AccessLogs": {},
            "Meta": {"a-b_c": "d"},
            "CreateIndex": 11,
            "ModifyIndex": 12,
        },
        indent=4,
    )
    first, second = read_documents(f"{text}\n{text}\n", "-")
    assert first.fields == {
        "TransparentProxy": {},
        "MeshGateway": {},
        "Expose": {},
        "AccessLogs": {},
        "Meta": {"a-b_c": "d"},
    }
    assert second.fields == first.fields
    assert (first.form, first.lines[("Meta",)], second.lines[("Meta",)]) == ("json", 8, 21)


TERRAFORM = """
    variable "host" {}
    data "consul_config_entry" "web" {
      kind = "service-defaults"
      name = "web"
    }
    resource "consul_config_entry" "mesh" {
      kind = "proxy-defaults"
      name = "global"
      partition = var.partition

      config_json = jsonencode({
        Config = {
          envoy_tracing_json = jsonencode({
            http = { name = "envoy.tracers.zipkin" }
          })
          envoy_listener_tracing_json = jsonencode({
            verbose = var.verbose
          })
        }
      })
    }
    resource "consul_config_entry" "heredoc" {
      kind        = "service-defaults"
      name        = "web-${var.host}"
      config_json = <<-EOT
        {
          "Protocol": "http"
        }
      EOT
    }
    resource "consul_config_entry" "file" {
      kind        = "proxy-defaults"
      name        = "global"
      config_json = file("mesh.json")
    }
"""


def test_terraform_resources_are_read() -> None:
    mesh, heredoc, file = read(TERRAFORM, "main.tf")
    assert {mesh.form, heredoc.form, file.form} == {"terraform"}
    assert json.loads(mesh.fields["Config"]["envoy_tracing_json"]) == TRACER
    listener = mesh.fields["Config"]["envoy_listener_tracing_json"]
    assert listener.encoded == {"verbose": Unevaluated("var.verbose")}
    assert mesh.fields["Partition"] == Unevaluated("var.partition")
    assert mesh.lines[("Config", "envoy_tracing_json", "http", "name")] == 15
    assert mesh.lines[("Config", "envoy_listener_tracing_json", "verbose")] == 18
    assert (mesh.has_known_name, heredoc.has_known_name) == (True, False)
    assert (heredoc.name, heredoc.fields) == ('"web-${var.host}"', {"Protocol": "http"})
    assert heredoc.lines == {("Protocol",): 28}
    assert file.fields == {"Config": Unevaluated('file("mesh.json")')}
    assert file.line_of(("Config", "envoy_tracing_json")) == 35


def test_pulumi_yaml_program_is_read() -> None:
    text = """
        resources:
          mesh:
            type: consul:ConfigEntry
            properties:
              kind: service-defaults
              name: web
              configJson: |
                {"Protocol": "http"}
    """
    assert only(text, "Pulumi.yaml").fields == {"Protocol": "http"}


def test_invalid_json_in_a_heredoc_is_reported_with_its_line() -> None:
    text = TERRAFORM.replace('"Protocol": "http"', '"Protocol": http')
    with pytest.raises(CommandError, match=r"CT601: main\.tf:28: Expecting value"):
        read(text, "main.tf")


@pytest.mark.parametrize(
    "text",
    [
        'service {\n name = "web"\n proxy { config { envoy_tracing_json = "{}" } }\n}',
        'services {\n name = "web"\n connect { sidecar_service { proxy { config { envoy_tracing_json = "{}" } } } }\n}',
        'Service { Name = "web" Connect { SidecarService { Proxy = { Config = { envoy_tracing_json = "{}" } } } } }',
        (
            'job "a" {\n group "b" {\n service {\n name = "web"\n connect {\n sidecar_service {\n proxy {\n'
            ' config {\n envoy_tracing_json = "{}"\n }\n }\n }\n }\n }\n }\n}'
        ),
        (
            'job "a" {\n group "b" {\n service {\n name = "web"\n connect { gateway { proxy { connect_timeout = "1s" '
            'config { envoy_tracing_json = "{}" } } ingress {} } }\n }\n }\n}'
        ),
        '{"service": {"name": "web", "kind": "ingress-gateway-x", "proxy": {"config": {"envoy_tracing_json": "{}"}}}}',
    ],
)
def test_proxy_configuration_of_a_registration_is_found(text: str) -> None:
    document = only(text, "-")
    assert (document.kind, document.name) == ("registration", "web")
    assert document.fields == {"Config": {"envoy_tracing_json": "{}"}}
    assert document.line_of(("Config", "envoy_tracing_json")) == next(
        number for number, line in enumerate(text.splitlines(), 1) if "envoy_tracing_json" in line
    )


def test_bootstrap_entries_of_a_server_are_found() -> None:
    text = """
        server = true
        config_entries {
          bootstrap = [
            { kind = "proxy-defaults", name = "global", config { protocol = "http" } },
            { Kind = "ServiceDefaults", Name = "web", Protocol = "http" }
          ]
        }
    """
    mesh, web = read(text)
    assert (mesh.kind, mesh.fields, mesh.lines[("Config", "protocol")]) == (
        "proxy-defaults",
        {"Config": {"protocol": "http"}},
        5,
    )
    assert (web.kind, web.name) == ("service-defaults", "web")


def test_repeated_blocks_and_lists_of_one_are_read_as_consul_reads_them() -> None:
    text = """
        Kind = "proxy-defaults"
        Name = "global"
        Config { a = ["b"] }
        Config { c = [1, 2] }
        Expose = [{ checks = true }]
    """
    assert only(text).fields == {"Config": {"a": "b", "c": [1, 2]}, "Expose": {"Checks": True}}


def test_several_entries_in_one_hcl_file_are_rejected() -> None:
    with pytest.raises(CommandError, match=r"a\.hcl:3: a file must contain one entry in HCL"):
        read_documents('Kind = "proxy-defaults"\nName = "global"\nKind = "mesh"\n', "a.hcl")


def test_unknown_config_is_unevaluated() -> None:
    text = 'Kind = "proxy-defaults"\nName = "global"\nConfig = var.config\n'
    assert only(text).fields == {"Config": Unevaluated("var.config")}


def test_entry_of_another_kind_is_found() -> None:
    document = only('Kind = "service-router"\nName = "web"\nRoutes = [{ match { http { path_prefix = "/" } } }]')
    assert document.fields == {"Routes": [{"Match": {"HTTP": {"PathPrefix": "/"}}}]}


@pytest.mark.parametrize("text", ["", "{}", "[]", "a: 1", "a = 1", 'service { name = "web" }', "kind: Deployment"])
def test_other_content_gives_no_documents(text: str) -> None:
    assert read_documents(text, "-") == []


def test_yaml_merge_keys_and_aliases_are_resolved() -> None:
    text = """
        base: &base {protocol: http, mode: direct}
        entry:
          <<: [*base, {externalSNI: a}]
          kind: service-defaults
          name: web
          mode: ""
    """
    document = only(text, "a.yaml")
    assert document.fields == {"Protocol": "http", "Mode": "", "ExternalSNI": "a"}
    assert document.lines[("Protocol",)] == 2


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: &a [*a]", "nested too deeply"),
        ("a: &a {<<: *a}", "nested too deeply"),
        ("a: {<<: 1}", '1: "<<" must be a map or a list of maps'),
        ("? [a]\n: 1", "1: a key must be text"),
        ("a: !!int b", "1: the value cannot be read: b"),
        ("a: [", "expected node content"),
        ("a: 1\nb: }", "2: did not find expected node content"),
        ("a: \x00", "1: "),
        ("[" * 5000, "a.yaml:1: "),
        (
            "a0: &a0 [1]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)),
            "at most",
        ),
        (
            "a0: &a0 {k: 1}\n"
            + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 9)),
            "at most",
        ),
    ],
)
def test_invalid_yaml_is_reported_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(CommandError) as error:
        read_documents(text, "a.yaml")
    assert "CT601: a.yaml:" in str(error.value)
    assert reason in str(error.value)


@pytest.mark.parametrize("text", ["a = " + "[" * 100_000, "a = " + "1" * 5000, 'a = "\\UFFFFFFFF"'])
def test_hcl_out_of_range_is_rejected(text: str) -> None:
    with pytest.raises(CommandError):
        read_documents(text, "a.hcl")


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": ' + "1" * 5000 + "}", '{"a": 1} {', "{"])
def test_json_out_of_range_is_rejected(text: str) -> None:
    with pytest.raises(CommandError):
        read_documents(text, "a.json")


FRAGMENTS = st.lists(
    st.sampled_from(
        [
            'Kind = "proxy-defaults"',
            "Config {",
            "}",
            "kind: proxy-defaults",
            "apiVersion: consul.hashicorp.com/v1",
            "metadata: {annotations: 1}",
            "items: [1]",
            "spec: 1",
            "proxy: {config: {}}",
            "proxy { config {",
            "<<: *a",
            "&a",
            "- ",
            "\n",
            "  ",
            '{"kind": "mesh", "config_json": "{"}',
            "config_json = jsonencode(",
            "<<EOF\n",
            "EOF\n",
            "{{ a }}",
            "${a}",
            "{% if a %}",
            "envoy_tracing_json: ",
            "centralConfig: {proxyDefaults: '{\"a\": 1}'}",
            "- op: add\n  path: /spec/config/envoy_tracing_json\n  value: ",
            "consul.hashicorp.com/proxy-config-map: '{'",
            "yamlencode({",
            ")",
        ]
    )
    | st.text(max_size=3)
).map("".join)


@given(FRAGMENTS | st.text(), st.sampled_from(["-", "a.hcl", "a.json", "a.yaml", "a.tf"]))
def test_any_text_is_read_or_rejected(text: str, file: str) -> None:
    with contextlib.suppress(CommandError):
        read_documents(text, file)


@given(
    st.dictionaries(st.sampled_from(["kind", "Kind", "apiVersion", "metadata", "proxy", "config", "name"]), JSON), JSON
)
def test_any_json_is_read(outer: dict[str, Any], inner: Any) -> None:
    for value in (outer, {**outer, "items": [inner], "spec": inner, "config_json": inner}):
        with contextlib.suppress(CommandError):
            read_documents(json.dumps(value), "-")


@given(MESHES)
def test_rendered_entries_are_read_back(args: dict[str, Any]) -> None:
    mesh = settings(**args)
    for entry in entries_of_consul(mesh):
        document = only(as_json(entry), "a.json")
        assert (document.kind, document.name, document.fields) == (entry.kind, entry.name, entry.body)
        try:
            text = as_hcl(entry)
        except RenderError:
            continue
        if "$${" not in text and "%{" not in text:
            assert read_documents(text, "a.hcl")[0].fields == entry.body


def test_service_defaults_of_terraform_are_read_without_meta_arguments() -> None:
    text = """
resource "consul_config_entry_service_defaults" "web" {
  provider  = consul.dc1
  for_each  = toset(["a"])
  name      = "web"
  namespace = "shop"
  protocol  = "http"
  upstream_config {
    overrides { name = "api" }
    overrides { name = "db" }
  }
  lifecycle { prevent_destroy = true }
}
"""
    (found,) = read_documents(text, "mesh.tf")
    overrides = [{"Name": "api"}, {"Name": "db"}]
    upstreams = {"UpstreamConfig": {"Overrides": overrides}}
    assert (found.kind, found.name, found.line) == ("service-defaults", "web", 2)
    assert found.fields == {"Namespace": "shop", "Protocol": "http", **upstreams}
    wrong = check_texts({"mesh.tf": text.replace('"http"', '"htpp"')}).findings
    assert [(one.code, one.line) for one in wrong] == [("CT332", 7)]


def test_values_of_helm_and_annotations_of_pods_are_on_kubernetes() -> None:
    values = 'connectInject: {centralConfig: {proxyDefaults: \'{"envoy_tracing_json": "{}"}\'}}'
    annotated = 'annotations: {consul.hashicorp.com/proxy-config-map: \'{"envoy_tracing_json": "{}"}\'}'
    assert [one.is_on_kubernetes for text in (values, annotated) for one in read_documents(text, "a.yaml")] == [
        True
    ] * 2
