"""The options of `consul-tracing lint`: which files are read, which findings fail, and the output formats."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from consul_tracing.cli.lint import linting
from consul_tracing.cli.lint.report import as_github, as_json, as_text, file_uri
from consul_tracing.cli.selection import is_excluded, selected
from consul_tracing.codes import page_of
from consul_tracing.errors import CommandError
from consul_tracing.lint.checks import Checked, check_texts
from consul_tracing.lint.findings import Finding, Issue
from tests.command_line import consul_tracing
from tests.unit.cli.test_lint_inputs import block, cluster, defaults, entry, tracer, write

V1 = tracer(collector_endpoint="/api/v1/spans")
WARNING = {"mesh.hcl": block(extra_static_clusters=cluster("127.0.0.1"))}
ERROR = {"mesh.hcl": block(tracing=V1)}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def findings(*arguments: str) -> list[tuple[str, str]]:
    found = json.loads(consul_tracing("lint", *arguments, "--format", "json").stdout)["findings"]
    return [(one["file"], one["code"]) for one in found]


@pytest.mark.parametrize(
    ("files", "options", "exit_code"),
    [
        (WARNING, (), 1),
        (WARNING, ("--fail-on", "warning"), 1),
        (WARNING, ("--fail-on", "error"), 0),
        (ERROR, ("--fail-on", "error"), 1),
        (WARNING, ("--ignore", "CT317"), 0),
        (WARNING, ("--ignore", "ct340, ct317"), 0),
        (WARNING, ("--ignore", "CT340", "--ignore", "CT317"), 0),
        (WARNING, ("--ignore", "CT340"), 1),
        (WARNING, ("--exclude", "mesh.*"), 0),
    ],
)
def test_exit_code(here: Path, files: dict[str, str], options: tuple[str, ...], exit_code: int) -> None:
    write(here, {**files, "web.json": defaults("http")})
    assert consul_tracing("lint", ".", *options).exit_code == exit_code


def test_exclude_of_every_argument_is_an_error(here: Path) -> None:
    write(here, {"mesh.hcl": defaults("http")})
    with pytest.raises(CommandError, match="nothing is checked, because --exclude matches every argument"):
        consul_tracing("lint", "mesh.hcl", "--exclude", "*")


@pytest.mark.parametrize("code", ["CT101", "317", "", "all"])
def test_code_that_lint_does_not_have_cannot_be_ignored(code: str) -> None:
    with pytest.raises(CommandError, match=f'--ignore must be codes of lint, got "{code.upper()}"'):
        consul_tracing("lint", "-", "--ignore", code)


def test_ignored_findings_are_counted_and_kept_with_their_reason(here: Path) -> None:
    write(here, {"a/mesh.hcl": f"# consul-tracing: ignore=CT317 beside every proxy\n{WARNING['mesh.hcl']}"})
    write(here, {"b/mesh.json": entry(extra_static_clusters=cluster("127.0.0.1"))})
    shown = consul_tracing("lint", ".", "--ignore", "CT317")
    assert (shown.stdout, shown.exit_code) == ("No findings, 2 ignored. Checked: 2 entries in 2 files\n", 0)
    ignored = json.loads(consul_tracing("lint", ".", "--ignore", "CT317", "--format", "json").stdout)["ignored"]
    assert [(one["file"], one["code"], one["ignored"]) for one in ignored] == [
        ("a/mesh.hcl", "CT317", "beside every proxy"),
        ("b/mesh.json", "CT317", "--ignore"),
    ]


def test_files_of_a_directory_are_read_by_their_suffixes_in_any_case(here: Path) -> None:
    read = [
        "A.HCL",
        "a.Json",
        "a.tofu",
        "a.tf.json",
        "a.nomad.tpl",
        "a.hcl.tpl",
        "a.json.tmpl",
        "a.yaml.j2",
        "a.yml.erb",
    ]
    skipped = ["a.hcl.bak", "mesh.yaml.orig"]
    write(here, dict.fromkeys([*read, *skipped, "a.txt", "b.tpl", "c.conf.ctmpl", "hcl", "a.hclx"], ""))
    write(here, dict.fromkeys([".git/a.hcl", ".terraform/a.tf", "b/node_modules/c/a.json", ".hidden/b/a.hcl"], ""))
    write(here, {"venv/pyvenv.cfg": "", "venv/lib/a.json": ""})
    assert selected(["."]) == {".": sorted([*read, *skipped, "b.tpl", "c.conf.ctmpl"])}
    write(here, {"A.HCL": block(), "a.hcl.bak": block()})
    assert sorted(findings(".")) == [(name, "CT330") for name in skipped]
    assert findings("a.hcl.bak") == []
    write(here, {"b.tpl": block(tracing=V1)})
    assert ("b.tpl", "CT314") in findings(".")
    named = {".hidden": [".hidden/b/a.hcl"], "b/node_modules": ["b/node_modules/c/a.json"]}
    assert selected(named) == named


@pytest.mark.parametrize(
    ("glob", "path", "expected"),
    [
        ("*.tf", "a/b.tf", True),
        ("b", "a/b/c.hcl", True),
        ("b/", "a/b/c.hcl", True),
        ("a/b", "a/b/c.hcl", True),
        ("./a/b", "a/b/c.hcl", True),
        ("a/*/c.hcl", "a/b/c.hcl", True),
        ("b/*.hcl", "a/b/c.hcl", True),
        ("**/test/**", "a/test/c.hcl", True),
        ("c", "a/b/c.hcl", False),
        ("a/c", "a/b/c.hcl", False),
        ("*.hcl", "a.hcl/b.tf", True),
        ("/b", "a/b/c.hcl", False),
    ],
)
def test_glob_excludes_files_and_directories(glob: str, path: str, *, expected: bool) -> None:
    assert is_excluded(path, [glob]) is expected


def test_excluded_files_are_not_read_also_if_they_are_named(here: Path) -> None:
    write(here, {"a/mesh.hcl": ERROR["mesh.hcl"], "b/mesh.hcl": ERROR["mesh.hcl"]})
    assert findings("a", "b", "a/mesh.hcl", "--exclude", "a") == [("b/mesh.hcl", "CT314")]
    assert findings(str(here), "--exclude", here.name) == [(str(here / f"{name}/mesh.hcl"), "CT314") for name in "ab"]


def test_file_that_is_not_text_is_a_finding_beside_the_others(here: Path) -> None:
    write(here, ERROR)
    Path("latin.yaml").write_bytes("kind: ProxyDefaults # Größe".encode("latin-1"))
    Path("utf16.hcl").write_bytes('Kind = "proxy-defaults"'.encode("utf-16"))
    assert sorted(findings(".")) == [("latin.yaml", "CT336"), ("mesh.hcl", "CT314"), ("utf16.hcl", "CT336")]
    assert "latin.yaml:1: error CT336: the text must be UTF-8" in consul_tracing("lint", "latin.yaml").stdout


def test_file_without_permission_is_a_finding_in_a_directory_and_an_error_if_it_is_named(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(here, {"a.hcl": "", **ERROR})
    read_bytes = Path.read_bytes

    def without_permission(path: Path) -> bytes:
        if path.name == "a.hcl":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", without_permission)
    assert findings(".") == [("mesh.hcl", "CT314"), ("a.hcl", "CT336")]
    with pytest.raises(CommandError, match="a.hcl cannot be read: Permission denied"):
        consul_tracing("lint", "a.hcl")


def test_diff_shows_the_fixes_and_writes_nothing(here: Path) -> None:
    write(here, {"mesh.hcl": block(tracing=V1).rstrip("\n"), "a/mesh.json": entry()})
    before = Path("mesh.hcl").read_bytes()
    shown = consul_tracing("lint", ".", "--diff")
    assert (shown.exit_code, Path("mesh.hcl").read_bytes()) == (1, before)
    assert [line[:1] for line in shown.stdout.splitlines()].count("+") == 2
    subprocess.run(["patch", "-p1"], input=shown.stdout.encode(), check=True, capture_output=True)  # noqa: S607
    patched = Path("mesh.hcl").read_bytes()
    Path("mesh.hcl").write_bytes(before)
    consul_tracing("lint", ".", "--fix")
    assert Path("mesh.hcl").read_bytes() == patched != before
    assert consul_tracing("lint", ".", "--diff").stdout == ""


@pytest.mark.parametrize("options", [("mesh.hcl", "--fix"), ("mesh.hcl", "--format", "json"), ("--consul",)])
def test_diff_conflicts_with_other_outputs(options: tuple[str, ...]) -> None:
    with pytest.raises(CommandError, match="--diff requires files"):
        consul_tracing("lint", "--diff", *options)


def test_fix_reports_what_it_changed_and_where(here: Path) -> None:
    write(here, {"mesh.hcl": block(tracing=V1.replace("envoy.tracers.zipkin", "envoy.zipkin"))})
    place = "Config.envoy_tracing_json.http"
    shown = consul_tracing("lint", "mesh.hcl", "--fix")
    assert (shown.exit_code, shown.stdout.splitlines()) == (
        0,
        [
            f'mesh.hcl:5: fixed CT307: {place}.name: "envoy.zipkin" → "envoy.tracers.zipkin"',
            f'mesh.hcl:5: fixed CT314: {place}.typed_config.collector_endpoint: "/api/v1/spans" → "/api/v2/spans"',
            "No findings, 2 fixed. Checked: 1 entry in 1 file",
        ],
    )


def test_live_findings_promise_no_fix_and_may_be_ignored(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replaced = Issue("CT314", (), "reason", replacement=("/api/v1/spans", "/api/v2/spans"))
    live = [Finding(replaced, "http://consul", None, "proxy-defaults/global")]
    monkeypatch.setattr(linting, "lint_consul", lambda _oldest, _judge: Checked(live, live={"Consul": 1}))
    write(here, {"web.json": defaults("http")})
    shown = consul_tracing("lint", "web.json", "--consul", "--fix")
    assert (shown.exit_code, "--fix" in shown.stdout) == (1, False)
    ignored = consul_tracing("lint", "--consul", "--ignore", "CT314")
    assert (ignored.exit_code, ignored.stdout) == (0, "No findings, 1 ignored. Checked: 1 entry in Consul\n")


def finding(reason: str = "reason", file: str = "mesh.hcl", path: tuple[str, ...] = ("Config",)) -> Checked:
    return Checked([Finding(Issue("CT314", path, reason), file, 7, "proxy-defaults/global")])


def test_findings_are_workflow_commands_of_github() -> None:
    fix = f"Set `collector_endpoint: /api/v2/spans`. {page_of('CT314')}"
    title = "title=CT314%3A Spans are sent to Zipkin's former path"
    (line, summary) = as_github(finding("is 100%\r\n::set-env name=A::b", "a,b:c%\n.hcl"))
    assert line == (
        f"::error file=a%2Cb%3Ac%25%0A.hcl,line=7,{title}::Config is 100%25%0D%0A::set-env name=A::b. {fix}"
    )
    assert summary == "1 error. Checked: nothing"
    live = Checked([Finding(Issue("CT328", (), "reason"), "http://consul", None, "services")])
    assert next(as_github(live)).startswith("::warning title=CT328%3A Undeclared services are HTTP::reason. ")


INJECTED = [
    "a\n::error::pwned",
    "a\r::error::pwned",
    "\x1b[2J\u2028::warning::x\u202e",
    "##[error]pwned",
    "##vso[task]x",
    "\ud800",
]


@pytest.mark.parametrize("text", INJECTED)
@pytest.mark.parametrize("output", [as_text, as_github, lambda checked: as_json(checked).splitlines()])
def test_no_name_reaches_the_terminal_or_is_a_command_of_a_ci_system(text: str, output: object) -> None:
    checked = finding(text, text, (text,))
    assert callable(output)
    for line in map(str, output(checked)):
        assert line.isprintable()
        assert "##[" not in line
        assert "##vso[" not in line
        assert line.lstrip().startswith("::") == (output is as_github and line != "1 error. Checked: nothing")


def test_credential_in_a_replacement_is_not_shown() -> None:
    secret = json.dumps({"name": "zipkin", "password": "hunter2", "typed_config": {"token": "hunter3"}})
    text = block(extra_static_clusters=f"[{secret}]")
    for checked in (check_texts({"mesh.hcl": text}), check_texts({"mesh.hcl": text}, fix=True)):
        for output in (as_json(checked), *map(str, as_text(checked)), *as_github(checked)):
            assert "hunter" not in output


def test_text_has_the_address_of_each_code_once() -> None:
    lines = list(map(str, as_text(Checked([*finding().findings, *finding().findings]))))
    assert [line for line in lines if "https://" in line] == [f"CT314: {page_of('CT314')}"]


def test_uri_of_a_file_is_encoded_and_relative_to_the_checkout(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in ("a b/ü%.hcl", "./a b/ü%.hcl", str(here / "a b/ü%.hcl")):
        assert file_uri(file) == "a%20b/%C3%BC%25.hcl"
    assert (file_uri("a/../b.hcl"), file_uri("a:b.hcl"), file_uri("/a b.hcl")) == (
        "b.hcl",
        "a%3Ab.hcl",
        "file:///a%20b.hcl",
    )
    assert file_uri("../a.hcl") == (here.parent / "a.hcl").as_uri()
    assert file_uri(os.fsdecode(b"\xff.hcl")) == "%FF.hcl"
    monkeypatch.setenv("GITHUB_WORKSPACE", str(here.parent))
    assert (file_uri("../a.hcl"), file_uri("a.hcl")) == ("a.hcl", f"{here.name}/a.hcl")
    assert f"file={here.name}/mesh.hcl," in next(as_github(finding()))


def test_sarif_has_the_address_of_the_rule_and_the_uri_of_the_file(here: Path) -> None:
    write(here, {"a b/mesh.hcl": ERROR["mesh.hcl"]})
    (run,) = json.loads(consul_tracing("lint", ".", "--format", "sarif").stdout)["runs"]
    assert run["tool"]["driver"]["rules"][0]["helpUri"] == page_of("CT314")
    (location,) = run["results"][0]["locations"]
    assert location["physicalLocation"]["artifactLocation"] == {"uri": "a%20b/mesh.hcl"}
