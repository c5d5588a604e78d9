"""The pages of the documentation, their blocks and the code in their text."""

import functools
import re
from dataclasses import dataclass

from markdown_it import MarkdownIt
from markdown_it.token import Token

from generate.files import generated
from testbed import CHECKOUT

MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
COMMENT = re.compile(r"<!--\s*(.*?)\s*-->", re.DOTALL)
FOLDERS = ("docs", "examples", "policies", "testbed")
INSTALLED = {"node_modules", "sdks"}

PAGES = sorted(
    str(file.relative_to(CHECKOUT))
    for file in [*CHECKOUT.glob("*.md"), *(file for folder in FOLDERS for file in (CHECKOUT / folder).rglob("*.md"))]
    if not INSTALLED & set(file.parts)
)
"""All pages, relative to the checkout."""

GENERATED = {*generated(), "docs/reference/licences.md", "docs/reference/messages.md"}
"""Files that are written by a program: by `make generate` or with the golden files of the tests."""


@dataclass(frozen=True)
class Block:
    """A fenced block of code."""

    page: str
    line: int
    language: str
    file: str
    """The name after the language: the block is the content of this file."""
    content: str
    comment: str
    """The HTML comment before the block, which readers do not see."""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@functools.cache
def read(page: str) -> str:
    return (CHECKOUT / page).read_text()


@functools.cache
def tokens(page: str) -> list[Token]:
    return MARKDOWN.parse(read(page))


def blocks(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    found: list[Block] = []
    before = ""
    for token in tokens(page):
        if token.type == "fence" and token.map:
            language, _, file = token.info.strip().partition(" ")
            found.append(Block(page, token.map[0] + 1, language, file.strip(), token.content, before))
        comment = COMMENT.fullmatch(token.content.strip()) if token.type == "html_block" else None
        before = comment[1] if comment else ""
    return found


def inline_code(page: str) -> list[tuple[int, str]]:
    """Return the code in the text of a page, with the line where its paragraph or table row starts."""
    return [
        (token.map[0] + 1 if token.map else 0, child.content)
        for token in tokens(page)
        if token.type == "inline"
        for child in token.children or ()
        if child.type == "code_inline"
    ]
