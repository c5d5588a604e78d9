"""The site shows a page as the code host does: the same headings, lists, tables, blocks and text.

`website.dialect` translates the host's Markdown into that of the site. It does not translate all of it.
"""

from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from markdown import Markdown

from testbed import CHECKOUT
from tests.docs.pages import COMMENT, MARKDOWN, PAGES, read
from website.navigation import CONFIGURATION

STRUCTURE = {"h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li", "pre", "table", "tr", "blockquote", "details", "img"}


class Outline(HTMLParser):
    """The structure and the text of an HTML document, with the line breaks of neither."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.lines: list[str] = []
        self._text = ""
        self._hidden = 0
        self.feed(html)
        self._end_of_text()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if dict(attrs).get("class") == "headerlink":
            self._hidden = 1
        if dict(attrs).get("class") == "filename":  # of a block, which the host does not show
            self._hidden = 1
        if tag in STRUCTURE:
            self._end_of_text()
            self.lines.append(f"<{tag}>")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"a", "span"}:
            self._hidden = 0
        if tag in STRUCTURE:
            self._end_of_text()
            self.lines.append(f"</{tag}>")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self._text += data

    def _end_of_text(self) -> None:
        if text := "".join(self._text.split()):
            self.lines.append(text)
        self._text = ""


def extensions() -> tuple[list[str], dict[str, Any]]:
    """Return the extensions of the site and their options."""
    content = yaml.load((CHECKOUT / CONFIGURATION).read_text(), Loader=yaml.UnsafeLoader)  # noqa: S506 - our own file
    options: dict[str, Any] = {}
    for entry in content["markdown_extensions"]:
        options.update(entry if isinstance(entry, dict) else {entry: {}})
    return list(options), options


def of_the_site(text: str) -> list[str]:
    names, options = extensions()
    return Outline(Markdown(extensions=names, extension_configs=options).convert(text)).lines


def of_the_host(text: str) -> list[str]:
    return Outline(MARKDOWN.render(text)).lines


def difference(text: str) -> str | None:
    """Return the first difference between the site and the host, or None."""
    text = COMMENT.sub("", text)
    site, host = of_the_site(text), of_the_host(text)
    for index, (one, other) in enumerate(zip([*site, "(end)"], [*host, "(end)"], strict=False)):
        if one != other:
            return f"after {' '.join(host[max(0, index - 3) : index])[-150:]}: site {one[:150]}, host {other[:150]}"
    return None


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_page_is_the_same_on_both(page: str) -> None:
    assert difference(read(page)) is None


@pytest.mark.parametrize(
    "text",
    [
        "| a | b |\n|---|---|\n| `c \\| d` | d |\n",
        "text\n1) one\n2) two\n",
        "- one\n\n1. two\n",
    ],
)
def test_difference_is_found(text: str) -> None:
    assert difference(text)


@pytest.mark.parametrize(
    "text",
    [
        "- one\n  - two\n    - three\n- four\n",
        "- one\n\n    - two\n",
        "text\n- one\n  continued\n- two\n",
        "1. one\n\n   ```sh\n   make\n   ```\n\n   more\n2. two\n   - three\n",
        "10. one\n\n    ```sh\n    make\n    ```\n",
        "- one\n  | a | b |\n  |---|---|\n  | c | d |\n- two\n",
        "- one\n\n  > quoted\n\n  1. two\n\n     ```hcl web.hcl\n     a {\n       b = 1\n     }\n     ```\n",
        "text\n| a | b |\n|---|---|\n| c | d |\n",
        "```hcl web.hcl\nkind = 1\n- no list\n```\n",
        "<details><summary>More</summary>\n\n**bold**\n\n```hcl\na = 1\n```\n\n</details>\n",
        '<details markdown="1">\n<summary>More</summary>\n\n**bold**\n\n</details>\n',
        "<!-- comment\n-->\n```sh\nmake\n```\n",
        "- one\n\n  <!-- output -->\n  ```\n  text\n  ```\n",
    ],
)
def test_text_of_the_host_is_the_same_on_the_site(text: str) -> None:
    assert difference(text) is None
