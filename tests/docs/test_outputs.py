"""Each shown output is compared with the real one."""

from pathlib import Path

import pytest

from tests.docs.outputs import Shown, contains, is_followed, is_whole, run, shown_outputs, unexplained
from tests.docs.pages import PAGES, Block, blocks

SHOWN = [one for page in PAGES for one in shown_outputs(blocks(page))]
LANGUAGES = {"diff", "hcl", "ini", "json", "python", "sh", "text", "tf", "typescript", "yaml"}


@pytest.mark.parametrize("page", PAGES)
def test_each_block_has_a_language(page: str) -> None:
    """Commands are `sh`, outputs and drawings `text`."""
    found = [f"{block}: {block.language!r}" for block in blocks(page) if block.language not in LANGUAGES]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_a_test_compares_each_output(page: str) -> None:
    found = [f"{block}: {reason}" for block in blocks(page) if (reason := unexplained(block))]
    assert not found, "\n".join(found)


def test_pages_that_a_test_follows_are_found() -> None:
    assert any(is_followed(page) for page in PAGES)
    assert not is_followed("CONTRIBUTING.md")


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: str(shown.output))
def test_output_and_exit_code_are_the_real_ones(shown: Shown, tmp_path: Path) -> None:
    assert shown.commands, "no commands before the output"
    real, exit_code = run(shown, tmp_path)
    assert is_whole(shown.output.content, real), f"{shown.output} is not the output:\n{real}"
    assert exit_code == shown.exit_code, real


def page(*, code: str = "", output: str = "one\n…\nthree\n") -> Shown:
    """Return the output of a page with a file, commands and an output."""
    (shown,) = shown_outputs(
        [
            Block("page.md", 1, "yaml", "deploy/one.yaml", "one\n", ""),
            Block("page.md", 5, "sh", "", "cat deploy/one.yaml; echo two; echo three >&2; exit 3\n", ""),
            Block("page.md", 9, "text", "", output, f"output{code}"),
        ]
    )
    return shown


def test_commands_are_run_with_the_files_before_them(tmp_path: Path) -> None:
    shown = page(code=", exit code 3")
    assert run(shown, tmp_path) == ("one\ntwo\nthree\n", 3)
    assert shown.exit_code == 3
    assert page().exit_code == 0


@pytest.mark.parametrize(
    "output", ["one\ntwo\n", "two\nthree\n", "one\n…\nfour\n", "one\nthree\n", "one\n\ntwo\nthree\n"]
)
def test_partial_or_other_output_is_found(output: str) -> None:
    assert not is_whole(output, "one\ntwo\nthree\n")


@pytest.mark.parametrize("output", ["one\ntwo\nthree\n", "…three", "o…e", "one\n…\nthree\n", "one  \ntwo\nthree"])
def test_whole_output_is_accepted(output: str) -> None:
    assert is_whole(output, "one\ntwo\nthree\n")


def test_recorded_output_may_be_wrapped() -> None:
    assert contains("first\n  CT101: one two\n  three\n", "CT101: one\ntwo …ee\n")
    assert not contains("CT101: one\n", "CT101: two\n")


@pytest.mark.parametrize(
    ("comment", "reason"),
    [
        ("", "no comment names the test"),
        ("output in tests/golden/no.txt", "tests/golden/no.txt does not exist"),
        ("output in tests/golden/messages.txt", "tests/golden/messages.txt has another output"),
    ],
)
def test_output_without_a_comparison_is_found(comment: str, reason: str) -> None:
    assert str(unexplained(Block("page.md", 1, "text", "", "nowhere\n", comment))).startswith(reason)
