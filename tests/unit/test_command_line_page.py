"""docs/reference/command-line.md: its options are those of the commands, and its JSON fields those of the output."""

import inspect
import json
import re
from pathlib import Path

import pytest

from consul_tracing.cli.app import app
from consul_tracing.cli.command import PageFormat
from consul_tracing.cli.doctor.page import Page, Section, rendered
from consul_tracing.cli.stale.report import Report
from generate.reference.commands import PROSE, SECTION, command_line
from tests.command_line import consul_tracing

PAGE = command_line()
SECTIONS = dict(SECTION.findall(PAGE))
OPTION = re.compile(r"--[a-z][a-z-]+")


@pytest.mark.parametrize("command", [str(one.name) for one in app.registered_commands])
def test_table_has_each_option_of_the_help(command: str) -> None:
    shown = consul_tracing(command, "--help").stdout
    documented = re.findall(r"^\| `(--[a-z-]+)", SECTIONS[command], re.MULTILINE)
    assert set(documented) == set(re.findall(r"^  (--[a-z-]+)", shown, re.MULTILINE)) - {"--help"}


@pytest.mark.parametrize("command", [str(one.name) for one in app.registered_commands])
def test_example_has_only_options_of_the_command(command: str) -> None:
    example = re.search(r"^```sh\n(consul-tracing .*)\n```$", SECTIONS[command], re.MULTILINE)
    assert example
    assert set(OPTION.findall(example[1])) <= set(OPTION.findall(consul_tracing(command, "--help").stdout))


@pytest.mark.parametrize("option", sorted(set(OPTION.findall(PROSE.read_text()))))
def test_option_of_the_prose_is_one_of_a_command(option: str) -> None:
    others = {"--config-yaml", "--install-completion", "--output"}
    known = {name for text in SECTIONS.values() for name in re.findall(r"^\| `(--[a-z-]+)", text, re.MULTILINE)}
    assert option in known | others


def json_fields(command: str) -> set[str]:
    """Return the top-level fields of the JSON output in the page."""
    text = re.search(r"\*\*JSON\*\*: (.*?)\.(?: |\n|\Z)", SECTIONS[command], re.DOTALL)
    assert text
    flat = re.sub(r"\([^()]*(?:\([^()]*\)[^()]*)*\)", "", text[1])
    return set(re.findall(r"`(\w+)`", flat.partition(", each with")[0]))


def test_json_fields_are_those_of_the_output(tmp_path: Path) -> None:
    explained = json.loads(consul_tracing("explain", "CT310", "--format=json").stdout)
    assert json_fields("explain") == explained.keys()
    (tmp_path / "a.json").write_text('{"Kind": "proxy-defaults", "Name": "global"}')
    assert json_fields("lint") == json.loads(consul_tracing("lint", str(tmp_path), "--format=json").stdout).keys()
    assert json_fields("stale") == Report().as_json().keys()
    assert json_fields("doctor") == json.loads(rendered(Page("", [Section("a")]), PageFormat.JSON, [])).keys()


def test_prose_is_short() -> None:
    assert sum(any(map(str.isalnum, word)) for word in PROSE.read_text().split()) <= 1_200


def test_description_is_the_one_of_the_help() -> None:
    for one in app.registered_commands:
        assert one.callback
        summary = (inspect.getdoc(one.callback) or "").partition("\n")[0]
        assert SECTIONS[str(one.name)].startswith(summary)
