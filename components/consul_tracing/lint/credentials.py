"""Credentials in entries. Findings never contain their values."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from consul_tracing.errors import CREDENTIALS_IN_URL, format_value
from consul_tracing.inputs.types import CREDENTIAL_HEADER, CREDENTIAL_VALUE
from consul_tracing.names import TRACING_KEYS

from .findings import Issue
from .proxy_config import UNKNOWN, proxy_config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import FieldPath

SECRET_KEY = re.compile(r"(^|_)(token|password|secret|api_?key|private_?key)$", re.IGNORECASE)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY")


def credential_issues(value: object, path: FieldPath = ()) -> Iterator[Issue]:
    """Yield the credentials in a value, also in JSON as text."""
    match value:
        case {"key": str(header), "value": str(content)} if content and CREDENTIAL_HEADER.search(header):
            yield Issue("CT326", (*path, "value"), f"is the value of the header {format_value(header)}")
        case dict():
            for key, member in value.items():
                yield from _member_issues(str(key), member, (*path, str(key)))
        case list():
            for index, member in enumerate(value):
                yield from credential_issues(member, (*path, str(index)))
        case str():
            if reason := credential_reason(value):
                yield Issue("CT326", path, reason)


def _member_issues(key: str, value: object, path: FieldPath) -> Iterator[Issue]:
    if key.lower() in TRACING_KEYS and isinstance(value, str):
        config = proxy_config({key: value})
        contents = [one for one in (config.tracer, config.listener, config.clusters) if one is not None]
        yield from credential_issues(value if contents == [UNKNOWN] else contents, path)
    elif SECRET_KEY.search(key) and isinstance(value, str) and value:
        yield Issue("CT326", path, "is a credential")
    else:
        yield from credential_issues(value, path)


def credential_reason(text: str) -> str:
    """Return why text is a credential, empty if it is not."""
    if PRIVATE_KEY.search(text):
        return "contains a private key"
    if CREDENTIALS_IN_URL.search(text):
        return "is a URL with a password"
    return "is a credential" if CREDENTIAL_VALUE.match(text) else ""
