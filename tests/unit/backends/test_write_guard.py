"""Second read of an entry immediately before its write."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pulumi
import pytest

from consul_tracing.backends.write_guard import WriteGuard
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import UnreadableError
from consul_tracing.run_errors import ConflictError

ENTRY = Entry("service-defaults", "web", {})


def write(expected: Any, found: Any) -> None:
    """Write an entry that was read as `expected`, and that the second read returns as `found`."""

    async def read(_: Entry) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    guard: Any = WriteGuard.__new__(WriteGuard)
    guard._expected = {"web": (ENTRY, expected)}  # noqa: SLF001 - without an engine
    guard._api = SimpleNamespace(entry_in_hook=read)  # noqa: SLF001 - without an engine
    args = pulumi.ResourceHookArgs(urn="", id="", name="web", type="", new_inputs={})
    asyncio.run(guard._reject_changed(args))  # noqa: SLF001 - without an engine


@pytest.mark.parametrize(("expected", "found"), [({"a": 1}, {"a": 1}), ({"a": 1}, None), (None, None)])
def test_unchanged_or_replaced_entry_is_written(expected: Any, found: Any) -> None:
    write(expected, found)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": 2}, "service-defaults/web: another writer changed the entry after this up read it"),
        ({}, "service-defaults/web: another writer changed the entry"),
        (UnreadableError("refused"), "cannot be read again before the write, so this up does not write it: refused"),
    ],
)
def test_changed_or_unreadable_entry_is_not_written(found: Any, message: str) -> None:
    for expected in ({"a": 1}, None):
        with pytest.raises(ConflictError, match=message):
            write(expected, found)
