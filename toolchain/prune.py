"""`python -m toolchain prune`: remove superseded programs from the cache, and show the size of Go's own caches."""

import re
import shutil

from toolchain.cache import Entry, directory, is_locked_by_us
from toolchain.go_caches import go_caches, size, sized
from toolchain.programs import GO, PROGRAMS
from toolchain.provision import Program

ENTRY = re.compile(r"(?P<entry>.+-[0-9a-f]{16})(?:\.log|\.lock|\.[^.]+\.partial)?")
"""The names of an entry and of the files beside it. Anything else in the directory is left alone."""


def prune() -> None:
    """Remove superseded entries and print what was removed, and the size of Go's caches."""
    old = superseded()
    freed = {name: remove(Entry(directory() / name), keep=name not in old) for name in sorted(entry_names())}
    for name, size_of_entry in freed.items():
        if size_of_entry:
            print(f"removed {name}: {sized(size_of_entry)}")
    print(f"{directory()}: {sized(sum(freed.values()))} removed, {sized(size(directory()))} in use")
    print_go_caches()


def superseded() -> set[str]:
    """Return the names of the entries that are not current while a current one of the same program is complete.

    Without such a replacement an entry is kept: with another Go on PATH, all programs that are built have other keys.
    """
    return {name for program in PROGRAMS for name in superseded_of(program, entry_names())}


def superseded_of(program: Program, names: set[str]) -> set[str]:
    """Return the superseded ones among the names of entries that are of this program."""
    current = {program.entry(version) for version in program.source.versions}
    if not any(entry.complete for entry in current):
        return set()
    of_program = {name for name in names if re.match(rf"{re.escape(program.name)}-\d", name)}
    return of_program - {entry.path.name for entry in current}


def entry_names() -> set[str]:
    """Return the names of the entries that the cache's directory holds anything of."""
    files = directory().iterdir() if directory().is_dir() else ()
    return {match["entry"] for file in files if (match := ENTRY.fullmatch(file.name))}


def remove(entry: Entry, *, keep: bool) -> int:
    """Remove an entry and what is beside it, or, with `keep`, only what is beside it. Return the bytes freed.

    Nothing of an entry that another process is making is removed.
    """
    with entry.lock.open("w") as lock:
        if not is_locked_by_us(lock.fileno()):
            return 0
        before = size_of_all(entry)
        entry.sweep()
        # The log of a failed attempt is kept until the entry is complete.
        if entry.complete or not keep:
            entry.log.unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(entry.path, ignore_errors=True)
            entry.lock.unlink()
        return before - size_of_all(entry)


def size_of_all(entry: Entry) -> int:
    """Return the size of an entry and of its unfinished copies."""
    return sum(map(size, [entry.path, *entry.path.parent.glob(f"{entry.path.name}.*.partial")]))


def print_go_caches() -> None:
    """Print the size of Go's caches and the command that removes them; every Go project of this user shares them."""
    if not GO.is_ready():
        return
    go = GO.obtain().path
    for variable, path in go_caches(go).named().items():
        print(f"{variable} {path}: {sized(size(path))}")
    print(f"Shared by every Go project of this user. To remove both: {go} clean -modcache -cache")
