"""Links of the pages, and the anchors to which they may point."""

import functools
import itertools
import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from markdown_it.token import Token

from testbed import CHECKOUT
from tests.docs.pages import read, tokens

URLS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["urls"]
REPOSITORY = re.compile(
    rf"(?:{re.escape(URLS['Source'])}/(?:blob|tree|raw)"
    rf"|{re.escape(URLS['Source'].replace('github.com', 'raw.githubusercontent.com'))})/[^/]+/(?P<path>[^#?]*)"
)
SITE = re.compile(rf"{re.escape(URLS['Documentation'])}(?:latest/)?(?P<path>[^#?]*)")
IDENTIFIER = re.compile(r"""<\w+[^>]*\s(?:id|name)=["']([^"']+)["']""")


@dataclass(frozen=True)
class Link:
    """A link or an image."""

    page: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.target}"


def links(page: str) -> list[Link]:
    """Return the links and images of a page. Those in code are none."""
    found: list[Link] = []
    for token in tokens(page):
        line = token.map[0] + 1 if token.map else 0
        for child in token.children or ():
            target = child.attrs.get("href") or child.attrs.get("src")
            if target:
                found.append(Link(page, line, str(target)))
        if token.type in {"html_block", "inline"}:
            html = token.content if token.type == "html_block" else "".join(_raw_html(token))
            found += [Link(page, line, one) for one in re.findall(r"""(?:href|src)=["']([^"']+)["']""", html)]
    return found


def _raw_html(token: Token) -> list[str]:
    return [child.content for child in token.children or () if child.type == "html_inline"]


def slug(heading: str) -> str:
    """Return the anchor that the code host gives to a heading. The site is configured to give the same one."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@functools.cache
def anchors(page: str) -> set[str]:
    """Return the anchors of a page: those of its headings, and explicit ones."""
    found = tokens(page)
    headings = [
        "".join(child.content for child in (following.children or ()) if child.type in {"text", "code_inline"})
        for token, following in itertools.pairwise(found)
        if token.type == "heading_open"
    ]
    counted = Counter(map(slug, headings))
    # The host and the site number headings of the same text in different ways.
    return {one for one, times in counted.items() if times == 1} | set(IDENTIFIER.findall(read(page)))


def problem(link: Link) -> str | None:
    """Return what is wrong with a link, or None. Other servers are not asked."""
    target, _, anchor = link.target.partition("#")
    path: str | None
    if found := REPOSITORY.match(target):
        path = found["path"].rstrip("/")
    elif target.startswith(URLS["Documentation"]):
        path = _page_of_site(target)
    elif re.match(r"[a-z][a-z0-9+.-]*:", target):
        return None if target.startswith(("https:", "mailto:")) else "is not https"
    else:
        if reason := _rule(link, target):
            return reason
        path = _resolved(link.page, target) if target else link.page
    if path is None or not (CHECKOUT / path).exists():
        return "does not exist"
    if anchor and path.endswith(".md") and anchor not in anchors(path):
        return f"{path} has no anchor #{anchor}, or several"
    return None


def _rule(link: Link, target: str) -> str | None:
    """Relative links work where the page is shown: the README also on package indexes, docs/ also on the site."""
    if link.page == "README.md" and target:
        return f"must be an address, because package indexes show README.md: {URLS['Source']}/blob/main/{target}"
    resolved = _resolved(link.page, target) if target else link.page
    if link.page.startswith("docs/") and not resolved.startswith("docs/"):
        return f"must be an address, because the site has only docs/: {URLS['Source']}/blob/main/{resolved}"
    return None


def _resolved(page: str, target: str) -> str:
    parts: list[str] = []
    for part in PurePosixPath(page).parent.joinpath(target).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def _page_of_site(target: str) -> str | None:
    found = SITE.match(target)
    if not found:
        return None
    path = found["path"].strip("/")
    if not path:
        return "docs/index.md"
    return f"docs/{path}" if Path(path).suffix else f"docs/{path}.md"
