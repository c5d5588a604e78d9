"""Memory limits of programs through control groups, as for containers."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
MEBIBYTE = 2**20


@dataclass(frozen=True)
class MemoryLimit:
    """A temporary control group."""

    group: Path
    peak_file: str

    def command(self, *command: str) -> list[str]:
        """Wrap a command so that the kernel kills it when it exceeds the limit."""
        return ["/bin/sh", "-c", f'echo $$ > {self.group}/cgroup.procs && exec "$@"', "limited", *command]

    def peak(self) -> float:
        """Return the peak memory usage in MiB, including the page cache."""
        return int((self.group / self.peak_file).read_text()) / MEBIBYTE


@contextmanager
def memory_limit(limit: int) -> Iterator[MemoryLimit | None]:
    """Create a limit in bytes. Yields None if this user cannot create control groups."""
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
