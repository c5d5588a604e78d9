"""The meshes in files: each directory with a proxy-defaults entry is one, with the directories below it."""

from __future__ import annotations

from collections import defaultdict
from pathlib import PurePath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consul_tracing.files.document import Document


def is_mesh(document: Document) -> bool:
    """Return whether a document is a whole proxy-defaults entry, not a patch of one."""
    return document.kind == "proxy-defaults" and not document.is_partial


def homes(documents: Iterable[Document]) -> dict[str, PurePath]:
    """Return the directory of the mesh of each file: the nearest with proxy-defaults, or that of the file."""
    documents = list(documents)
    roots = {PurePath(one.file).parent for one in documents if is_mesh(one)}
    files = {one.file: PurePath(one.file) for one in documents}
    return {file: next((one for one in path.parents if one in roots), path.parent) for file, path in files.items()}


def meshes(documents: Iterable[Document]) -> list[list[Document]]:
    """Divide the documents of files into meshes. Files in other directories belong to the mesh if there is only one."""
    documents = list(documents)
    home = homes(documents)
    if len({home[one.file] for one in documents if is_mesh(one)}) == 1:
        return [documents]
    found: Mapping[PurePath, list[Document]] = defaultdict(list)
    for one in documents:
        found[home[one.file]].append(one)
    return list(found.values())
