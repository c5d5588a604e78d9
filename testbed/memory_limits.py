"""A bound on the memory of a program, set by the kernel as it is for a container, where this machine lets us."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEBIBYTE = 2**20


@dataclass(frozen=True)
class MemoryLimit:
    """A control group of this test's own, gone with it."""

    group: Path
    peak_file: str

    def command(self, *command: str) -> list[str]:
        """`command`, run within the limit: the kernel kills it when it wants more."""
        return ["/bin/sh", "-c", f'echo $$ > {self.group}/cgroup.procs && exec "$@"', "limited", *command]

    def peak(self) -> float:
        """The most memory that was used at once, in MiB, files that the kernel kept in it included."""
        return int((self.group / self.peak_file).read_text()) / MEBIBYTE


@contextmanager
def memory_limit(limit: int) -> Iterator[MemoryLimit | None]:
    """A limit of so many bytes; None where nobody may make control groups here."""
    version_2 = (CGROUPS / "cgroup.controllers").exists()
    root, limit_file, peak_file = (
        (CGROUPS, "memory.max", "memory.peak")
        if version_2
        else (CGROUPS / "memory", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
    )
    group = root / f"consul-tracing-{secrets.token_hex(4)}"
    try:
        group.mkdir()
        (group / limit_file).write_text(str(limit))
    except OSError:
        if group.exists():
            group.rmdir()
        yield None
        return
    try:
        yield MemoryLimit(group, peak_file)
    finally:
        group.rmdir()
