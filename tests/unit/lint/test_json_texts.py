"""JSON in the tracing keys that cannot be read: the words, the line in the file, and the fix."""

import json

import pytest

from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.findings import Finding
from tests.unit.cli.test_lint_inputs import CONFIG, block, entry, manifest, tracer

INDENTED = json.dumps(json.loads(tracer()), indent=2)
COMMA = INDENTED.replace("true", "true,")
ESCAPED = tracer().replace('"', '\\"')
NO_COMMA = INDENTED.replace('"zipkin",', '"zipkin"')


def lint(text: str, form: str) -> list[Finding]:
    return check_texts({f"mesh.{form}": text}).findings


def fixed(text: str, form: str) -> str:
    checked = check_texts({f"mesh.{form}": text}, fix=True)
    assert checked.findings == []
    return checked.changes[f"mesh.{form}"][1]


def quoted(text: str) -> str:
    """Return a manifest whose tracer is single-quoted YAML."""
    head, _, rest = manifest().partition("    envoy_tracing_json: |\n")
    return f"{head}    envoy_tracing_json: '{text}'\n{rest.split(chr(10), 1)[1]}"


@pytest.mark.parametrize(
    ("text", "form"),
    [(quoted(ESCAPED), "yaml"), (manifest(tracing=ESCAPED), "yaml"), (block(tracing=ESCAPED), "hcl")],
)
def test_backslashes_are_named_and_removed(text: str, form: str) -> None:
    (found,) = lint(text, form)
    assert (found.code, found.issue.path[-1]) == ("CT302", "envoy_tracing_json")
    assert found.issue.reason == (
        "must be valid JSON, got backslashes before the quotes: single-quoted YAML, `|` and heredocs need none"
    )
    assert "\\" not in fixed(text, form)


@pytest.mark.parametrize(
    "text", [COMMA, INDENTED.replace("\n    }", ",\n    }"), INDENTED.rstrip("}\n ") + "}, \n}\n}"]
)
def test_trailing_comma_is_named_with_its_line_and_removed(text: str) -> None:
    for content, form in ((block(tracing=text), "hcl"), (manifest(tracing=text.replace("\n", "\n      ")), "yaml")):
        (found,) = lint(content, form)
        assert found.issue.reason.startswith("must be valid JSON, got a comma after the last member")
        assert "," in content.splitlines()[(found.line or 1) - 1]
        assert lint(fixed(content, form), form) == []


def test_text_with_a_comma_before_a_bracket_is_kept() -> None:
    text = tracer(collector_hostname="a,}").replace("true,", "true,").replace('"a,}"', '"a,}",')
    assert '"a,}"' in fixed(block(tracing=text), "hcl")


def test_error_in_a_heredoc_has_the_line_of_the_file() -> None:
    for content, form in (
        (block(tracing=NO_COMMA), "hcl"),
        (manifest(tracing=NO_COMMA.replace("\n", "\n      ")), "yaml"),
    ):
        (found,) = lint(content, form)
        assert '"collector_endpoint"' in content.splitlines()[(found.line or 1) - 1]
        assert "line" not in found.issue.reason


def test_error_in_escaped_text_has_the_line_of_the_text() -> None:
    (found,) = lint(entry(tracing=NO_COMMA), "json")
    assert found.issue.reason.endswith("in line 7 of the text")


def test_error_in_an_element_of_several_clusters_has_its_line() -> None:
    clusters = CONFIG["envoy_extra_static_clusters_json"]
    text = f'{clusters},\n{{"name": }}'
    content = block(extra_static_clusters=text)
    (found,) = lint(content, "hcl")
    assert content.splitlines()[(found.line or 1) - 1] == '{"name": }'
