"""Comments that ignore findings."""

import pytest

from consul_tracing.lint.checks import check_texts
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.lint.ignores import Comment, comments, divided

SERVICE = 'Kind = "service-defaults"\nName = "web"\nProtocol = "https"\n'


@pytest.mark.parametrize(
    ("line", "codes", "reason"),
    [
        ("# consul-tracing: ignore=CT317 beside every proxy", ("CT317",), "beside every proxy"),
        ("# consul-tracing: ignore=CT317", ("CT317",), ""),
        ("#consul-tracing:ignore=ct317,CT340 - both", ("CT317", "CT340"), "both"),
        ("// consul-tracing: ignore=CT317, CT340: both", ("CT317", "CT340"), "both"),
        ("/* consul-tracing: ignore=CT317 in HCL */", ("CT317",), "in HCL"),
        ('Name = "web" # consul-tracing: ignore=CT332 later', ("CT332",), "later"),
        ("{{/* consul-tracing: ignore=CT330 a chart */}}", ("CT330",), "a chart"),
        ("{{- /* consul-tracing: ignore = CT330 a chart */ -}}", ("CT330",), "a chart"),
        ("# consul-tracing: ignore CT317", (), "ignore CT317"),
        ("# consul-tracing: ignore=CT317;CT318", (), "ignore=CT317;CT318"),
        ("# consul-tracing: ignore=all", (), "ignore=all"),
    ],
)
def test_comment_has_codes_and_a_reason(line: str, codes: tuple[str, ...], reason: str) -> None:
    assert comments(f"first\n{line}\r\nlast", "mesh.hcl") == [Comment(2, codes, reason)]


@pytest.mark.parametrize("line", ["# consul-tracing: ignored", "# ignore=CT317", "consul-tracing: ignore=CT317"])
def test_other_text_is_no_comment(line: str) -> None:
    assert comments(line, "mesh.yaml") == []


def test_json_has_no_comments() -> None:
    text = '{"Kind": "service-defaults", "Name": "web", "Protocol": "# consul-tracing: ignore=CT332"}'
    assert comments(text, "web.json") == comments(text, "-") == []
    assert [one.code for one in check_texts({"web.json": text}).findings] == ["CT332"]


def test_comment_ignores_its_file_and_keeps_the_reason() -> None:
    checked = check_texts({"a.hcl": f"# consul-tracing: ignore=CT332 soon\n{SERVICE}", "b.hcl": SERVICE})
    assert [(one.file, one.code) for one in checked.findings] == [("b.hcl", "CT332")]
    assert [(one.finding.file, one.finding.code, one.reason) for one in checked.ignored] == [("a.hcl", "CT332", "soon")]


@pytest.mark.parametrize(
    ("comment", "reasons"),
    [
        ("ignore=CT332,CT317", ["ignores CT317, which the file does not have"]),
        ("ignore=CT999", ["ignores CT999, which is not a code"]),
        ("ignore: CT332", ['must be "ignore=CT317 reason", got "ignore: CT332"']),
        ("ignore=CT327", []),
    ],
)
def test_comment_without_effect_is_reported_at_its_line(comment: str, reasons: list[str]) -> None:
    found = check_texts({"a.hcl": f"{SERVICE}# consul-tracing: {comment}\n"}).findings
    assert [(one.line, one.issue.reason) for one in found if one.code == "CT390"] == [(4, one) for one in reasons]


def test_file_that_cannot_be_read_may_be_accepted() -> None:
    text = "# consul-tracing: ignore=CT336 generated\nkind: ["
    assert check_texts({"a.yaml": text}).findings == []


def test_codes_of_a_run_ignore_all_files_also_comments_without_effect() -> None:
    found = [Finding(Issue(code, (), "reason"), "a.hcl", 1, "a") for code in ("CT317", "CT340")]
    remaining, ignored = divided(found, {"a.hcl": [Comment(1, ("CT315",), "")]}, {"CT317", "CT390"})
    assert [one.code for one in remaining] == ["CT340"]
    assert [(one.finding.code, one.reason) for one in ignored] == [("CT317", "--ignore")]


def test_ignored_finding_is_not_fixed() -> None:
    text = 'Kind = "proxy-defaults"\nName = "global"\nConfig {\nenvoy_tracing_jsn = ""\n}\n'
    assert [one.code for one in check_texts({"a.hcl": text}, fix=True).fixed] == ["CT325"]
    accepted = f"{text}# consul-tracing: ignore=CT325\n"
    assert check_texts({"a.hcl": accepted}, fix=True).changes == {}
