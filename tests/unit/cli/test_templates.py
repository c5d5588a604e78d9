"""Templates in files: a value with a template is not checked, its neighbours are."""

from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.cli.render.rendering import as_hcl, as_json, as_yaml
from consul_tracing.entries.bodies import proxy_defaults
from consul_tracing.files.documents import read_file
from consul_tracing.files.templates import Masked
from consul_tracing.lint.findings import Finding
from tests.unit.cli.test_lint import lint
from tests.unit.meshes import settings

HEAD = "apiVersion: consul.hashicorp.com/v1alpha1\nkind: ProxyDefaults\nmetadata: {name: global}\nspec:\n  config:\n"
TRACER = (
    '{"http": {"name": "envoy.tracers.zipkin", "typed_config": {"@type": '
    '"type.googleapis.com/envoy.config.trace.v3.ZipkinConfig", "collector_cluster": VALUE, '
    '"collector_endpoint": "/api/v1/spans", "collector_endpoint_version": "HTTP_JSON", "trace_id_128bit": true}}}'
)
TEMPLATES = ["{{ .Values.name }}", "${NAME}", "%{ if a }b%{ endif }", "#{{ name }}", '{{ default "x" .y }}', "${{ a }}"]


def places(found: list[Finding]) -> list[tuple[str, str]]:
    """Return the codes and the last keys of findings, without CT320."""
    return [(one.code, one.issue.path[-1] if one.issue.path else "") for one in found if one.code != "CT320"]


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("value", ['"TEMPLATE"', '"a-TEMPLATE.b"', "TEMPLATE"])
def test_neighbours_of_a_templated_value_are_checked(template: str, value: str) -> None:
    text = f"{HEAD}    envoy_tracing_json: |\n      {TRACER.replace('VALUE', value.replace('TEMPLATE', template))}\n"
    neighbours = [("CT330", "collector_cluster"), ("CT314", "collector_endpoint")]
    has_condition = template.startswith("%") and value == "TEMPLATE"
    assert places(lint(text, "yaml")) == ([("CT330", "envoy_tracing_json")] if has_condition else neighbours)


@pytest.mark.parametrize("template", ["{{ name }}", "${name}", "{{ with x }}{{ .y }}{{ end }}"])
def test_templates_in_hcl_and_json_are_not_checked(template: str) -> None:
    tracer = TRACER.replace("VALUE", f'"{template}"')
    expected = [("CT330", "collector_cluster"), ("CT314", "collector_endpoint")]
    hcl = f'Kind = "proxy-defaults"\nName = "global"\nConfig {{\n  envoy_tracing_json = <<EOF\n{tracer}\nEOF\n}}\n'
    assert places(lint(hcl)) == expected
    escaped = tracer.replace('"', '\\"')
    entry = f'{{"Kind": "proxy-defaults", "Name": "global", "Config": {{"envoy_tracing_json": "{escaped}"}}}}'
    assert places(lint(entry, "json")) == expected


CHART = """
{{- if .Values.enabled }}
{{- $name := .Values.name }}
apiVersion: consul.hashicorp.com/v1alpha1
kind: ProxyDefaults
metadata:
  name: global
  namespace: {{ .Release.Namespace }}
  labels:
    {{- include "labels" . | nindent 4 }}
spec:
  config:
    protocl: http
    envoy_tracing_jso: |
      {"a": {{ .Values.a }}}
{{ toYaml .Values.more | indent 4 }}
  meshGateway:
    mod: {{ .Values.mode | quote }}
{{- end }}
"""


def test_template_of_a_chart_is_read_without_its_control_lines() -> None:
    content = read_file(CHART, "a.yaml")
    (document,) = content.documents
    assert document.is_partial
    assert document.fields["Config"]["protocl"] == "http"
    assert [(one.code, one.line) for one in lint(CHART, "yaml")] == [("CT325", 14), ("CT352", 18)]


def test_entry_with_keys_from_a_template_lacks_no_key() -> None:
    keys = f"    envoy_tracing_json: '{TRACER.replace('VALUE', '1')}'\n"
    complete = [one.code for one in lint(HEAD + keys, "yaml")]
    partial = [one.code for one in lint(HEAD + keys + "    {{- toYaml .Values.more | nindent 4 }}\n", "yaml")]
    assert set(complete) - set(partial) >= {"CT320"}


