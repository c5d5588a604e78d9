"""Comparison of values of a message: the JSON in Consul, and the same message in a config dump of Envoy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .reader import Reading, is_json, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consul_tracing.names import FieldPath

ANYTHING = object()
"""Expected value that equals every value: it is not JSON, as an expression."""

REDACTED = frozenset({"[redacted]", "W3JlZGFjdGVkXQ=="})
"""Text and bytes that Envoy prints instead of a private key or a password. They are not comparable."""

UNSET = object()


def differing_paths(expected: object, actual: object, name: str) -> Iterator[FieldPath]:
    """Yield the paths of the fields in which a message of a dump differs from the expected JSON, or a list of messages.

    A field that only the dump has and that is not known belongs to a newer Envoy and is not compared.
    """
    if isinstance(expected, list) and isinstance(actual, list):
        if len(expected) != len(actual):
            yield ()
            return
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from ((str(index), *path) for path in differing_paths(one, other, name))
        return
    dump = read(actual, name)
    yield from _differing(read(expected, name).value, dump.value, dump, ())


def _differing(expected: object, actual: object, dump: Reading, path: FieldPath) -> Iterator[FieldPath]:
    if expected is UNSET and path in dump.unknown:
        return
    match expected, actual:
        case dict(), dict():
            for field in sorted(expected.keys() | actual.keys()):
                yield from _differing(expected.get(field, UNSET), actual.get(field, UNSET), dump, (*path, field))
        case list(), list() if len(expected) == len(actual):
            for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
                yield from _differing(one, other, dump, (*path, str(index)))
        case _ if expected != actual and (is_json(expected) or expected is UNSET):
            if not (isinstance(actual, str) and actual in REDACTED):
                yield path
