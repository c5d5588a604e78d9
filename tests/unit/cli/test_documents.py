"""Config entries and proxy configurations in files of every form."""

import json
import textwrap
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.cli.command import CommandError, FileError
from consul_tracing.cli.documents import Document, form_of, go_name, read_documents
from consul_tracing.cli.hcl import Unevaluated
from consul_tracing.cli.rendering import as_hcl, as_json, as_yaml, entries
from consul_tracing.entries.entry import Entry
from consul_tracing.inputs.mesh_settings import MeshSettings
from tests.conftest import GOLDEN
from tests.unit.meshes import MESHES, settings

WEB = {"Protocol": "http", "MeshGateway": {"Mode": "local"}}
"""The content of `service-defaults/web` in `FORMS`."""

FORMS = {
    "lower.hcl": """
        kind     = "service-defaults"
        name     = "web"
        protocol = "http"
        mesh_gateway { mode = "local" }
    """,
    "upper.hcl": """
        Kind        = "service-defaults"
        Name        = "web"
        Protocol    = "http"
        MeshGateway = { Mode = "local" }
    """,
    "lists.hcl": """
        Kind        = "service-defaults"
        Name        = "web"
        Protocol    = "http"
        MeshGateway = [{ Mode = "local" }]
    """,
    "server.hcl": """
        datacenter = "dc1"
        config_entries {
          bootstrap {
            kind         = "service-defaults"
            name         = "web"
            protocol     = "http"
            mesh_gateway { mode = "local" }
          }
        }
    """,
    "server-list.hcl": """
        config_entries {
          bootstrap = [
            { kind = "service-defaults", name = "web", protocol = "http", mesh_gateway = { mode = "local" } },
          ]
        }
    """,
    "entry.json": '{"Kind": "service-defaults", "Name": "web", "Protocol": "http", "MeshGateway": {"Mode": "local"}}',
    "read.json": """
        {
            "Kind": "service-defaults",
            "Name": "web",
            "Protocol": "http",
            "MeshGateway": {"Mode": "local"},
            "CreateIndex": 12,
            "ModifyIndex": 14,
            "Hash": 7285712
        }
    """,
    "list.json": """
        [{"Kind": "service-defaults", "Name": "web", "Protocol": "http", "MeshGateway": {"Mode": "local"}}]
    """,
    "manifest.yaml": """
        apiVersion: consul.hashicorp.com/v1alpha1
        kind: ServiceDefaults
        metadata: {name: web}
        spec:
          protocol: http
          meshGateway: {mode: local}
    """,
    "several.yaml": """
        # A comment before the first document.
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: web}
        ---
        ---
        apiVersion: consul.hashicorp.com/v1alpha1
        kind: ServiceDefaults
        metadata: {name: web}
        spec: {protocol: http, meshGateway: {mode: local}}
    """,
    "kubectl.yaml": """
        apiVersion: v1
        kind: List
        items:
          - apiVersion: consul.hashicorp.com/v1alpha1
            kind: ServiceDefaults
            metadata: {name: web, generation: 3, uid: 7b4e, annotations: {team: shop}}
            spec: {protocol: http, meshGateway: {mode: local}}
            status: {conditions: [{type: Synced, status: "True"}]}
    """,
    "merged.yaml": """
        defaults: &defaults {protocol: tcp, meshGateway: {mode: local}}
        entry:
          kind: service-defaults
          name: web
          <<: *defaults
          protocol: http
    """,
    "encoded.tf": """
        resource "consul_config_entry" "web" {
          kind = "service-defaults"
          name = "web"
          config_json = jsonencode({
            Protocol    = "http"
            MeshGateway = { Mode = "local" }
          })
        }
    """,
    "heredoc.tf": """
        resource "consul_config_entry" "web" {
          kind        = "service-defaults"
          name        = "web"
          config_json = <<-JSON
            {
              "Protocol": "http",
              "MeshGateway": {"Mode": "local"}
            }
          JSON
        }
    """,
}


def documents(text: str, file: str) -> list[Document]:
    return read_documents(textwrap.dedent(text), file)


def one(text: str, file: str) -> Document:
    (found,) = documents(text, file)
    return found


@pytest.mark.parametrize("file", FORMS)
def test_entry_is_read_from_every_form(file: str) -> None:
    found = one(FORMS[file], file)
    assert (found.kind, found.name, found.fields) == ("service-defaults", "web", WEB)


