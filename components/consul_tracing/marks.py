"""Ownership metadata: the keys of an entry's `Meta` that name its owner, its fields and its Pulumi resource."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parts import read_back, written_down

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .parts import Part

LONGEST_META = 512
"""Maximum length of a `Meta` value (Consul's `metaValueMaxLength`)."""

MANAGED_BY = "managed-by"
STACK_MARK = "pulumi-stack"
KEYS_MARK = "consul-tracing-keys"
RESOURCE_MARK = "consul-tracing-resource"


def is_of_consul_k8s(meta: Mapping[str, str]) -> bool:
    """Whether consul-k8s manages the entry with this `Meta`."""
    return meta.get("external-source") == "kubernetes"


def marks(declared: Iterable[Part], owner: str, urn: str) -> dict[str, str]:
    """The ownership metadata of an entry: its `owner`, the field paths `declared` by it, and its Pulumi resource.

    A value longer than Consul allows is cut into `key`, `key-2`, `key-3`, …
    """
    listed = ",".join(sorted(written_down(part) for part in declared))
    return {MANAGED_BY: "pulumi", STACK_MARK: owner, **_cut(KEYS_MARK, listed), **_cut(RESOURCE_MARK, urn)}


def marked_parts(meta: Mapping[str, str]) -> frozenset[Part]:
    """The field paths that the owner of an entry manages."""
    return frozenset(read_back(text) for text in _joined(KEYS_MARK, meta).split(",") if text)


def marked_resource(meta: Mapping[str, str]) -> str:
    """The URN of the Pulumi resource that manages an entry; empty where none is recorded."""
    return _joined(RESOURCE_MARK, meta)


def _cut(key: str, text: str) -> dict[str, str]:
    pieces = [text[start : start + LONGEST_META] for start in range(0, len(text), LONGEST_META)]
    return {key if number == 1 else f"{key}-{number}": piece for number, piece in enumerate(pieces, 1)}


def _joined(key: str, meta: Mapping[str, str]) -> str:
    numbered = {int(name.removeprefix(f"{key}-")): piece for name, piece in meta.items() if _is_further(name, key)}
    return "".join([meta.get(key, ""), *(numbered[number] for number in sorted(numbered))])


def _is_further(name: str, key: str) -> bool:
    return name.startswith(f"{key}-") and name.removeprefix(f"{key}-").isdigit()


def is_mark(part: Part) -> bool:
    """Whether a field path is ownership metadata, and not content."""
    if len(part) < 2 or part[0] != "Meta":  # noqa: PLR2004 - a key of Meta
        return False
    return part[1] in {MANAGED_BY, STACK_MARK} or part[1].startswith((KEYS_MARK, RESOURCE_MARK))
