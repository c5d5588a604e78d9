"""Extension of Python-Markdown: pages are written as the code host reads them.

- Content of a list has the indentation of its text. Python-Markdown requires four spaces.
- A list or a table may follow a paragraph without an empty line.
- The word after the language of a block is its file: the site shows it as the title of the block.
- `<details>` contains Markdown.
- The cells of a wide table have the name of their column, which narrow screens show (docs/assets/site.css).
"""

import re
from xml.etree.ElementTree import Element

from markdown import Markdown
from markdown.extensions import Extension
from markdown.preprocessors import Preprocessor
from markdown.treeprocessors import Treeprocessor
from markdown_it import MarkdownIt

HOST = MarkdownIt("commonmark").enable(["table", "strikethrough"])
FENCE_WITH_FILE = re.compile(r"^(?P<fence>\s*`{3,}[\w+-]+) (?P<file>[^\s`=\"{}]+)\s*$")
DETAILS = re.compile(r"<details(?=[ >])(?![^>]*\bmarkdown=)")
MARKER = re.compile(r"(?P<before>\s*)(?:[-*+]|\d+[.)])(?P<after> {1,4}(?! )|)")
WIDTH = 4
NARROW = 4
"""Columns that fit into a narrow screen."""
BEFORE_WHITE_SPACE_IS_NORMALIZED = 31
AFTER_INLINE_MARKDOWN = 15


def for_python_markdown(lines: list[str]) -> list[str]:
    """Return the lines in the dialect of Python-Markdown."""
    shifts, separated = _indentation(lines)
    written: list[str] = []
    for number, line in enumerate(lines):
        if number in separated and written and written[-1].strip():
            written.append("")
        shift = shifts.get(number, 0)
        moved = " " * shift + line if shift >= 0 else line[min(-shift, len(line) - len(line.lstrip())) :]
        written.append(moved if line.strip() else line)
    return [
        DETAILS.sub('<details markdown="1"', FENCE_WITH_FILE.sub(r'\g<fence> title="\g<file>"', line))
        for line in written
    ]


def _indentation(lines: list[str]) -> tuple[dict[int, int], set[int]]:
    """Return the spaces to add to each line of a list, and the lines that require an empty line before them."""
    shifts: dict[int, int] = {}
    separated: set[int] = set()
    depth = 0
    for token in HOST.parse("\n".join(lines)):
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        start, end = token.map or (0, 0)
        if token.type == "table_open":
            separated |= {start, end}
        elif token.type in {"bullet_list_open", "ordered_list_open"} and depth == 0:
            separated.add(start)
        elif token.type == "list_item_open" and (marker := MARKER.match(lines[start])):
            if not all(line.strip() for line in lines[start:end]):
                separated.add(end)
            # Lines of an inner list replace those of the outer one.
            shifts[start] = WIDTH * (depth - 1) - len(marker["before"])
            content = WIDTH * depth - len(marker[0]) - (not marker["after"])
            shifts.update(dict.fromkeys(range(start + 1, end), content))
    return shifts, separated


class _Dialect(Preprocessor):
    def run(self, lines: list[str]) -> list[str]:
        return for_python_markdown(lines)


class _WideTables(Treeprocessor):
    def run(self, root: Element) -> None:
        for table in root.iter("table"):
            labels = ["".join(cell.itertext()) for cell in table.findall("thead/tr/th")]
            if len(labels) > NARROW:
                table.set("data-wide", "")
                for row in table.findall("tbody/tr"):
                    for label, cell in zip(labels, row, strict=False):
                        cell.set("data-label", label)


class DialectExtension(Extension):
    """Adds the processors."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802 - a method of Python-Markdown
        """Register the processors."""
        md.preprocessors.register(_Dialect(md), "dialect", BEFORE_WHITE_SPACE_IS_NORMALIZED)
        md.treeprocessors.register(_WideTables(md), "wide_tables", AFTER_INLINE_MARKDOWN)


def makeExtension(**options: object) -> DialectExtension:  # noqa: N802 - the name that Python-Markdown calls
    """Return the extension."""
    return DialectExtension(**options)
