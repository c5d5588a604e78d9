"""What a file contains beside its entries: tracing keys that are not read, and text that Consul refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.names import PROXY_CONFIG_MAP

from .findings import Finding, Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.files.finder import Content


def content_findings(content: Content, file: str) -> Iterator[Finding]:
    """Yield the findings of a file whose place is no document."""
    if content.template:
        yield Finding(Issue("CT330", (), content.template.reason), file, content.template.line, file)
    if content.refused:
        yield Finding(Issue("CT353", (), content.refused.reason), file, content.refused.line, file)
    for place in content.ignored:
        yield Finding(Issue("CT355", (), f"{PROXY_CONFIG_MAP} {place.reason}"), file, place.line, file)
    for place in sorted(set(content.unread)):
        reason = f"a tracing key is {place.reason}"
        yield Finding(Issue("CT350", (), reason), file, place.line, file)
