"""The configuration of the site: its navigation, compared with the files."""

from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

CONFIGURATION = "mkdocs.yml"


class _Loader(yaml.SafeLoader):
    """Read tags of Python objects, such as that of a slug function, as None."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


@dataclass(frozen=True)
class Site:
    """The configuration of the site."""

    name: str
    description: str
    address: str
    sections: dict[str, list[str]]
    """The pages of each section of the navigation, relative to docs/. The section of pages without one is empty."""
    outside: tuple[str, ...]
    """Patterns of pages that are not in the navigation."""

    @property
    def pages(self) -> list[str]:
        """The pages of the navigation, in order."""
        return [page for pages in self.sections.values() for page in pages]


def read_site(root: Path) -> Site:
    """Read the configuration of a checkout."""
    content: dict[str, Any] = yaml.load((root / CONFIGURATION).read_text(), Loader=_Loader)  # noqa: S506 - a safe one
    sections: dict[str, list[str]] = {}
    for entry in content["nav"]:
        for title, pages in entry.items() if isinstance(entry, dict) else [("", [entry])]:
            sections.setdefault(title, []).extend(pages)
    return Site(
        name=content["site_name"],
        description=content["site_description"],
        address=content["site_url"],
        sections=sections,
        outside=tuple(content.get("not_in_nav", "").split()),
    )


def navigation_problems(site: Site, files: list[str]) -> list[str]:
    """Compare the navigation with the pages that exist, relative to docs/. Returns one line for each difference."""
    listed = site.pages
    problems = [f"{CONFIGURATION}: nav: {page} does not exist" for page in listed if page not in files]
    problems += [
        f"{CONFIGURATION}: nav: {page} is listed twice" for page in sorted({*listed}) if listed.count(page) > 1
    ]
    for page in files:
        is_outside = any(fnmatch(page, pattern) for pattern in site.outside)
        if page in listed and is_outside:
            problems.append(f"{CONFIGURATION}: {page} is in nav and in not_in_nav")
        elif page not in listed and not is_outside:
            problems.append(f"{CONFIGURATION}: nav: docs/{page} is missing. Add it to nav or to not_in_nav")
    unused = [one for one in site.outside if not any(fnmatch(page, one) for page in files)]
    return problems + [f"{CONFIGURATION}: not_in_nav: {pattern} matches no page" for pattern in unused]


def page_files(root: Path) -> list[str]:
    """Return the pages of a checkout, relative to docs/."""
    docs = root / "docs"
    return sorted(str(file.relative_to(docs)) for file in docs.rglob("*.md"))