@pytest.mark.parametrize("file", FORMS)
def test_byte_order_mark_is_ignored(file: str) -> None:
    assert read_documents("\ufeff" + textwrap.dedent(FORMS[file]), file)[0].fields == WEB


@pytest.mark.parametrize("file", [file for file in FORMS if not file.endswith(".tf")])
def test_form_of_the_standard_input_is_recognized(file: str) -> None:
    assert one(FORMS[file], "-").fields == WEB
    assert form_of(textwrap.dedent(FORMS[file]), "-") == file.rpartition(".")[2]


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lower.hcl", 5),
        ("server.hcl", 8),
        ("read.json", 6),
        ("manifest.yaml", 7),
        ("several.yaml", 12),
        ("merged.yaml", 2),
        ("encoded.tf", 7),
        ("heredoc.tf", 8),
    ],
)
def test_key_has_its_line(file: str, line: int) -> None:
    found = one(FORMS[file], file)
    assert found.line_of(("MeshGateway",)) == line
    # An unknown key has the line of the innermost known one.
    assert found.line_of(("MeshGateway", "Unknown", "Key")) == line
    assert found.line_of(("Unknown",)) == found.line


def test_members_of_lists_have_lines() -> None:
    text = """
        Kind = "service-defaults"
        Name = "web"
        UpstreamConfig {
          Overrides = [
            { Name = "db" },
            { Name = "api"
              ConnectTimeoutMs = 5 },
          ]
        }
    """
    assert one(text, "a.hcl").line_of(("UpstreamConfig", "Overrides", "1", "ConnectTimeoutMs")) == 8


PROXY = 'proxy { config { envoy_tracing_json = "{}" protocol = "http" } }'
REGISTRATIONS = {
    "service.hcl": f'service {{ name = "web" connect {{ sidecar_service {{ {PROXY} }} }} }}',
    "services.hcl": f'services = [{{ name = "web" connect {{ sidecar_service {{ {PROXY} }} }} }}]',
    "proxy.hcl": f'service {{ name = "web" kind = "connect-proxy" {PROXY} }}',
    "api.json": json.dumps(
        {
            "Name": "web",
            "Connect": {"SidecarService": {"Proxy": {"Config": {"envoy_tracing_json": "{}", "protocol": "http"}}}},
        }
    ),
    "job.nomad": f"""
        job "shop" {{
          group "web" {{
            network {{ mode = "bridge" }}
            service {{
              name = "web"
              connect {{
                sidecar_service {{
                  {PROXY}
                }}
              }}
            }}
          }}
        }}
    """,
}


@pytest.mark.parametrize("file", REGISTRATIONS)
def test_registration_has_the_name_of_its_service(file: str) -> None:
    found = one(REGISTRATIONS[file], file)
    assert (found.kind, found.name) == ("registration", "web")
    assert found.fields == {"Config": {"envoy_tracing_json": "{}", "protocol": "http"}}


def test_services_of_a_nomad_group_are_separate_registrations() -> None:
    services = "\n".join(
        f'service {{ name = "{name}" connect {{ sidecar_service {{ {PROXY} }} }} }}' for name in ("web", "api")
    )
    found = read_documents(f'job "shop" {{ group "all" {{ {services} }} }}', "shop.nomad")
    assert [document.name for document in found] == ["web", "api"]


def test_entries_keep_the_order_of_the_file() -> None:
    text = "".join(f"{textwrap.dedent(FORMS['manifest.yaml'])}---\n".replace("web", name) for name in "bca")
    assert [document.name for document in read_documents(text, "a.yaml")] == ["b", "c", "a"]


def test_custom_resource_has_its_namespace_and_ownership_metadata() -> None:
    text = """
        apiVersion: consul.hashicorp.com/v1alpha1
        kind: ProxyDefaults
        metadata:
          name: global
          namespace: mesh
          annotations: {consul-tracing/pulumi-stack: acme/mesh/prod, other: annotation}
        spec: {accessLogs: {jsonFormat: "{}"}, config: {meshGateway: kept}}
    """
    found = one(text, "a.yaml")
    assert found.is_custom_resource
    assert not one(FORMS["entry.json"], "a.json").is_custom_resource
    assert found.fields == {
        "AccessLogs": {"JSONFormat": "{}"},
        "Config": {"meshGateway": "kept"},
        "Namespace": "mesh",
        "Meta": {"pulumi-stack": "acme/mesh/prod", "external-source": "kubernetes"},
    }


