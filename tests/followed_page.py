"""Follow a page of the documentation as a reader does: write its files, run its commands, compare its output.

A block of a language with a file name (`python __main__.py`) is a file, and `diff __main__.py` changes it. `sh` are
commands of one shell, and `text` is the whole output of the commands before it, in which `…` is any text.
"""

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from testbed import CHECKOUT
from testbed.processes import ProgramFailedError, Programs

SECONDS = 600.0
"""Timeout of a block of commands. An installation takes minutes on a busy machine."""

SECTION = re.compile(r"^##+ (?P<title>.+)\n(?P<text>(?:(?!##+ ).*\n)*)", re.MULTILINE)
BLOCK = re.compile(r"^```(?P<language>\w+)(?: (?P<file>\S+))?\n(?P<content>.*?)^```$", re.MULTILINE | re.DOTALL)

# The shell of the next block continues in the directory and with the variables of this one.
SHELL = """
exec 2>&1
[ ! -e {state}/variables ] || . {state}/variables
cd "$(cat {state}/directory)"
trap 'export -p > {state}/variables; pwd > {state}/directory' EXIT
set -eu
{commands}
"""


class FollowedPage:
    """A page, the directory of its reader, and the commands and addresses that the tests replace."""

    def __init__(
        self,
        programs: Programs,
        document: str,
        *,
        environment: Mapping[str, str],
        replaced: Mapping[str, str],
        handled: Mapping[str, Callable[[str], None]],
    ) -> None:
        """Open the page at the path `document`, in an empty directory and with an empty home.

        `replaced`: texts of its commands and files, such as addresses, and their replacements. `handled`: functions
        that run a block of commands instead of the shell, by the beginning of the block. The state of Pulumi is in a
        directory of its own: `pulumi login --local` uses that of the user, whatever HOME is.
        """
        self.open(document)
        self.output = ""
        self.exit_code = 0
        """Exit code of the last block of commands."""
        self._programs = programs
        self._replaced = {
            "pulumi login --local": f"pulumi login file://{programs.make_directory('backend')}",
            **replaced,
        }
        self._handled = handled
        self._state = programs.make_directory("shell")
        (self._state / "directory").write_text(f"{programs.make_directory('reader')}\n")
        home = programs.make_directory("home")
        self._environment = {
            "HOME": str(home),
            "PIP_CACHE_DIR": os.environ.get("PIP_CACHE_DIR", str(Path.home() / ".cache" / "pip")),
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "1",
            "PULUMI_HOME": str(home / ".pulumi"),
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            **environment,
        }

    def open(self, document: str) -> None:
        """Continue with another page."""
        text = (CHECKOUT / document).read_text()
        self._sections = {found["title"]: found["text"] for found in SECTION.finditer(text)}

    @property
    def directory(self) -> Path:
        """The current directory of the reader."""
        return Path((self._state / "directory").read_text().rstrip())

    def follow(self, title: str, *, exit_codes: Collection[int] = (0,)) -> None:
        """Follow the section. Commands whose output the page shows end with one of these exit codes."""
        blocks = list(self.blocks(title))
        for block, following in zip(blocks, [*blocks[1:], None], strict=True):
            has_output = following is not None and following["language"] == "text"
            self._follow(block, exit_codes if has_output else (0,))

    def blocks(self, title: str) -> Iterator[re.Match[str]]:
        """The blocks of a section. Raises KeyError if the page has no such section."""
        return BLOCK.finditer(self._sections[title])

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace text of a file that the reader wrote."""
        text = (self.directory / file).read_text()
        assert old in text, f"{file} has no {old!r}"
        (self.directory / file).write_text(text.replace(old, new))

    def run(self, commands: str, exit_codes: Collection[int] = (0,)) -> None:
        """Run commands in the shell of the reader."""
        script = SHELL.format(state=self._state, commands=self._with_replacements(commands))
        try:
            self.output = self._programs.run(
                "page", ["/bin/sh", "-c", script], environment=self._environment, seconds=SECONDS
            )
            self.exit_code = 0
        except ProgramFailedError as error:
            self.output, self.exit_code = error.output, error.exit_code
        assert self.exit_code in exit_codes, f"exit code {self.exit_code} of:\n{commands}\n{self.output}"

    def _follow(self, block: re.Match[str], exit_codes: Collection[int]) -> None:
        language, file, content = block["language"], block["file"], block["content"]
        if language == "diff":
            self.edit(file, *change(self._with_replacements(content)))
        elif file:
            (self.directory / file).write_text(self._with_replacements(content))
        elif language == "text":
            self._compare(content)
        elif handler := next((run for start, run in self._handled.items() if content.startswith(start)), None):
            handler(content)
        else:
            assert language == "sh", f"a block of {language} is neither a file nor commands:\n{content}"
            self.run(content, exit_codes)

    def _with_replacements(self, text: str) -> str:
        for documented, actual in self._replaced.items():
            text = text.replace(documented, actual)
        return text

    def _compare(self, documented: str) -> None:
        shown = pattern(self._with_replacements(documented))
        assert re.fullmatch(shown, words(self.output)), f"{documented}\nis not the output:\n{self.output}"


def change(diff: str) -> tuple[str, str]:
    """Return the text before and after a diff without headers, such as that of `git diff`."""
    lines = [(line[:1], line[1:]) for line in diff.splitlines()]
    assert all(sign in {" ", "-", "+"} for sign, _ in lines), f"a line of a diff starts with ' ', '-' or '+':\n{diff}"
    old, new = ("\n".join(text for sign, text in lines if sign != other) for other in "+-")
    return old, new


def pattern(text: str) -> str:
    """Return the regular expression of a shown output, in which `…` is any text, and spaces do not count."""
    return ".*?".join(re.escape(part) for part in words(text).split("…"))


def words(text: str) -> str:
    """Return the text with one space between words: the columns of a table depend on addresses."""
    return " ".join(text.split())
