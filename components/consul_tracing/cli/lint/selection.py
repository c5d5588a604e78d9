"""The files of `consul-tracing lint`."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from consul_tracing.cli.command import STANDARD_INPUT, read_text
from consul_tracing.errors import CommandError, FileError
from consul_tracing.lint.findings import Finding, Issue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SUFFIXES = frozenset({".hcl", ".json", ".nomad", ".tf", ".tofu", ".yaml", ".yml"})
"""Files that are read in a directory, in any case."""

TEMPLATES = frozenset({".ctmpl", ".erb", ".gotmpl", ".j2", ".jinja", ".jinja2", ".template", ".tftpl", ".tmpl", ".tpl"})
"""Further suffixes of files that are read, as in `mesh.nomad.tpl`."""

SKIPPED_DIRECTORIES = frozenset({"node_modules"})
"""Directories of other programs. Hidden directories, such as `.terraform`, are skipped too."""


def read_files(paths: Sequence[str], excluded: Sequence[str] = ()) -> tuple[dict[str, str], list[Finding]]:
    """Return the texts of files and directories, and the findings of those that cannot be read.

    Raises CommandError for a path that does not exist.
    """
    texts: dict[str, str] = {}
    skipped: list[Finding] = []
    for file in dict.fromkeys(selected(paths, excluded)):
        if file not in paths and not _is_read(file):
            skipped.append(_skipped("CT330", file, f'is not read, because of its suffix "{PurePath(file).suffix}"'))
            continue
        try:
            texts[file] = read_text(file)
        except FileError as error:
            skipped.append(_skipped("CT336", file, error.reason))
        except CommandError:
            if file in paths:
                raise
            skipped.append(_skipped("CT336", file, "cannot be read: permission denied"))
    return texts, skipped


def selected(paths: Sequence[str], excluded: Sequence[str] = ()) -> Iterator[str]:
    """Yield the files of the arguments. Of a directory: those with a suffix of entries in their name."""
    for path in paths:
        found = sorted(_files_in(path, excluded)) if path != STANDARD_INPUT and Path(path).is_dir() else [path]
        yield from (file for file in found if not is_excluded(file, excluded))


def _files_in(root: str, excluded: Sequence[str]) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        names[:] = [
            name
            for name in names
            if name[0] != "." and name not in SKIPPED_DIRECTORIES and not is_excluded(f"{directory}/{name}", excluded)
        ]
        places = (Path(directory, name) for name in files)
        yield from (str(place) for place in places if not SUFFIXES.isdisjoint(_suffixes(place)) and place.is_file())


def is_excluded(path: str, excluded: Sequence[str]) -> bool:
    """Return whether a glob matches a path or a directory above it: its name, or its end for a glob with a slash."""
    place = PurePath(path)
    if place.is_relative_to(Path.cwd()):
        place = place.relative_to(Path.cwd())
    globs = [one.removeprefix("./").rstrip("/") for one in excluded]
    return any(
        fnmatch(one.name, glob) or fnmatch(f"/{one.as_posix()}", f"*/{glob}")
        for one in (place, *place.parents)
        for glob in globs
        if one.name
    )


def _suffixes(place: PurePath) -> list[str]:
    return [suffix.lower() for suffix in place.suffixes]


def _is_read(file: str) -> bool:
    last = PurePath(file).suffix.lower()
    return last in SUFFIXES or last in TEMPLATES


def _skipped(code: str, file: str, reason: str) -> Finding:
    return Finding(Issue(code, (), reason), file, 1, file)
