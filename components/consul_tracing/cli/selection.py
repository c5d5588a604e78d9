"""The files of `consul-tracing lint` and `import`."""

from __future__ import annotations

import os
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from consul_tracing.cli.command import read_bytes, read_text
from consul_tracing.errors import CommandError
from consul_tracing.files.documents import FORMS
from consul_tracing.lint.findings import Finding, Issue
from consul_tracing.names import STANDARD_INPUT, TRACING_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

SUFFIXES = FORMS.keys()
"""Files that are read in a directory, in any case."""

TEMPLATES = frozenset({".ctmpl", ".erb", ".gotmpl", ".j2", ".jinja", ".jinja2", ".template", ".tftpl", ".tmpl", ".tpl"})
"""Suffixes of templates. They are read as `mesh.nomad.tpl`, and as `mesh.tpl` if they contain a tracing key."""

SKIPPED_DIRECTORIES = frozenset({"node_modules"})
"""Directories of other programs. Hidden directories and virtual environments are skipped too."""


def selected(paths: Sequence[str], excluded: Sequence[str] = ()) -> dict[str, list[str]]:
    """Return the files of each argument. Of a directory: those with a suffix of entries in their name."""
    found = {path: _files_of(path, excluded) for path in paths if not is_excluded(path, excluded)}
    return {path: [file for file in files if not is_excluded(file, excluded)] for path, files in found.items()}


def read_files(arguments: Mapping[str, Sequence[str]]) -> tuple[dict[str, str], list[Finding]]:
    """Return the texts of the files of arguments, and the findings of those that are not read.

    Raises CommandError for an argument that cannot be read.
    """
    texts: dict[str, str] = {}
    skipped: list[Finding] = []
    for file in dict.fromkeys(file for files in arguments.values() for file in files):
        if file not in arguments and not _is_read(file):
            skipped.append(_skipped("CT330", file, f'is not read, because of its suffix "{PurePath(file).suffix}"'))
            continue
        try:
            texts[file] = text_of(file)
        except CommandError as error:
            if file in arguments:
                raise
            skipped.append(_skipped("CT336", file, error.reason.removeprefix(f"{file} ")))
            continue
        if file not in arguments and SUFFIXES.isdisjoint(_suffixes(file)) and not _has_tracing_key(texts[file]):
            del texts[file]
    return texts, skipped


def text_of(file: str) -> str:
    """Return the text of a file, with the bytes that are not UTF-8 as surrogates. Raises CommandError."""
    return read_text(file) if file == STANDARD_INPUT else read_bytes(file).decode(errors="surrogateescape")


def _files_of(path: str, excluded: Sequence[str]) -> list[str]:
    return sorted(_files_in(path, excluded)) if path != STANDARD_INPUT and Path(path).is_dir() else [path]


def _files_in(root: str, excluded: Sequence[str]) -> Iterator[str]:
    for directory, names, files in os.walk(root):
        names[:] = [
            name
            for name in names
            if name[0] != "."
            and name not in SKIPPED_DIRECTORIES
            and not is_excluded(f"{directory}/{name}", excluded)
            and not Path(directory, name, "pyvenv.cfg").exists()
        ]
        places = (Path(directory, name) for name in files)
        found = (place for place in places if not (SUFFIXES | TEMPLATES).isdisjoint(_suffixes(place.name)))
        yield from (str(place) for place in found if place.is_file())


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


def _suffixes(file: str) -> list[str]:
    return [suffix.lower() for suffix in PurePath(file).suffixes]


def _has_tracing_key(text: str) -> bool:
    return any(key in text.lower() for key in TRACING_KEYS)


def _is_read(file: str) -> bool:
    last = PurePath(file).suffix.lower()
    return last in SUFFIXES or last in TEMPLATES


def _skipped(code: str, file: str, reason: str) -> Finding:
    return Finding(Issue(code, (), reason), file, 1, file)