def test_other_objects_are_no_documents() -> None:
    assert (
        documents("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {kind: proxy-defaults}", "a.yaml") == []
    )
    assert documents('resource "aws_instance" "web" { name = "web" }', "a.tf") == []
    assert documents("", "a.hcl") == documents("", "a.yaml") == documents("null", "a.json") == []


def test_expression_of_terraform_is_unevaluated() -> None:
    text = """
        resource "consul_config_entry" "global" {
          kind = "proxy-defaults"
          name = "global"
          config_json = jsonencode({ Config = { protocol = var.protocol, a = 1 } })
        }
        resource "consul_config_entry" "web" {
          kind        = "service-defaults"
          name        = var.name
          partition   = "shop"
          config_json = file("web.json")
        }
    """
    mesh, web = documents(text, "a.tf")
    assert mesh.fields == {"Config": {"protocol": Unevaluated("var.protocol"), "a": 1}}
    assert (web.name, web.fields) == ("var.name", {"Config": Unevaluated('file("web.json")'), "Partition": "shop"})


def test_invalid_json_in_a_heredoc_has_its_line() -> None:
    text = 'resource "consul_config_entry" "a" {\n  config_json = <<EOF\n{\n  "a": 1,\n}\nEOF\n}\n'
    with pytest.raises(FileError, match=r"a\.tf:5: "):
        read_documents(text, "a.tf")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("mesh_gateway", "MeshGateway"),
        ("meshGateway", "MeshGateway"),
        ("MESHGATEWAY", "MeshGateway"),
        ("maxRequestHeadersKB", "MaxRequestHeadersKB"),
        ("mutual_tls_mode", "MutualTLSMode"),
        ("external_sni", "ExternalSNI"),
        ("unknown_field", "UnknownField"),
    ],
)
def test_field_has_the_go_name_in_any_spelling(key: str, name: str) -> None:
    assert go_name(key) == name


def test_keys_of_free_form_fields_are_kept() -> None:
    config = {"local_connect_timeout_ms": 1, "nested": {"mesh_gateway": [{"a": 1}]}}
    text = json.dumps({"kind": "proxy-defaults", "name": "global", "config": config, "meta": {"team_name": "shop"}})
    assert one(text, "a.json").fields == {"Config": config, "Meta": {"team_name": "shop"}}


@pytest.mark.parametrize(
    ("text", "file", "reason"),
    [
        ("a: [1", "a.yaml", "1: expected ',' or ']', but got '<stream end>'"),
        ("a:\n  b: !!int x", "a.yaml", "2: the value is not of the type int"),
        ("a:\n  b: !!int ''", "a.yaml", "2: the value is not of the type int"),
        ("a: !!bool maybe", "a.yaml", "1: the value is not of the type bool"),
        ('a: "\\UFFFFFFFF"', "a.yaml", "1: Python int too large to convert to C int"),
        ("a: 1\n? [b]\n: 2", "a.yaml", "2: a key must be text"),
        ("a: 1\n<<: 2", "a.yaml", "2: << must be a map or a list of maps"),
        ("a: &a [*a]", "a.yaml", "1: the values are nested too deeply"),
        ("a: &a {<<: *a}", "a.yaml", "1: the values are nested too deeply"),
        ("[" * 100_000, "a.yaml", "1: the values are nested too deeply"),
        ("[" * 100_000, "a.json", "1: the values are nested too deeply"),
        ("a {" * 100_000, "a.hcl", "1: the values are nested too deeply"),
        (f"a = {'[' * 100_000}", "a.tf", "1: the values are nested too deeply"),
        (f"a = {'1' * 5000}", "a.hcl", "1: a number has at most 400 digits"),
        ('a = "\\UFFFFFFFF"', "a.hcl", '1: the escape "\\UFFFFFFFF" is not supported'),
    ],
)
def test_invalid_file_is_a_file_error_with_its_line(text: str, file: str, reason: str) -> None:
    with pytest.raises(FileError) as error:
        read_documents(text, file)
    assert str(error.value) == f"consul-tracing: CT601: {file}:{reason}"


