"""The hand-written words of all pages together have a limit: a new statement replaces an old one, or is generated."""

import re

from tests.docs.pages import GENERATED, MARKDOWN, PAGES, read

CEILING = 12_000
COUNTED = ("README.md", "docs/")
DATED = ("docs/measurements/",)
"""Pages of measurements, outside of the navigation."""

ADDRESS_OR_COMMENT = re.compile(r"\]\([^)]*\)|<!--.*?-->", re.DOTALL)
WORD = re.compile(r"\w[\w'.:/-]*")


def words(text: str) -> int:
    """Count the words outside of code blocks, comments and addresses of links."""
    lines = text.splitlines()
    for token in MARKDOWN.parse(text):
        if token.type in {"fence", "code_block"} and token.map:
            start, end = token.map
            lines[start:end] = [""] * (end - start)
    return len(WORD.findall(ADDRESS_OR_COMMENT.sub(" ", "\n".join(lines))))


def hand_written() -> dict[str, int]:
    pages = [page for page in PAGES if page.startswith(COUNTED) and not page.startswith(DATED)]
    return {page: words(read(page)) for page in pages if page not in GENERATED}


def test_words_are_below_the_ceiling() -> None:
    counted = hand_written()
    total = sum(counted.values())
    assert total <= CEILING, f"{total} words: " + ", ".join(f"{page} {number}" for page, number in counted.items())


def test_words_of_text_and_tables_count() -> None:
    text = "# Two words\n\nA [link](page.md) to it.\n\n```sh\nno\n```\n\n| one | `two` |\n|---|---|\n<!-- no -->\n"
    assert words(text) == 8
