"""The `Meta` by which an entry tells who wrote it, and which of its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .parts import read_back, written_down

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .parts import Part

LONGEST_META = 512
"""Bytes of one `Meta` value (Consul's `metaValueMaxLength`)."""

STACK_MARK = "pulumi-stack"
KEYS_MARK = "consul-tracing-keys"


def is_of_consul_k8s(meta: Mapping[str, str]) -> bool:
    """Whether consul-k8s wrote the entry with this `Meta`."""
    return meta.get("external-source") == "kubernetes"


def marks(declared: Iterable[Part], stack: str) -> dict[str, str]:
    """The marks of `stack` on an entry of which it declares these parts.

    The list of parts is cut where one value would be too long: `consul-tracing-keys`, `consul-tracing-keys-2`, …
    """
    listed = ",".join(sorted(written_down(part) for part in declared))
    pieces = [listed[start : start + LONGEST_META] for start in range(0, len(listed), LONGEST_META)]
    numbered = {KEYS_MARK if index == 1 else f"{KEYS_MARK}-{index}": piece for index, piece in enumerate(pieces, 1)}
    return {"managed-by": "pulumi", STACK_MARK: stack, **numbered}


def marked_parts(meta: Mapping[str, str]) -> frozenset[Part]:
    """The parts that the writer of an entry listed as declared by it."""
    numbered = {key: piece for key, piece in meta.items() if key == KEYS_MARK or key.startswith(f"{KEYS_MARK}-")}
    listed = "".join(numbered[key] for key in sorted(numbered, key=_number))
    return frozenset(read_back(text) for text in listed.split(",") if text)


def _number(key: str) -> int:
    digits = key.removeprefix(KEYS_MARK).removeprefix("-")
    return int(digits) if digits.isdigit() else 1


def is_mark(part: Part) -> bool:
    """Whether a part of an entry is one of these marks, and no content."""
    return (
        len(part) > 1 and part[0] == "Meta" and (part[1] in {"managed-by", STACK_MARK} or part[1].startswith(KEYS_MARK))
    )