@pytest.mark.parametrize(
    ("form", "text", "line"),
    [
        ("yaml", "kind: ProxyDefaults # {{ a }}\nspec: {{ .b }}\nmetadata:\n  x: y\n a: [\n", 5),
        ("yaml", "kind: ProxyDefaults\nmetadata:\n  name: {{ .a }}\nspec\n  config:\n", 5),
        ("yaml", "kind: ProxyDefaults\nmetadata: {{ .a }}\nspec: {\n", 3),
        ("yaml", "envoy_a: {{ .b }}\nb: c\nd: e\nf: g\nh: 'i\n", 5),
        ("hcl", 'Kind = "{{ a }}"\nName = "b"\nConfig {\n  c = 1\n\n', 6),
        ("json", '{"Kind": "proxy-defaults",\n"Name": "{{ a }}",\n"Config": {},\n\n"b" 1}', 5),
    ],
)
def test_syntax_error_beside_templates_is_an_error(form: str, text: str, line: int) -> None:
    found = [(one.code, one.line) for one in lint(text, form) if one.code != "CT353"]
    assert found == [("CT336", line)]


@pytest.mark.parametrize("value", ['{"a": "{{ b }}" "c": 1}', '{"a": "${b}", }'])
def test_json_with_an_error_beside_its_template_is_an_error(value: str) -> None:
    found = lint(f"{HEAD}    envoy_tracing_json: '{value}'\n", "yaml")
    assert "CT302" in [one.code for one in found]


def test_json_with_a_condition_is_not_checked() -> None:
    text = f'{HEAD}    envoy_tracing_json: \'{{"a": 1 {{{{ if b }}}}, "c": 2, {{{{ end }}}} }}\'\n'
    assert places(lint(text, "yaml")) == [("CT330", "envoy_tracing_json")]


@pytest.mark.parametrize(
    "text", ['{{ include "mesh" . }}', "{{- range .a }}\n{{ . }}\n{{- end }}\n", "consul: a {{ b\n}}: c"]
)
def test_file_that_is_a_template_says_how_to_render_it(text: str) -> None:
    (found,) = lint(text, "yaml")
    assert found.code == "CT330"
    assert found.issue.reason.endswith("Render it: helm template ... | consul-tracing lint -")


def test_name_and_fields_that_are_templates_are_not_checked() -> None:
    text = HEAD.replace("{name: global}", "{name: '{{ .a }}'}").replace("spec:\n  config:\n", "spec: {{ toJson .b }}\n")
    assert [one.code for one in lint(text, "yaml")] == ["CT330"]


def test_braces_of_json_are_no_templates() -> None:
    text = '{"a": {"b": {"c": [{"d": {}}]}}} # }} {{'
    assert Masked(text).templates == []
    assert Masked("a $${b} %%{c}").templates == []


def test_live_entries_have_no_templates() -> None:
    text = '{"Kind": "proxy-defaults", "Name": "global", "Config": {"a": "{{ b }}"}}'
    assert read_file(text, "a.json", is_live=True).documents[0].fields["Config"] == {"a": "{{ b }}"}


@given(st.lists(st.sampled_from([*TEMPLATES, "{{", "}}", "${", "}", "\n", "a: ", " ", "{%", "%}", '"', "{#", "#}"])))
def test_templates_are_restored(parts: list[str]) -> None:
    text = "".join(parts)
    masked = Masked(text)
    assert masked.text.count("\n") >= text.count("\n")
    assert all(template in text for template in masked.templates)
    if not masked.lines:
        assert masked.text == text


def test_long_texts_with_templates_are_read_fast() -> None:
    for part in ("{{ a }}\n", "{{ ", "${", "${ {", "{% ", "\n", " ", "{{ a }}", "#"):
        read = dedent(part) * 20_000
        Masked(read, is_yaml=True)


@pytest.mark.parametrize("form", ["hcl", "json", "yaml"])
@pytest.mark.parametrize(
    ("value", "expected"), [("a{{b", []), ("{{ shop }}", ["CT330"]), ("a{{b}}c", ["CT330"]), ("a}}b", [])]
)
def test_braces_in_a_value_are_no_error_of_the_json_around_it(form: str, value: str, expected: list[str]) -> None:
    tracer = {"zipkin": {"headers": {"x-tenant": value}}}
    target = "kubernetes" if form == "yaml" else "consul"
    mesh = settings(collector={"host": "zipkin.example"}, tracer=tracer, envoy_version="1.36", target=target)
    text = as_yaml(mesh) if form == "yaml" else (as_hcl if form == "hcl" else as_json)(proxy_defaults(mesh))
    assert [one.code for one in lint(text, form)] == expected
