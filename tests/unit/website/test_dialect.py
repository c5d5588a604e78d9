"""The Markdown of the code host in the dialect of the site. tests/docs compares whole pages."""

import re

import pytest
from markdown import Markdown

from website.dialect import DialectExtension, for_python_markdown


def html(text: str) -> str:
    return Markdown(extensions=["tables", DialectExtension()]).convert(text)


@pytest.mark.parametrize(
    ("of_the_host", "of_the_site"),
    [
        ("- one\n  more\n  - two\n    more", "- one\n    more\n    - two\n        more"),
        ("1. one\n\n   more\n2. two", "1. one\n\n    more\n\n2. two"),
        ("text\n- one", "text\n\n- one"),
        ("-\n  text", "-\n    text"),
        ("```hcl web.hcl\n- one\n  - two\n```", '```hcl title="web.hcl"\n- one\n  - two\n```'),
        ("<details>\n<summary>", '<details markdown="1">\n<summary>'),
        ('<details markdown="1">', '<details markdown="1">'),
    ],
)
def test_text_is_translated(of_the_host: str, of_the_site: str) -> None:
    assert for_python_markdown(of_the_host.split("\n")) == of_the_site.split("\n")


def test_cells_of_a_wide_table_have_the_name_of_their_column() -> None:
    page = html("| a | `b` | c | d | e |\n|---|---|---|---|---|\n| 1 | 2 | 3 | 4 | 5 |\n")
    assert "<table data-wide" in page
    assert re.findall('data-label="(.)"', page) == ["a", "b", "c", "d", "e"]


def test_narrow_table_is_unchanged() -> None:
    assert "data-" not in html("| a | b | c | d |\n|---|---|---|---|\n| 1 | 2 | 3 | 4 |\n")
