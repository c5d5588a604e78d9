"""The first construct that Consul's parser of HCL 1 refuses. Each text was given to `consul config write` of 1.22.7."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consul_tracing.files.hcl1 import first_refused
from tests.unit.cli.test_lint import lint

ENTRY = 'Kind = "proxy-defaults"\nName = "global"\n'


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a = 1\nb = http", 2, "got the word http. Write"),
        ("a = [http]", 1, "got the word http"),
        ("a { b = null }", 1, "got null. Remove the key"),
        ("a = jsonencode({})", 1, "got the function jsonencode()"),
        ('a = file("b")', 1, "got the function file()"),
        ("a = 'b'", 1, "double quotes, got a single quote"),
        ('\n\na: "b"', 3, '"=" is required after a key, got ":"'),
        ("a = 1 + 2", 1, 'an expression is not supported, got "+"'),
        ('a = true ? "b" : "c"', 1, 'an expression is not supported, got "?"'),
        ("a = (1)", 1, 'an expression is not supported, got "("'),
        ("a = b.c", 1, "got the word b.c"),
        ("a = -b", 1, 'an expression is not supported, got "-"'),
        ("a", 1, 'after the key "a", got the end of the text'),
        ("a b = 1", 1, '"{" is required after the keys "a b", got "="'),
        ("= 1", 1, 'a key is required, got "="'),
        ("true = 1", 1, 'a key is required, got "true"'),
        ("a {", 1, "a key is required, got the end of the text"),
        ("a { b = }", 1, 'got "}"'),
        ("a { b }", 1, 'after the key "b", got "}"'),
        ("a = [1 2]", 1, '"," or "]" is required in a list, got "2"'),
        ("a = [{} {}]", 1, '"," or "]" is required'),
        ("a = [b = 1]", 1, "got the word b"),
        ("a = 08", 1, "no leading 0, got 08"),
        ("a = 9223372036854775808", 1, "at most 64 bits"),
        ("a = 1e400", 1, "at most 64 bits"),
        ("a = 1e", 1, "digits after 1e"),
        ("a = 0x", 1, "digits after 0x"),
        ('a = "b\n"', 1, "no closing quote in its line"),
        (r'a = "\/"', 1, r'the escape "\/" is not supported'),
        (r'a = "\777"', 1, r'the escape "\7" is not supported'),
        (r'a = "\U00110000"', 1, r'the escape "\U" is not supported'),
        ('a = "${b"', 1, "no closing quote"),
        ("a = <<EOF\nb\n", 1, "no line with EOF only at its end"),
        ("a = <<EOF\nb\nEOF", 1, "no line with EOF only at its end"),
        ("a = <<-EOF\nb\nEOF\n", 1, "no line with EOF only at its end"),
        ("a = <<EO-F\nb\nEO-F\n", 1, "a heredoc starts with << and a word"),
        ("a = 1 /* b", 1, "the comment has no end"),
        ("a = 1 / 2", 1, 'an expression is not supported, got "/"'),
        ("a = 1;", 1, "';' is not a character"),
        ("\ufeffa = 1", 1, "is not a character"),
        ("a = 1\n# \0", 2, "is not supported"),
    ],
)
def test_first_construct_that_consul_refuses_is_named_with_its_line(text: str, line: int, reason: str) -> None:
    found = first_refused(text)
    assert found is not None
    assert found[0] == line
    assert reason in found[1]
    assert found[1].startswith("Consul reads HCL 1: ")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# a\n// b\n/* c\n*/",
        'a = 1, b = "c" d = true',
        "a = 1b = 2",
        "größe = 1\na-b.c = 2",
        'a "b" c { d = 1 }',
        "a = [,]",
        "a = [1,,2,]",
        "a = [[1] [2]]",
        "a = 0x1F b = 010 c = -1.5e-3 d = .5 e = 1.",
        r'a = "\a\b\f\n\r\t\v\\\"\101\x41\u00e9\U0001f600"',
        'a = "%{b} $${c} ${d("e")\n}"',
        "a = <<EOF\nb\n  EOF\n",
        "a = <<-EOF\n  b\n  EOF\r\n",
        "a =",
        '"a" = ',
        "a = 1\n\tb = 2\r\n",
    ],
)
def test_text_that_consul_parses_is_not_refused(text: str) -> None:
    assert first_refused(text) is None


@pytest.mark.parametrize(
    "text",
    [
        f"{ENTRY}Config {{ protocol = http }}",
        f"{ENTRY}Config {{ envoy_stats_config_json = jsonencode({{ stats_tags = [] }}) }}",
        f"{ENTRY}MeshGateway = null",
        "Kind = 'proxy-defaults'\nName = 'global'",
        'Kind: "proxy-defaults"\nName: "global"',
        'Name = "global"\nConfig { protocol = http }',
        'config_entries {\n bootstrap { kind = "proxy-defaults" name = "global" config { protocol = http } }\n}',
        'service {\n name = "web"\n port = var.port\n proxy { config { protocol = "http" } }\n}',
        f"X\n{ENTRY}",
        f"{ENTRY}Config {{",
    ],
)
def test_file_that_consul_refuses_is_an_error(text: str) -> None:
    assert {"CT336", "CT353"} & {one.code for one in lint(text)}


@pytest.mark.parametrize("form", ["tf", "nomad"])
def test_file_of_terraform_or_nomad_is_not_hcl_1(form: str) -> None:
    text = 'service {\n name = "web"\n port = var.port\n proxy { config { protocol = "http" } }\n}'
    assert lint(text, form) == []


def test_hcl_in_a_config_map_is_refused_at_its_line() -> None:
    text = """apiVersion: v1
kind: ConfigMap
metadata: {name: consul}
data:
  mesh.hcl: |
    Kind = "proxy-defaults"
    Name = "global"
    Config { protocol = http }
"""
    (found,) = lint(text, "yaml")
    assert (found.code, found.line) == ("CT353", 8)


def test_values_of_hcl_1_are_those_of_consul() -> None:
    assert lint(f'{ENTRY}Config {{ a = 0x1F b = "%{{" c = [[1] [2]] d = .5 }}') == []
    assert lint('{"Kind": "proxy-defaults", "Name": "global", "Config": {"protocol": "http"}}') == []


@given(st.text('ab={}[]"\\$%\n<-E#/*,:.1(0x ') | st.text())
def test_any_text_has_a_verdict(text: str) -> None:
    found = first_refused(text)
    assert found is None or 1 <= found[0] <= text.count("\n") + 1
