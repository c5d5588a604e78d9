"""The reader of HCL and JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.cli.render.rendering import as_hcl
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import CommandError
from consul_tracing.files.hcl import parse, parse_json
from consul_tracing.files.values import JsonText, Map, Unevaluated
from tests.unit.meshes import JSON, NAME, TEXT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1", {"a": 1}),
        ("a = -1.5e3 # comment\nb = true // comment\nc = null", {"a": -1500.0, "b": True, "c": None}),
        ("/* a\n = 1 */ b = false", {"b": False}),
        (r'a = "\n\t\"\\\u00e9"', {"a": '\n\t"\\é'}),
        ('"a b" = 1', {"a b": 1}),
        ("a { b = 1 c = 2 }", {"a": {"b": 1, "c": 2}}),
        ("a = { b = 1, c: 2, }", {"a": {"b": 1, "c": 2}}),
        ('a = [1, "b", { c = [] },]', {"a": [1, "b", {"c": []}]}),
        ("a {\n b = 1\n}\na {\n b = 2\n}\na { b = 3 }", {"a": [{"b": 1}, {"b": 2}, {"b": 3}]}),
        ('job "x" {\n group "y" { count = 1 }\n}', {"job": {"x": {"group": {"y": {"count": 1}}}}}),
        ('r "k" "a" { n = 1 }\nr "k" "b" { n = 2 }', {"r": {"k": {"a": {"n": 1}, "b": {"n": 2}}}}),
        ("a = <<EOF\n{\n  1\n}\nEOF\nb = 1", {"a": "{\n  1\n}\n", "b": 1}),
        ("a = <<-EOF\n    {\n      1\n    }\n  EOF\nb = 1", {"a": "{\n  1\n}\n", "b": 1}),
        ('a = "$${b} %%{c}"', {"a": "${b} %{c}"}),
        ('a = jsonencode({ b = [1, null], "c" : true })', {"a": '{"b": [1, null], "c": true}'}),
        ("a = 1\r\nb = 2\r\n", {"a": 1, "b": 2}),
        ("", {}),
    ],
)
def test_hcl_is_read(text: str, expected: dict[str, Any]) -> None:
    assert parse(text, "a.hcl") == expected


@pytest.mark.parametrize(
    "expression",
    [
        "var.mesh",
        'file("${path.module}/tracing.json")',
        '"http://${var.host}:9411"',
        '"${lookup(var.hosts, "a}")}"',
        "[for name in var.names : upper(name)]",
        "{ for name in var.names : name => 1 }",
        'var.a ? "b" : "c"',
        "1 + var.b",
        '"a" == var.b',
        "templatefile(\n  var.file,\n  { a = [1] }\n)",
        "local.entries[0].name",
        "-var.a",
        "(var.a)",
    ],
)
def test_expression_is_unevaluated(expression: str) -> None:
    assert parse(f"a = {expression}\nb = {{ c = {expression}, d = 1 }}\n", "a.tf") == {
        "a": Unevaluated(expression),
        "b": {"c": Unevaluated(expression), "d": 1},
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = { (var.b) = 1, c = 2 }", {"a": {"(var.b)": 1, "c": 2}}),
        ('a = { format("%s-%s", "b", c["d"]) = 1 }', {"a": {'format("%s-%s", "b", c["d"])': 1}}),
        ('a = { "${var.b}-c" = 1, var.d[0].e = 2 }', {"a": {'"${var.b}-c"': 1, "var.d[0].e": 2}}),
        ("größe = 1\n名 { b-c = 2 }", {"größe": 1, "名": {"b-c": 2}}),
        ('a = "${join(",", [\n  "b",\n])}"\nc = 1', {"a": Unevaluated('"${join(",", [\n  "b",\n])}"'), "c": 1}),
        ("a = var.b // c\nd = 1", {"a": Unevaluated("var.b"), "d": 1}),
        ("a = var.b /* c */\nd = 1", {"a": Unevaluated("var.b /* c */"), "d": 1}),
        ("a = [(b), c(d)]", {"a": [Unevaluated("(b)"), Unevaluated("c(d)")]}),
        ("a = yamlencode({ b = 1 })", {"a": '{"b": 1}'}),
        (r'a = "\101\x42"', {"a": "AB"}),
    ],
)
def test_hcl_2_of_terraform_is_read(text: str, expected: dict[str, Any]) -> None:
    assert parse(text, "a.tf") == expected


@pytest.mark.parametrize(("key", "reason"), [("(b", '")" is required'), ("b[c", '"]" is required'), ("b(", '")" is')])
def test_key_with_an_open_bracket_is_rejected(key: str, reason: str) -> None:
    with pytest.raises(CommandError) as error:
        parse(f"a = 1\n{key} = 1\n", "a.tf")
    assert f"a.tf:2: {reason}" in str(error.value)


def test_jsonencode_keeps_the_known_parts_of_its_argument() -> None:
    content = parse("a = jsonencode({ b = var.b, c = jsonencode({ d = 1 }) })", "a.tf")
    assert content["a"].encoded == {"b": Unevaluated("var.b"), "c": '{"d": 1}'}
    complete = parse("a = jsonencode({\n b = 1\n})", "a.tf")["a"]
    assert isinstance(complete, JsonText)
    assert isinstance(complete.encoded, Map)
    assert complete.encoded.lines == {"b": 2}


def test_labelled_block_after_repeated_blocks_is_read() -> None:
    content = parse('check {\n a = 1\n}\ncheck {\n a = 2\n}\ncheck "x" {\n a = 3\n}\n', "a.hcl")
    assert content["check"] == [{"a": 1}, {"a": 2}, {"x": {"a": 3}}]


def test_keys_have_lines() -> None:
    content = parse("# comment\na = <<EOF\n1\n2\nEOF\n\nb {\n  c = [\n    { d = 1 },\n  ]\n}\n", "a.hcl")
    assert content.lines == {"a": 2, "b": 7}
    assert content["b"].lines == {"c": 8}
    assert content["b"]["c"][0].lines == {"d": 9}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a = 1\nb {\n", '3: "}" is required before the end of the file'),
        ("a = [1", '1: "]" is required before the end of the file'),
        ("a = [1 2]", '1: "," or "]" is required in a list'),
        ("\na = ", "2: a value is required"),
        ("a = \n}", "2: a value is required"),
        ("a 1", '1: "=" or "{" is required after the key "a"'),
        ("}", '1: a key is required, got "}"'),
        ('a = "b\n"', "1: the text has no closing quote in its line"),
        ('a = "${b', "1: the template has no closing brace"),
        (r'a = "\q"', r'1: the escape "\q" is not supported'),
        ("a = <<EOF\nb\n", "1: the heredoc has no closing EOF"),
        ("a = b /* c", "1: the comment has no end"),
        ("a = (b\n/* c", "2: the comment has no end"),
        ("a = 1 /* c", "1: the comment has no end"),
        ("\n/* a", "2: the comment has no end"),
        ("a = < b", '1: a value is required, got "<"'),
        ("a = jsonencode({} {})", '1: ")" is required after the argument of jsonencode'),
    ],
)
def test_invalid_syntax_is_reported_with_its_line(text: str, reason: str) -> None:
    with pytest.raises(CommandError) as error:
        parse(text, "a.hcl")
    assert str(error.value) == f"consul-tracing: CT601: a.hcl:{reason}"


@given(st.text('ab={}[]"\\$%\n<-E#/*,:.1(') | st.text())
def test_any_text_is_read_or_rejected(text: str) -> None:
    try:
        parse(text, "a.hcl")
    except CommandError as error:
        assert "\n" not in str(error).strip().replace(text, "")


@given(JSON)
def test_json_is_read_with_the_values_of_the_standard_library(value: object) -> None:
    for indent in (None, 2):
        assert parse_json(json.dumps(value, indent=indent), "a.json") == value


def test_json_has_no_templates_and_has_lines() -> None:
    content = parse_json('{"a": "${b}",\n\t"c": "\\ud83d\\ude00\\/"}', "a.json", first_line=5)
    assert content == {"a": "${b}", "c": "\U0001f600/"}
    assert isinstance(content, Map)
    assert content.lines == {"a": 5, "c": 6}


def test_invalid_json_is_reported_with_its_line() -> None:
    with pytest.raises(CommandError, match=r"CT601: a.json:2: Expecting ':' delimiter"):
        parse_json('{"a": 1,\n"b" 2}', "a.json")


@given(st.dictionaries(NAME | TEXT, TEXT | st.integers() | st.booleans() | st.lists(st.integers(), min_size=2)))
def test_rendered_hcl_is_read_back(config: dict[str, Any]) -> None:
    config = {
        key: value for key, value in config.items() if "${" not in f"{key}{value}" and "%{" not in f"{key}{value}"
    }
    text = as_hcl(Entry("proxy-defaults", "global", {"Config": config}))
    assert parse(text, "a.hcl")["Config"] == config
