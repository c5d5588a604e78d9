"""Shown outputs: the convention that says what a block is, and the comparison with the real output.

A block of `text` is the whole output of the commands before it, in which `…` is omitted text. In a page that a
test follows, this test compares. Elsewhere a comment before the block, which readers do not see, names the comparison:

- `<!-- output -->`: the commands of the block before it are run, in a directory with the files of the page.
- `<!-- output, exit code 1 -->`: the same, and they end with this code. Without it, the code is 0.
- `<!-- output in tests/golden/messages.txt -->`: the file, which a test compares with real outputs, has the text.
- `<!-- drawing -->`: the block is no output.
"""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from testbed import CHECKOUT
from tests.docs.pages import GENERATED, Block

FOLLOWS = re.compile(r"\b(?:FollowedPage|Guide)\(")
TESTS = [
    text
    for folder in ("kubernetes", "mesh")
    for file in (CHECKOUT / "tests" / folder).glob("test_*.py")
    if FOLLOWS.search(text := file.read_text())
]
"""Tests that follow a page like a reader, and compare each `text` block."""

RUN = re.compile(r"output(?:, exit code (?P<code>\d+))?")
RECORDED = re.compile(r"output in (?P<file>\S+)")
SECONDS = 60
OMITTED = "…"


@dataclass(frozen=True)
class Shown:
    """A shown output with the commands and files before it."""

    output: Block
    commands: str
    files: dict[str, str]
    exit_code: int


def shown_outputs(page: list[Block]) -> list[Shown]:
    """Return the outputs of a page that are compared by running their commands."""
    found: list[Shown] = []
    files: dict[str, str] = {}
    commands = ""
    for block in page:
        if block.file:
            files[block.file] = block.content
        elif block.language == "sh":
            commands = block.content
        elif marked := RUN.fullmatch(block.comment):
            found.append(Shown(block, commands, dict(files), int(marked["code"] or 0)))
    return found


def is_followed(page: str) -> bool:
    """Whether a test names the page, and follows it like a reader."""
    return any(f'"{name}"' in text for text in TESTS for name in (page, PurePosixPath(page).stem))


def unexplained(block: Block) -> str | None:
    """Return why no test compares a `text` block, or None. A generator has recorded those of its pages."""
    if block.language != "text" or block.page in GENERATED or is_followed(block.page):
        return None
    if RUN.fullmatch(block.comment) or block.comment == "drawing":
        return None
    if recorded := RECORDED.fullmatch(block.comment):
        file = CHECKOUT / recorded["file"]
        if not file.is_file():
            return f"{recorded['file']} does not exist"
        return None if contains(file.read_text(), block.content) else f"{recorded['file']} has another output"
    return "no comment names the test that compares this output"


def run(shown: Shown, directory: Path) -> tuple[str, int]:
    """Run the commands. Returns their output, with that of the error stream, and the exit code of the last one."""
    for name, content in shown.files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(content)
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", os.defpath)])
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("CONSUL_", "PULUMI_"))}
    ended = subprocess.run(
        ["/bin/sh", "-c", f"exec 2>&1\n{shown.commands}"],
        check=False,
        cwd=directory,
        env={**environment, "PATH": path, "COLUMNS": "120", "HOME": str(directory)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=SECONDS,
    )
    return ended.stdout, ended.returncode


def is_whole(shown: str, real: str) -> bool:
    """Whether a shown output is the real one, apart from what `…` omits and from white space at the ends of lines."""
    return re.fullmatch(_pattern(shown), _trimmed(real)) is not None


def contains(recorded: str, shown: str) -> bool:
    """Whether a recorded text has the shown one, which may be wrapped and indented in another way."""
    return re.search(_pattern(" ".join(shown.split())), " ".join(recorded.split())) is not None


def _pattern(shown: str) -> str:
    return "(?s:.*?)".join(map(re.escape, _trimmed(shown).split(OMITTED)))


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
