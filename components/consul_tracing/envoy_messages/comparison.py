"""Comparison of JSON values, and of a message in Consul with the same message in a config dump of Envoy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .reader import Kind, is_json, read

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from consul_tracing.names import FieldPath

UNSET: Any = object()
"""The value of a field that a value does not have."""

ANYTHING = object()
"""Expected value that equals every value: it is not JSON, as an expression."""

REDACTED = ("[redacted]", "W3JlZGFjdGVkXQ==")
"""Text and bytes that Envoy prints instead of a private key or a password. They are not comparable."""


def differences(
    old: object, new: object, path: FieldPath = (), divided: Container[FieldPath] = ()
) -> Iterator[tuple[FieldPath, object, object]]:
    """Yield the paths at which two values differ, with both values. A missing value is UNSET.

    `divided`: paths of maps whose members are listed one by one if the map is missing.
    """
    if path in divided:
        old, new = ({} if value is UNSET else value for value in (old, new))
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from differences(old.get(key, UNSET), new.get(key, UNSET), (*path, key), divided)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from differences(one, other, (*path, str(index)), divided)
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield path, old, new


def differing_paths(expected: object, actual: object, name: str) -> list[FieldPath]:
    """Return the paths of the fields in which a message of a dump, or a list of them, differs from the expected JSON.

    A field that only the dump has and that is not known belongs to a newer Envoy and is not compared.
    """
    form = "list" if isinstance(expected, list) else ""
    dump = read(actual, name, form=form)
    unknown = {one.path for one in dump.mistakes if one.kind is not Kind.VALUE}
    found = differences(read(expected, name, form=form).value, dump.value)
    return sorted(
        path
        for path, old, new in found
        if new not in REDACTED and (path not in unknown if old is UNSET else is_json(old))
    )
