"""Commands of other programs in the documentation: their subcommands, options and make targets exist."""

import functools
import re
import subprocess
from collections.abc import Iterator

import pytest

import toolchain
from testbed import CHECKOUT
from tests.docs.pages import PAGES, blocks, inline_code
from tests.docs.shell import commands

SHELL = {"", "bash", "console", "sh", "shell"}
SUBCOMMAND = re.compile(r"[a-z][a-z-]*")
OPTION = re.compile(r"--?[a-z][\w-]*")
GROUP = re.compile(r"\[command\]|<subcommand>")
PLUGINS = {"argo"}
"""Plugins of kubectl, which are programs of their own."""


def calls(program: str) -> Iterator[tuple[str, list[str]]]:
    """Return the page and the arguments of each call in blocks and in the text."""
    for page in PAGES:
        texts = [block.content for block in blocks(page) if block.language in SHELL]
        for text in [*texts, *(code for _, code in inline_code(page))]:
            yield from ((page, call) for call in commands(text, program))


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z][\w-]*):(?!=)", (CHECKOUT / "Makefile").read_text(), re.MULTILINE))


def missing_targets(call: list[str]) -> set[str]:
    """Return the targets of a call of make that do not exist. Assignments of variables are none."""
    return {word for word in call if "=" not in word and not word.startswith("-")} - make_targets()


def test_make_targets_exist() -> None:
    assert sorted((page, *missing_targets(call)) for page, call in calls("make") if missing_targets(call)) == []


def test_missing_make_target_is_found() -> None:
    (call,) = commands("make demo no-such-target ARGS=-x", "make")
    assert missing_targets(call) == {"no-such-target"}


@functools.cache
def help_of(program: str, words: tuple[str, ...]) -> str:
    """Return what a program prints about a subcommand. An unknown one prints the help of the command above it."""
    option = "-h" if program == "consul" else "--help"
    command = [str(toolchain.program(program)), *words, option]
    run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    text = run.stdout + run.stderr
    if program == "kubectl":
        text += subprocess.check_output([command[0], "options"], text=True)
    return text


def is_subcommand(program: str, words: tuple[str, ...], word: str) -> bool:
    text = help_of(program, (*words, word))
    return text != help_of(program, words) and "unknown command" not in text


def problems(program: str, call: list[str]) -> list[str]:
    """Return the subcommands and options of a call that the program does not have."""
    call = call[: call.index("--")] if "--" in call else call
    options = [found[0] for word in call if (found := OPTION.match(word))]
    while call and call[0].startswith("-"):  # options of all commands, such as `--namespace consul`
        _, *call = call
        if call and "=" not in call[0] and not is_subcommand(program, (), call[0]):
            _, *call = call
    words: list[str] = []
    for word in call:
        if word.startswith("-") or not SUBCOMMAND.fullmatch(word):
            break
        if not is_subcommand(program, tuple(words), word):
            if not words or GROUP.search(help_of(program, tuple(words))):
                return [f"{' '.join([program, *words])} has no {word}"]
            break
        words.append(word)
    text = help_of(program, tuple(words))
    return [f"{' '.join([program, *words])} has no {one}" for one in options if not re.search(rf"{one}(?![\w-])", text)]


@pytest.mark.mesh
@pytest.mark.parametrize("program", ["consul", "pulumi"])
def test_subcommands_and_options_exist(program: str) -> None:
    found = [(page, call) for page, call in calls(program) if call and page != "CHANGELOG.md"]
    assert len(found) > 10
    assert [f"{page}: {one}" for page, call in found for one in problems(program, call)] == []


@pytest.mark.kubernetes
def test_subcommands_and_options_of_kubectl_exist() -> None:
    found = [(page, call) for page, call in calls("kubectl") if call and not PLUGINS & {*call}]
    assert len(found) > 5
    assert [f"{page}: {one}" for page, call in found for one in problems("kubectl", call)] == []


@pytest.mark.kubernetes
def test_options_before_the_subcommand_are_read() -> None:
    assert problems("kubectl", ["--namespace", "consul", "get", "pods", "--output", "yaml"]) == []
    assert problems("kubectl", ["--namespace", "consul", "get", "--outptu"]) == ["kubectl get has no --outptu"]
    assert problems("kubectl", ["--namespace", "consul", "gte"]) == ["kubectl has no gte"]


@pytest.mark.mesh
@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("pulumi upp", "pulumi has no upp"),
        ("pulumi stack crate prod", "pulumi stack has no crate"),
        ("pulumi up --expect-nothing", "pulumi up has no --expect-nothing"),
        ("consul config writes web.hcl", "consul config has no writes"),
        ("consul connect envoy -sidecar web -- --config-yaml x", "consul connect envoy has no -sidecar"),
    ],
)
def test_wrong_call_is_found(text: str, problem: str) -> None:
    program = text.split(maxsplit=1)[0]
    (call,) = commands(text, program)
    assert problems(program, call) == [problem]
