"""Each link of the documentation points to a file and an anchor that exist."""

import re
import subprocess

import pytest

from testbed import CHECKOUT
from tests.docs.links import Link, links, problem, slug
from tests.docs.pages import PAGES

FOLDERS = "(?:explain|guides|how-to|measurements|reference)/"
PAGE_IN_TEXT = re.compile(rf"(?<![\w/.-])docs/(?:{FOLDERS})?[\w-]+\.(?:md|svg|png)\b")
WITH_OTHER_PAGES = ("CHANGELOG.md", "tests/docs/", "tests/unit/website/")
"""The changelog names pages of former versions, and these tests pages that do not exist."""


@pytest.mark.parametrize("page", PAGES)
def test_links_and_anchors_exist(page: str) -> None:
    assert [f"{link}: {reason}" for link in links(page) if (reason := problem(link))] == []


def test_links_are_found() -> None:
    assert sum(len(links(page)) for page in PAGES) > 50


@pytest.mark.parametrize(
    ("page", "target", "reason"),
    [
        ("CONTRIBUTING.md", "docs/no-page.md", "does not exist"),
        ("CONTRIBUTING.md", "README.md#no-heading", "README.md has no anchor #no-heading"),
        ("CONTRIBUTING.md", "#no-heading", "CONTRIBUTING.md has no anchor #no-heading"),
        ("README.md", "docs/reference/inputs.md", "must be an address"),
        ("docs/reference/inputs.md", "../../examples/minimal", "must be an address"),
        ("docs/reference/inputs.md", "https://github.com/consul-tracing/consul-tracing/blob/main/no", "does not exist"),
        ("docs/reference/inputs.md", "https://consul-tracing.github.io/consul-tracing/latest/no/", "does not exist"),
        ("docs/reference/inputs.md", "http://www.envoyproxy.io", "is not https"),
    ],
)
def test_broken_link_is_found(page: str, target: str, reason: str) -> None:
    assert str(problem(Link(page, 1, target))).startswith(reason)


@pytest.mark.parametrize(
    ("page", "target"),
    [
        ("CONTRIBUTING.md", "README.md"),
        ("docs/reference/inputs.md", "messages.md#ct101-inputs-are-invalid"),
        ("README.md", "https://github.com/consul-tracing/consul-tracing/blob/main/docs/reference/inputs.md#inputs"),
        ("README.md", "https://consul-tracing.github.io/consul-tracing/latest/reference/inputs/#inputs"),
    ],
)
def test_link_is_accepted(page: str, target: str) -> None:
    assert problem(Link(page, 1, target)) is None


def test_anchor_is_that_of_the_code_host() -> None:
    assert slug("CT314: Spans are sent to `Zipkin's` path & more_words") == (
        "ct314-spans-are-sent-to-zipkins-path--more_words"
    )


def test_pages_that_other_files_name_exist() -> None:
    """In comments, messages and documentation of code."""
    listed = subprocess.check_output(["git", "ls-files", "-z"], cwd=CHECKOUT, text=True).split("\0")  # noqa: S607
    texts = {
        name: (CHECKOUT / name).read_text(errors="replace")
        for name in listed
        if name and not name.startswith(WITH_OTHER_PAGES) and (CHECKOUT / name).is_file()
    }
    named = {(name, page) for name, text in texts.items() for page in PAGE_IN_TEXT.findall(text)}
    assert len(named) > 5
    assert sorted(one for one in named if not (CHECKOUT / one[1]).exists()) == []
