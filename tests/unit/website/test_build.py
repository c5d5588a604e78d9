"""The site: what it contains, and the mistakes that end the build."""

import shutil
import tomllib
from pathlib import Path

import pytest

from website import ROOT
from website.build import build
from website.navigation import CONFIGURATION, read_site

HOME = "# Home\n\nTraces of a mesh. [CI](ci.md#jobs)\n"


def project(directory: Path, home: str = HOME) -> Path:
    """Write a project with the configuration of this one and two pages."""
    lines = (ROOT / CONFIGURATION).read_text().splitlines(keepends=True)
    start, end = lines.index("nav:\n"), next(i for i, line in enumerate(lines) if line.startswith("# Measurements"))
    after = next(i for i, line in enumerate(lines) if line.startswith("validation:"))
    assert start < end < after
    (directory / CONFIGURATION).write_text("".join([*lines[:start], "nav: [index.md, ci.md]\n", *lines[after:]]))
    (directory / "docs").mkdir()
    (directory / "docs" / "index.md").write_text(home)
    (directory / "docs" / "ci.md").write_text("# CI\n\nText.\n\n## Jobs\n\n```sh\nmake docs\n```\n")
    return directory


def test_site_has_search_edit_links_a_dark_theme_and_the_index_for_language_models(tmp_path: Path) -> None:
    root = project(tmp_path)
    (root / "site").mkdir()
    (root / "site" / "old.html").touch()
    assert build(root) == []
    page = (root / "site" / "index.html").read_text()
    assert 'href="https://github.com/consul-tracing/consul-tracing/edit/main/docs/index.md"' in page
    assert 'data-md-color-scheme="slate"' in page
    assert "content.code.copy" in page
    assert "Traces of a mesh" in (root / "site" / "search.json").read_text()
    assert "/latest/ci.md): Text." in (root / "site" / "llms.txt").read_text()
    assert (root / "site" / "ci.md").read_text() == (root / "docs" / "ci.md").read_text()
    assert not (root / "site" / "old.html").exists()


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("missing.md", "page does not exist"),
        ("ci.md#missing", "anchor does not exist"),
        ("#missing", "anchor does not exist"),
        ("../README.md", "page does not exist"),
    ],
)
def test_broken_link_ends_the_build(tmp_path: Path, link: str, problem: str) -> None:
    (report,) = build(project(tmp_path, HOME + f"\n[text]({link})\n"))
    assert report.startswith(f"Warning: {problem}")
    assert "index.md:5" in report
    assert "1 issue found" in report
    assert "Traceback" not in report


def test_page_that_is_missing_from_the_navigation_ends_the_build(tmp_path: Path) -> None:
    root = project(tmp_path)
    shutil.copy(root / "docs" / "ci.md", root / "docs" / "more.md")
    (problem,) = build(root)
    assert "docs/more.md is missing" in problem
    assert not (root / "site").exists()


def test_addresses_are_those_of_the_package() -> None:
    urls = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    site = read_site(ROOT)
    assert site.address == urls["Documentation"] + "latest/"
    text = (ROOT / CONFIGURATION).read_text()
    assert f"\nrepo_url: {urls['Source']}\n" in text
    assert site.description == tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["description"]
