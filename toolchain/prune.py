"""`python -m toolchain prune`: remove superseded programs from the cache and show the size of Go's caches."""

import re
import shutil

from toolchain.cache import Entry, directory, try_lock
from toolchain.go_caches import format_size, go_caches, size
from toolchain.programs import GO, PROGRAMS
from toolchain.provision import Program

ENTRY = re.compile(r"(?P<entry>.+-[0-9a-f]{16})(?:\.log|\.lock|\.[^.]+\.partial)?")
"""Names of an entry and its log, lock and unfinished copies. Other files are preserved."""


def prune() -> None:
    """Remove superseded entries. Print the freed space and the size of Go's caches."""
    old = superseded()
    freed = {name: remove(Entry(directory() / name), keep=name not in old) for name in sorted(entry_names())}
    for name, size_of_entry in freed.items():
        if size_of_entry:
            print(f"removed {name}: {format_size(size_of_entry)}")
    print(f"{directory()}: {format_size(sum(freed.values()))} removed, {format_size(size(directory()))} in use")
    print_go_caches()


def superseded() -> set[str]:
    """Return the names of outdated entries whose program has a complete current entry.

    An entry without a replacement is preserved: another Go on PATH changes the key of every program that is built.
    """
    return {name for program in PROGRAMS for name in superseded_of(program, entry_names())}


def superseded_of(program: Program, names: set[str]) -> set[str]:
    """Return those of `names` that are superseded entries of this program."""
    current = {program.entry(version) for version in program.source.versions}
    if not any(entry.is_complete for entry in current):
        return set()
    of_program = {name for name in names if re.match(rf"{re.escape(program.name)}-\d", name)}
    return of_program - {entry.path.name for entry in current}


def entry_names() -> set[str]:
    """Return the names of the entries in the cache directory, unfinished ones included."""
    files = directory().iterdir() if directory().is_dir() else ()
    return {match["entry"] for file in files if (match := ENTRY.fullmatch(file.name))}


def remove(entry: Entry, *, keep: bool) -> int:
    """Remove an entry, its log and its unfinished copies; with `keep` not the entry. Return the bytes freed.

    An entry that another process is writing is preserved.
    """
    with entry.lock.open("w") as lock:
        if not try_lock(lock.fileno()):
            return 0
        before = size_of_all(entry)
        entry.remove_unfinished()
        # The log of a failed attempt is kept until the entry is complete.
        if entry.is_complete or not keep:
            entry.log.unlink(missing_ok=True)
        if not keep:
            shutil.rmtree(entry.path, ignore_errors=True)
            entry.lock.unlink()
        return before - size_of_all(entry)


def size_of_all(entry: Entry) -> int:
    """Return the size of an entry and its unfinished copies, in bytes."""
    return sum(map(size, [entry.path, *entry.path.parent.glob(f"{entry.path.name}.*.partial")]))


def print_go_caches() -> None:
    """Print the size of Go's caches and the command that removes them."""
    if not GO.is_ready():
        return
    go = GO.obtain().path
    for variable, path in go_caches(go).by_variable().items():
        print(f"{variable} {path}: {format_size(size(path))}")
    print(f"Shared by every Go project of this user. To remove both: {go} clean -modcache -cache")
