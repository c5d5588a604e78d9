"""The verdict of `consul-tracing lint`: what was checked, exit codes, and output that is safe to print."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

import consul_tracing.cli
from consul_tracing.cli import app
from consul_tracing.codes import install_command
from consul_tracing.errors import printable
from consul_tracing.files.documents import read_file
from consul_tracing.lint import checks
from tests.unit.test_cli import Run

ENTRY = 'Kind = "service-defaults"\nName = "web"\nProtocol = "http"\n'
NAMELESS = "consul-tracing: CT601: {} contains no config entry and no configuration of a proxy\n"


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_summary_counts_entries_and_files(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "a.hcl").write_text(ENTRY)
    (directory / "b.json").write_text(json.dumps([{"Kind": "mesh"}, {"Kind": "mesh", "Partition": "a"}]))
    (directory / "c.json").write_text("{}")
    run = Run(capsys, "lint", ".")
    assert (run.code, run.out) == (0, "No findings. Checked: 3 entries in 2 files; 1 file without entries\n")
    run = Run(capsys, "lint", ".", "--format", "json")
    assert json.loads(run.out)["checked"] == {"entries": 3, "files": 2, "files_without_entries": 1}


@pytest.mark.parametrize("text", ["", "a = 1", '{"a": 1}', "# Kind", "a: [", "\x00"])
def test_file_without_an_entry_is_no_success(capsys: pytest.CaptureFixture[str], directory: Path, text: str) -> None:
    (directory / "a.hcl").write_text(text)
    run = Run(capsys, "lint", "a.hcl")
    assert (run.code, run.err) == (2, NAMELESS.format("a.hcl"))
    assert run.out == "No findings. Checked: 1 file without entries\n"


def test_directory_without_an_entry_is_no_success(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "a").mkdir()
    (directory / "b.hcl").write_text(ENTRY)
    run = Run(capsys, "lint", "a", "b.hcl")
    assert (run.code, run.err) == (2, NAMELESS.format("a"))
    assert run.out == "No findings. Checked: 1 entry in 1 file\n"


def test_input_without_an_entry_is_no_success(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdin, "read", lambda: "a: 1")
    run = Run(capsys, "lint", "-")
    assert (run.code, run.err) == (2, NAMELESS.format("-"))


def test_file_with_a_finding_and_no_entry_has_the_exit_code_of_findings(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    (directory / "a.yaml").write_text("envoy_tracing_json: a")
    assert Run(capsys, "lint", "a.yaml").code == 1
    (directory / "a.yaml").write_text("consul: [")
    assert Run(capsys, "lint", "a.yaml").code == 1


@pytest.mark.parametrize(
    "text", ['{\n  // comment\n  "compilerOptions": {}\n}', "a: [", "<xml/>", "a = ", "- a\n b", "\xff"]
)
def test_unrelated_file_may_have_any_syntax(capsys: pytest.CaptureFixture[str], directory: Path, text: str) -> None:
    for suffix in ("json", "yaml", "hcl", "tf"):
        (directory / f"a.{suffix}").write_bytes(text.encode("latin-1"))
    (directory / "b.hcl").write_text(ENTRY)
    run = Run(capsys, "lint", ".")
    assert (run.code, run.out) == (0, "No findings. Checked: 1 entry in 1 file; 4 files without entries\n")


def test_file_that_is_not_utf_8_is_a_finding(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    (directory / "a.hcl").write_bytes(b'Kind = "proxy-defaults"\n# \xff\n')
    (directory / "b.hcl").write_text(ENTRY)
    run = Run(capsys, "lint", ".")
    assert run.code == 1
    assert run.out.startswith("a.hcl:2: error CT336: the text must be UTF-8\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n::error::b", "a\\n::error::b"),
        ("::error::b", "\\::error::b"),
        ("  ::set-output name=a::b", "\\  ::set-output name=a::b"),
        ("a ##[error]b ##vso[task]c", "a ##\\[error]b ##vso\\[task]c"),
        ("\x1b[31m\x9b\r\u2028\u202e\u200b", "\\u001b[31m\\u009b\\r\\u2028\\u202e\\u200b"),
        ("größe 日 {}\\n", "größe 日 {}\\n"),
    ],
)
def test_printable_text_has_one_line_and_no_command(text: str, expected: str) -> None:
    assert printable(text) == expected


def test_names_from_files_are_printable(capsys: pytest.CaptureFixture[str], directory: Path) -> None:
    name = "\x1b[2J\n::error file=a,line=1::b"
    config = {"envoy_tracing_json": json.dumps({name: 1}), f"envoy_tracing_jso{name}": "{}"}
    entries: list[dict[str, Any]] = [
        {"Kind": "proxy-defaults", "Name": name, "Config": config, name: 1},
        {"Kind": f"ProxyDefaults{name}", "Name": "global", "Config": {}},
        {"name": name, "proxy": {"config": config}},
    ]
    (directory / f"{name.replace('/', '')}.json").write_text(json.dumps(entries))
    run = Run(capsys, "lint", ".")
    assert "CT" in run.out
    for output in (run.out, Run(capsys, "lint", f"missing{name}").err):
        assert "\x1b" not in output
        assert not any(line.strip().startswith("::") for line in output.splitlines())


def test_unexpected_error_is_one_line_with_the_file(
    capsys: pytest.CaptureFixture[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "a.hcl").write_text(ENTRY + "# unexpected")

    def fail(*_arguments: object, **_keywords: object) -> None:
        raise KeyError("a\nb")

    monkeypatch.setattr(checks, "read_file", fail)
    run = Run(capsys, "lint", "a.hcl")
    assert (run.code, run.err) == (2, "consul-tracing: CT601: a.hcl cannot be checked: KeyError: 'a\\nb'\n")
    monkeypatch.setattr(app, "app", fail)
    run = Run(capsys, "lint", "a.hcl")
    assert (run.code, run.err) == (2, "consul-tracing: CT601: KeyError: 'a\\nb'\n")


def test_missing_extra_is_one_line_that_names_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "typer", None)
    for name in [name for name in sys.modules if name.startswith("consul_tracing.cli.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(SystemExit) as ended:
        consul_tracing.cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"consul-tracing: CT103: the command line requires typer. Run {install_command('cli')}\n"
    )


@pytest.mark.parametrize("blank", ["\n", " \n", "\t", "# a\n", "#\n\n"])
def test_blank_lines_and_comments_are_read_in_linear_time(blank: str) -> None:
    # In quadratic time, this test would take hours.
    text = f"{blank * 50_000}\n{ENTRY}"
    for file in ("-", "a.hcl"):
        assert [document.name for document in read_file(text, file).documents] == ["web"]