@pytest.mark.parametrize("link", ["[*a{0}, *a{0}]", "{{<<: [*a{0}, *a{0}]}}"])
def test_explosion_of_aliases_is_rejected(link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("consul_tracing.cli.documents.MAX_YAML_NODES", 10_000)
    text = "\n".join(
        ["a0: &a0 {x: 1}", *(f"a{number}: &a{number} {link.format(number - 1)}" for number in range(1, 40))]
    )
    with pytest.raises(FileError, match="the aliases expand to too many values"):
        read_documents(text, "a.yaml")


def test_merge_keys_have_the_precedence_of_yaml() -> None:
    text = "a: &a {x: 1, y: 1, z: 1}\nb: &b {y: 2, z: 2}\nkind: mesh\nname: m\nconfig:\n  z: 3\n  <<: [*b, *a]\n"
    assert one(text, "a.yaml").fields["Config"] == {"x": 1, "y": 2, "z": 3} == yaml.safe_load(text)["config"]


def test_scalars_of_yaml_have_the_types_of_json() -> None:
    text = "kind: mesh\nname: m\nconfig: {a: 2026-01-01, b: !custom 1, c: ~, d: 1.5, e: yes, f: 'yes', g: 0x10, <: 1}"
    expected = {"a": "2026-01-01", "b": "1", "c": None, "d": 1.5, "e": True, "f": "yes", "g": 16, "<": 1}
    assert one(text, "a.yaml").fields["Config"] == expected


def read_back(entry: Entry, text: str, file: str) -> None:
    found = one(text, file)
    assert (found.kind, found.name, found.fields) == (entry.kind, entry.name, entry.body)


@given(MESHES)
def test_rendered_json_and_yaml_are_read_back(args: dict[str, Any]) -> None:
    mesh = MeshSettings.of("mesh", args)  # type: ignore[arg-type]
    for entry in entries(mesh):
        read_back(entry, as_json(entry), "a.json")
    found = read_documents(as_yaml(mesh), "a.yaml")
    assert [(one.kind, one.name) for one in found] == [(entry.kind, entry.name) for entry in entries(mesh)]


@pytest.mark.parametrize("name", ["consul-documentation", "dev"])
def test_golden_entries_are_read_back_from_every_form(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    for title, fields in golden.items():
        config = {key: json.dumps(value)[1:-1] for key, value in fields.get("Config", {}).items()}
        body = {field: value for field, value in {**fields, "Config": config}.items() if value}
        entry = Entry(*title.split("/"), body)
        read_back(entry, as_json(entry), "a.json")
        read_back(entry, as_hcl(entry), "a.hcl")


def test_manifest_is_read_back() -> None:
    mesh = settings(
        target="kubernetes",
        services={"web": {"protocol": "http", "service_defaults": {"MaxRequestHeadersKB": 96, "ExternalSNI": "a"}}},
        proxy_defaults={"AccessLogs": {"JSONFormat": "{}"}, "MutualTLSMode": "strict"},
    )
    found = read_documents(as_yaml(mesh), "a.yaml")
    assert [document.fields for document in found] == [{**one.body, "Namespace": "consul"} for one in entries(mesh)]


FILES = st.sampled_from(["a.hcl", "a.json", "a.yaml", "a.tf", "-"])
WORDS = [
    "kind",
    "name",
    "proxy",
    "config",
    "resource",
    "consul_config_entry",
    "apiVersion",
    "items",
    "metadata",
    "<<",
    "spec",
    "config_json",
    "jsonencode(",
    "proxy-defaults",
    "mesh",
    "consul.hashicorp.com/v1",
    "List",
    "*a",
    "&a",
    "<<EOF",
    "---",
    "!!int",
    "${",
    "EOF",
]
FRAGMENTS = st.lists(st.sampled_from([*WORDS, *'{}[]()=:,-"\\\n\t ?!#1'])).map(" ".join)


@given(st.text() | FRAGMENTS, FILES)
def test_any_text_raises_only_command_error(text: str, file: str) -> None:
    try:
        read_documents(text, file)
    except CommandError as error:
        assert "\n" not in str(error)


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(["mesh", "proxy-defaults", "web", "v1", "ServiceDefaults"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["kind", "Name", "apiVersion", "metadata", "spec", "items", "proxy", "config", "annotations"]
            ),
            inner | st.sampled_from(["consul.hashicorp.com/v1alpha1"]),
            max_size=4,
        )
    ),
)


@given(VALUES, st.sampled_from(["a.json", "a.yaml"]))
def test_values_of_any_shape_are_read(value: object, file: str) -> None:
    read_documents(json.dumps(value), file)


def test_manifest_in_terraform_text_is_found() -> None:
    manifest = "apiVersion: consul.hashicorp.com/v1alpha1\nkind: ProxyDefaults\nmetadata: {name: global}\n"
    (found,) = read_documents(
        f'resource "kubectl_manifest" "mesh" {{\n  yaml_body = <<YAML\n{manifest}YAML\n}}\n', "a.tf"
    )
    assert (found.kind, found.name, found.line) == ("proxy-defaults", "global", 3)
