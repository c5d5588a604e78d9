"""Fixes of files: which are written, which are promised, and what they cost."""

import ast
import json
from pathlib import Path

import pytest

from consul_tracing.files.document import Document
from consul_tracing.files.documents import read_documents
from consul_tracing.lint import checks, fixes
from consul_tracing.lint.checks import Checked, check_texts
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.lint.fixes import FIXABLE, fixed
from consul_tracing.severities import Severity
from tests.unit.cli.test_lint import fix_texts
from tests.unit.cli.test_lint_inputs import block, cluster, entry, listener, manifest, service, tracer

V2_TYPE = tracer().replace("trace.v3", "trace.v2")


def codes(checked: Checked) -> tuple[list[str], list[str]]:
    """Return the codes of what is fixed and of what remains."""
    return [one.code for one in checked.fixed], [one.code for one in checked.findings]


CLUSTERS = "envoy_extra_static_clusters_json"


def promised(checked: Checked) -> list[str]:
    return [one.code for one in checked.findings if one.issue.replacement]


@pytest.mark.parametrize(
    "second", ["envoy_extra_static_clusters_json", "Envoy_Extra_Static_Clusters_JSON", "envoy_extra_static_clustr_json"]
)
def test_misspelt_key_beside_the_right_one_is_not_renamed(second: str) -> None:
    """The second key would replace the first one, and send the spans to another collector."""
    keys = f"envoy_extra_static_cluster_json = <<EOF\n{cluster('old.example')}\nEOF\n{second} = "
    text = block().replace("envoy_extra_static_clusters_json = ", keys)
    checked = check_texts({"mesh.hcl": text}, fix=True)
    assert (checked.changes, checked.fixed) == ({}, [])
    assert promised(check_texts({"mesh.hcl": text})) == []


def test_error_may_become_a_warning() -> None:
    text = block(tracing=V2_TYPE.replace("true", "false"))
    assert promised(check_texts({"mesh.hcl": text})) == ["CT306"]
    assert codes(check_texts({"mesh.hcl": text}, fix=True)) == (["CT306"], ["CT315"])


def test_fixes_that_appear_one_after_the_other_are_all_written() -> None:
    hidden = V2_TYPE.replace("envoy.tracers.zipkin", "envoy.zipkin").replace("v2/spans", "v1/spans")
    text = manifest(tracing=hidden).replace("{name: global}", "{name: global} # was envoy.zipkin at /api/v1/spans")
    checked = check_texts({"mesh.yaml": text}, fix=True)
    assert codes(checked) == (["CT306", "CT307", "CT314"], [])
    assert "# was envoy.zipkin at /api/v1/spans" in checked.changes["mesh.yaml"][1]
    assert promised(check_texts(fix_texts({"mesh.yaml": text}))) == []


def test_fix_that_does_not_remove_its_finding_is_neither_written_nor_promised() -> None:
    text = entry(tracing=tracer(collector_endpoint="/api/v1/spans")).replace("/api/v1", "\\/api\\/v1")
    checked = check_texts({"mesh.json": text})
    assert (codes(checked)[1], promised(checked)) == (["CT314"], [])
    assert check_texts({"mesh.json": text}, fix=True).changes == {}


def test_one_fix_that_is_rejected_does_not_prevent_the_others() -> None:
    bad = block(tracing=tracer(collector_endpoint="/api/v1/spans"))
    texts = {"a/mesh.hcl": bad, "b/mesh.hcl": bad.replace("envoy_tracing_json", "Envoy_tracing_json")}
    assert codes(check_texts(texts, fix=True))[0] == ["CT314", "CT314"]
    registrations = [json.loads(f'{{"name": "{name}"}}') for name in "abcde"]
    for number, one in enumerate(registrations):
        uri = "/api/v1/spans" if number != 2 else "/api/v1/spans?a"
        one["proxy"] = {"config": {"envoy_tracing_json": tracer(collector_endpoint=uri)}}
    text = json.dumps(registrations)
    checked = check_texts({"mesh.hcl": block(), "web.json": text}, fix=True)
    assert len(checked.fixed) == checked.changes["web.json"][1].count("/api/v2/spans") >= 4


