"""The page: its sections as text, Markdown and JSON, without secrets."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from consul_tracing.cli.command import COULD_NOT_RUN, FINDINGS, PageFormat
from consul_tracing.errors import printable

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

VERSION = 1
"""Version of the JSON format."""

STATUSES = {0: "ok", FINDINGS: "findings", COULD_NOT_RUN: "failed"}
"""The status of a section by its exit code."""

SKIPPED = "skipped"

REDACTED = "[redacted]"

MIN_SECRET_LENGTH = 6
"""Characters of a value that is removed. A shorter one is part of other words."""


@dataclass(frozen=True)
class Section:
    """A part of the page."""

    title: str
    exit_code: int = 0
    lines: Sequence[str] = ()
    reason: str = ""
    """Why the section has no report."""
    report: Any = None
    """The report of the command in its JSON format."""

    @property
    def status(self) -> str:
        """The state in one word."""
        return SKIPPED if self.reason and not self.exit_code else STATUSES[self.exit_code]


@dataclass(frozen=True)
class Page:
    """The sections, and the time when they were made."""

    created: str
    sections: Sequence[Section]

    @property
    def exit_code(self) -> int:
        """The worst one."""
        return max(section.exit_code for section in self.sections)

    @property
    def title(self) -> str:
        """The name of the command and the worst state."""
        return f"consul-tracing doctor: {STATUSES[self.exit_code]}"


def rendered(page: Page, form: PageFormat, secrets: Collection[str]) -> str:
    """Return the page in a format. `secrets`: values that are removed, whichever server repeats them."""
    values = sorted({one for one in secrets if len(one) >= MIN_SECRET_LENGTH}, key=len, reverse=True)
    sections = [Section(*redacted(list(vars(section).values()), values)) for section in page.sections]
    return "\n".join(FORMATS[form](Page(page.created, sections)))


def redacted(value: Any, secrets: Sequence[str]) -> Any:  # noqa: ANN401 - JSON
    """Return JSON whose strings do not contain the secrets."""
    match value:
        case str():
            for secret in secrets:
                value = value.replace(secret, REDACTED)
            return value
        case dict():
            return {key: redacted(item, secrets) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item, secrets) for item in value]
    return value


def as_text(page: Page) -> Iterator[str]:
    """Yield the lines of the page."""
    yield from (page.title, f"Created {page.created}")
    for section in page.sections:
        yield from (
            "",
            f"{section.title}: {section.status}{f': {printable(section.reason)}' if section.reason else ''}",
        )
        yield from (f"  {line}".rstrip() for line in section.lines)


def as_markdown(page: Page) -> Iterator[str]:
    """Yield the page for a ticket. The reports are in blocks of code, which no line of them can end."""
    yield from (f"# {page.title}", "", f"Created {page.created}")
    for section in page.sections:
        yield from ("", f"## {section.title}: {section.status}")
        if lines := [*([printable(section.reason)] if section.reason else []), *section.lines]:
            longest = max((len(run) for line in lines for run in re.findall("`+", line)), default=0)
            fence = "`" * max(3, longest + 1)
            yield from ("", f"{fence}text", *(line.rstrip() for line in lines), fence)


def as_json(page: Page) -> Iterator[str]:
    """Yield the documented JSON format."""
    sections = {
        one.title.lower().replace(" ", "_"): {"status": one.status, "reason": one.reason or None, "report": one.report}
        for one in page.sections
    }
    content = {"version": VERSION, "created": page.created, "exit_code": page.exit_code, "sections": sections}
    yield json.dumps(content, indent=2)


FORMATS = {PageFormat.TEXT: as_text, PageFormat.MARKDOWN: as_markdown, PageFormat.JSON: as_json}
