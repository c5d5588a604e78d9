"""llms.txt: the pages with one line about each, for language models (https://llmstxt.org)."""

import re
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from .navigation import Site

MARKDOWN = MarkdownIt("commonmark").enable("table")
# A sentence ends before a capital letter or code, so not after "1.36" or "i.e.".
END = re.compile(r"(?<=[.!?]) (?=[A-Z`])")


def title(page: str) -> str:
    """Return the text of the first heading, or nothing."""
    return _first(page, "heading_open")


def summary(page: str) -> str:
    """Return the first sentence of the first paragraph that is in no list or quotation, or nothing."""
    return END.split(_first(page, "paragraph_open"), maxsplit=1)[0]


def _first(page: str, opening: str) -> str:
    tokens = MARKDOWN.parse(page)
    return next(
        (_text(tokens[index + 1]) for index, one in enumerate(tokens) if one.type == opening and one.level == 0), ""
    )


def _text(inline: Token) -> str:
    """Return the text of a paragraph in one line: with marks of code, without links and emphasis."""
    shown = {"code_inline": "`{}`", "text": "{}", "softbreak": " "}
    return "".join(shown[one.type].format(one.content) for one in inline.children or () if one.type in shown)


def llms_txt(site: Site, docs: Path) -> str:
    """Return the index of the pages. It links to their Markdown, which the site also has."""
    lines = [f"# {site.name}", "", f"> {site.description}"]
    for section, pages in site.sections.items():
        lines += ["", f"## {section or 'Start'}", ""]
        for page in pages:
            text = (docs / page).read_text()
            lines.append(f"- [{title(text)}]({site.address}{page}): {summary(text)}")
    return "\n".join(lines) + "\n"
