"""The navigation of the site names each page once."""

import pytest

from website import ROOT
from website.navigation import Site, navigation_problems, page_files, read_site

SECTIONS = {"": ["index.md"], "Guides": ["guides/adopt.md"]}


def site(*outside: str) -> Site:
    return Site("name", "description", "https://mesh.example/", SECTIONS, outside)


def test_every_page_of_the_checkout_is_in_the_navigation() -> None:
    assert navigation_problems(read_site(ROOT), page_files(ROOT)) == []


@pytest.mark.parametrize(
    ("files", "outside", "problem"),
    [
        (["index.md"], [], "nav: guides/adopt.md does not exist"),
        (["guides/adopt.md", "guides/ci.md", "index.md"], [], "nav: docs/guides/ci.md is missing"),
        (["guides/adopt.md", "index.md"], ["measurements/*"], "not_in_nav: measurements/* matches no page"),
        (["guides/adopt.md", "index.md"], ["guides/*"], "guides/adopt.md is in nav and in not_in_nav"),
    ],
)
def test_difference_is_reported(files: list[str], outside: list[str], problem: str) -> None:
    (found,) = navigation_problems(site(*outside), files)
    assert problem in found


def test_page_outside_of_the_navigation_is_accepted() -> None:
    files = ["guides/adopt.md", "index.md", "measurements/faults.md"]
    assert navigation_problems(site("measurements/*"), files) == []
