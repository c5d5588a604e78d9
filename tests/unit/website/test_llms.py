"""llms.txt: one line for each page."""

from pathlib import Path

import pytest

from website import ROOT
from website.llms import llms_txt, summary, title
from website.navigation import Site, read_site

PAGE = """\
<!-- a comment -->
# Findings of `lint`

```sh
# not a title
```

- A list.

Since [Envoy 1.36](other.md), each *proxy* of a mesh
starts once. The next sentence.
"""


def test_title_and_first_sentence_are_plain_text() -> None:
    assert title(PAGE) == "Findings of `lint`"
    assert summary(PAGE) == "Since Envoy 1.36, each proxy of a mesh starts once."


def test_index_has_the_pages_of_each_section(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# Home\n\nTraces of a mesh.\n")
    (tmp_path / "ci.md").write_text("# CI\n\nThree jobs. More.\n")
    site = Site("mesh", "Tracing", "https://mesh.example/", {"": ["index.md"], "Guides": ["ci.md"]}, ())
    assert (
        llms_txt(site, tmp_path)
        == """\
# mesh

> Tracing

## Start

- [Home](https://mesh.example/index.md): Traces of a mesh.

## Guides

- [CI](https://mesh.example/ci.md): Three jobs.
"""
    )


@pytest.mark.parametrize("page", read_site(ROOT).pages)
def test_page_has_a_title_and_a_sentence_about_it(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert title(text)
    assert summary(text).endswith((".", "?")), f"no sentence: {summary(text)!r}"
    assert len(summary(text)) <= 200
