"""Each command line `consul-tracing …` of the documentation is accepted by the real commands."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer
import yaml

from consul_tracing.cli.app import app
from testbed import CHECKOUT
from tests.docs.pages import PAGES, blocks, inline_code
from tests.docs.shell import commands

COMMANDS: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined] # a group
EXAMPLES = sorted(
    str(file.relative_to(CHECKOUT))
    for pattern in ("*.yml", "*.yaml", "*.service", "Dockerfile")
    for file in (CHECKOUT / "examples").rglob(pattern)
    if "node_modules" not in file.parts
)
UNIT_COMMAND = re.compile(r"^Exec\w*=(.*)$", re.MULTILINE)


def rejection(arguments: list[str], *, is_complete: bool = True) -> str | None:
    """Parse a command line and return the error of the command, or None. A mention in text may be incomplete."""
    if not arguments or arguments[0] in {"--help", "--version", "--install-completion"}:
        return None
    name, *rest = arguments
    if name not in COMMANDS:
        return f"{name} is no command"
    if "--help" in rest:
        return None
    try:
        COMMANDS[name].make_context(name, list(rest))
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        if type(error).__name__ == "MissingParameter" and not is_complete:
            return None
        return str(error.format_message())
    return None


def calls_in_yaml(value: Any) -> Iterator[list[str]]:
    """Return the calls in the strings and in the lists of arguments of a YAML document."""
    match value:
        case str():
            yield from commands(value, "consul-tracing")
        case ["consul-tracing", *arguments]:
            yield [str(one) for one in arguments]
        case list():
            for one in value:
                yield from calls_in_yaml(one)
        case dict():
            for one in value.values():
                yield from calls_in_yaml(one)
            if value.get("args") and not value.get("command"):
                yield from ([str(one) for one in value["args"]] for _ in [0] if str(value["args"][0]) in COMMANDS)


def calls(language: str, content: str) -> list[list[str]]:
    """Return the calls in a block or a file."""
    if language in {"yaml", "yml"}:
        return [call for document in yaml.safe_load_all(content) for call in calls_in_yaml(document)]
    if language == "service":
        content = "\n".join(UNIT_COMMAND.findall(content.replace("\\\n", " ")))
    return list(commands(content, "consul-tracing"))


@pytest.mark.parametrize("page", PAGES)
def test_commands_of_blocks_are_accepted(page: str) -> None:
    found = [(block, call) for block in blocks(page) for call in calls(block.language, block.content)]
    rejected = [f"{block}: {' '.join(call)}: {reason}" for block, call in found if (reason := rejection(call))]
    assert not rejected, "\n".join(rejected)


@pytest.mark.parametrize("page", PAGES)
def test_commands_in_the_text_are_accepted(page: str) -> None:
    found = [(line, call) for line, code in inline_code(page) for call in commands(code, "consul-tracing")]
    rejected = [
        f"{page}:{line}: {' '.join(call)}: {reason}"
        for line, call in found
        if (reason := rejection(call, is_complete=False))
    ]
    assert not rejected, "\n".join(rejected)


@pytest.mark.parametrize("file", EXAMPLES)
def test_commands_of_examples_are_accepted(file: str) -> None:
    found = calls(file.rpartition(".")[2], (CHECKOUT / file).read_text())
    assert [f"{' '.join(call)}: {reason}" for call in found if (reason := rejection(call))] == []


def test_commands_are_found_in_all_forms() -> None:
    """Fail if no form of a command is recognized any more: then the other tests cannot fail."""
    in_blocks = sum(len(calls(block.language, block.content)) for page in PAGES for block in blocks(page))
    in_examples = sum(len(calls(file.rpartition(".")[2], (CHECKOUT / file).read_text())) for file in EXAMPLES)
    assert in_blocks >= 15
    assert in_examples >= 4


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("consul-tracing lint deploy/ --fromat sarif > lint.sarif", "No such option"),
        ("consul config read -kind x | consul-tracing import - --nothing", "No such option"),
        ("consul-tracing lint deploy/ --format xml", "is not one of"),
        ("VARIABLE=1 .venv/bin/consul-tracing check deploy/", "check is no command"),
        ("if ! consul-tracing verify --expect a; then exit 1; fi", "Missing argument"),
        ("- run: |\n    consul-tracing stale \\\n      --wiat 600", "No such option"),
    ],
)
def test_wrong_command_is_rejected(text: str, reason: str) -> None:
    (call,) = calls("yaml" if text.startswith("- ") else "sh", text)
    assert reason in str(rejection(call))
