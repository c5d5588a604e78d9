"""Ownership metadata: the keys of an entry's `Meta` that name its owner, its fields and its Pulumi resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.names import EXTERNAL_SOURCE_KEY, FIELDS_KEY, MANAGED_BY_KEY, OWNER_KEY, RESOURCE_KEY

from .field_paths import decode_path, encode_path

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consul_tracing.names import FieldPath

MAX_META_LENGTH = 512
"""Maximum length of a `Meta` value (Consul's `metaValueMaxLength`)."""


def is_of_consul_k8s(meta: Mapping[str, str]) -> bool:
    """Return whether consul-k8s manages the entry."""
    return meta.get(EXTERNAL_SOURCE_KEY) == "kubernetes"


def ownership_metadata(declared: Iterable[FieldPath], owner: str, urn: str) -> dict[str, str]:
    """Return the ownership metadata: the owner, the declared field paths, and the URN of the Pulumi resource.

    A value that exceeds Consul's limit is split into `key`, `key-2`, `key-3`, …
    """
    listed = ",".join(sorted(encode_path(part) for part in declared))
    return {MANAGED_BY_KEY: "pulumi", OWNER_KEY: owner, **_split(FIELDS_KEY, listed), **_split(RESOURCE_KEY, urn)}


def managed_fields(meta: Mapping[str, str]) -> frozenset[FieldPath]:
    """Return the field paths that the owner of an entry manages."""
    return frozenset(decode_path(text) for text in _join(FIELDS_KEY, meta).split(",") if text)


def recorded_resource(meta: Mapping[str, str]) -> str:
    """Return the URN of the Pulumi resource that manages an entry, or an empty text."""
    return _join(RESOURCE_KEY, meta)


def _split(key: str, text: str) -> dict[str, str]:
    pieces = [text[start : start + MAX_META_LENGTH] for start in range(0, len(text), MAX_META_LENGTH)]
    return {key if number == 1 else f"{key}-{number}": piece for number, piece in enumerate(pieces, 1)}


def _join(key: str, meta: Mapping[str, str]) -> str:
    numbered = {int(name.removeprefix(f"{key}-")): piece for name, piece in meta.items() if _is_further(name, key)}
    return "".join([meta.get(key, ""), *(numbered[number] for number in sorted(numbered))])


def _is_further(name: str, key: str) -> bool:
    return name.startswith(f"{key}-") and name.removeprefix(f"{key}-").isdigit()


def is_ownership_metadata(part: FieldPath) -> bool:
    """Return whether a field is ownership metadata."""
    if len(part) < 2 or part[0] != "Meta":  # noqa: PLR2004 - a key of Meta
        return False
    return part[1] in {MANAGED_BY_KEY, OWNER_KEY} or part[1].startswith((FIELDS_KEY, RESOURCE_KEY))