def test_fix_that_removes_lines_keeps_the_places_of_the_others() -> None:
    brackets = f"[\n\n{cluster()}\n\n]"
    one = service(tracing=tracer(collector_endpoint="/api/v1/spans"), extra_static_clusters=brackets)
    checked = check_texts({"web.hcl": one * 3}, fix=True)
    assert (sorted(codes(checked)[0]), codes(checked)[1]) == (["CT309"] * 3 + ["CT314"] * 3, [])


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("inner", [cluster(), json.dumps(json.loads(cluster()), indent=2), f"\n{cluster()}\n\n"])
def test_indented_lines_are_fixed_and_keep_their_indentation(inner: str, line_end: str) -> None:
    clusters = f"[\n{inner}\n]".replace("\n", "\n      ").replace("\n      \n", "\n\n")
    text = manifest(extra_static_clusters=clusters).replace("\n", line_end)
    checked = check_texts({"mesh.yaml": text}, fix=True)
    assert codes(checked) == (["CT309"], [])
    assert json.loads(cluster()) == json.loads(
        read_documents(checked.changes["mesh.yaml"][1], "a.yaml")[0].fields["Config"][CLUSTERS]
    )
    assert checked.changes["mesh.yaml"][1].count(line_end) == checked.changes["mesh.yaml"][1].count("\n")


def test_fixed_finding_has_its_former_line_and_replacement() -> None:
    text = block(tracing=tracer(collector_endpoint="/api/v1/spans"))
    (one,) = check_texts({"mesh.hcl": text}, fix=True).fixed
    assert (one.line, one.issue.replacement) == (5, ("/api/v1/spans", "/api/v2/spans"))


def test_fix_of_proxy_defaults_is_checked_with_its_own_keys() -> None:
    misspelt = block().replace("envoy_tracing_json", "envoy_tracing_jsn")
    texts = {"web.hcl": service(listener_tracing=listener()), "mesh.hcl": misspelt}
    assert codes(check_texts(texts, fix=True)) == (["CT325"], [])


def test_warning_does_not_become_another_warning() -> None:
    def lint(text: str) -> list[Finding]:
        if "new" in text:
            return [Finding(Issue("CT308", (), "other", severity=Severity.WARNING), "file", 1, "entry")]
        return [Finding(Issue("CT307", (), "one", replacement=("old", "new")), "file", 1, "entry")]

    assert fixed("old", lint("old"), lint) == ("old", [])


@pytest.mark.parametrize("in_one_file", [True, False])
def test_cost_of_fixes_is_linear(monkeypatch: pytest.MonkeyPatch, *, in_one_file: bool) -> None:
    bad = service(tracing=tracer(collector_endpoint="/api/v1/spans"))
    registrations = [bad.replace('"web"', f'"web-{number}"') for number in range(200)]
    texts = {f"{number}.hcl": text for number, text in enumerate(registrations)}
    if in_one_file:
        texts = {"all.hcl": "".join(registrations)}
    read: list[str] = []

    def counted(text: str, file: str) -> tuple[list[Document], list[Finding]]:
        read.append(file)
        return original(text, file)

    original = checks.read
    monkeypatch.setattr(checks, "read", counted)
    assert len(check_texts(texts, fix=True).fixed) == 200
    # Each text as it is, with its fixes, and at the end.
    assert len(read) == 3 * len(texts)


def test_fixable_codes_are_those_of_issues_with_a_replacement() -> None:
    calls = (
        node
        for file in Path(fixes.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Call) and any(one.arg == "replacement" for one in node.keywords)
    )
    created = {one.args[0].value for one in calls if one.args and isinstance(one.args[0], ast.Constant)}
    assert created == FIXABLE
