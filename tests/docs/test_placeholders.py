"""No page has a text that a reader must replace before a command can work, and none is unfinished."""

import re

import pytest

from tests.docs.pages import PAGES, blocks, inline_code, read

IN_COMMANDS = re.compile(r"(?<![<\w])<[A-Za-z][\w /.'-]*>")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|TBD|XXX)\b|example\.invalid|<address of|\bYOUR_\w+|\bLorem ipsum\b")
PROGRAMS = re.compile(r"(?:^|[\s|;$(])(?:consul|consul-tracing|git|helm|kubectl|make|nomad|pip|pulumi|systemctl)\s")


def placeholders(language: str, content: str) -> list[str]:
    """Return the placeholders in commands. A diagram or a heredoc of HTML has none of them."""
    is_command = language in {"sh", "bash", "console", "yaml", "ini"} or PROGRAMS.search(content)
    return IN_COMMANDS.findall(content) if is_command else []


@pytest.mark.parametrize("page", PAGES)
def test_commands_have_no_placeholder(page: str) -> None:
    shown = [one for one in blocks(page) if one.language != "text"]  # an output is that of the program
    found = [f"{one}: {text}" for one in shown for text in placeholders(one.language, one.content)]
    found += [f"{page}:{line}: {text}" for line, code in inline_code(page) for text in placeholders("", code)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("page", PAGES)
def test_page_is_finished(page: str) -> None:
    assert UNFINISHED.findall(read(page)) == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pulumi state delete '<URN>'", ["<URN>"]),
        ("pip install git+<address of this repository>", ["<address of this repository>"]),
        ("consul config write - < entry.hcl", []),
        ("cat > web.hcl <<EOF", []),
    ],
)
def test_placeholder_is_found(text: str, found: list[str]) -> None:
    assert placeholders("sh", text) == found
