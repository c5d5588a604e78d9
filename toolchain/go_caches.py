"""Go's caches: location, size and free disk space."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import MissingProgramError

GIGABYTE = 10**9
GIGABYTES_NEEDED = 4
"""Free disk space that a build requires: one program adds up to this amount to the caches."""

GIGABYTES_OF_TEMPORARY_FILES = 2
"""Free disk space that Go's linker requires in TMPDIR."""


@dataclass(frozen=True)
class GoCaches:
    """The directories of downloaded modules and compiled packages, shared by every build of this user."""

    modules: Path
    """GOMODCACHE."""
    builds: Path
    """GOCACHE."""

    def by_variable(self) -> dict[str, Path]:
        """Return the directories by the name of their environment variable."""
        return {"GOMODCACHE": self.modules, "GOCACHE": self.builds}


def go_environment() -> Mapping[str, str]:
    """Return the variables that make a build independent of the caller's settings.

    Go treats an empty variable as unset. The caller still chooses the sources and caches (GOPROXY, GOMODCACHE).
    """
    unset = dict.fromkeys(("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GO111MODULE"), "")
    return {**unset, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def go_caches(go: Path) -> GoCaches:
    """Query Go for the location of its caches. Raises `MissingProgramError` if it has none."""
    result = subprocess.run(
        [go, "env", "GOMODCACHE", "GOCACHE"],
        env={**os.environ, **go_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = result.stdout.splitlines()
    if result.returncode != 0 or len(lines) != len(GoCaches.__dataclass_fields__) or not all(lines):
        raise MissingProgramError("Go has no directory for its caches. Set HOME, or GOMODCACHE and GOCACHE")
    return GoCaches(*map(Path, lines))


def require_room(caches: GoCaches) -> None:
    """Raise `MissingProgramError` if Go's caches are not writable or lack the disk space for a build."""
    for variable, path in caches.by_variable().items():
        try:
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except OSError as error:
            raise MissingProgramError(
                f"{variable} cannot be written: {error}. Set HOME, or GOMODCACHE and GOCACHE, to a writable directory"
            ) from None
        require_space(variable, path, GIGABYTES_NEEDED)
    require_space("TMPDIR", Path(tempfile.gettempdir()), GIGABYTES_OF_TEMPORARY_FILES)


def require_space(variable: str, path: Path, gigabytes: int) -> None:
    """Raise `MissingProgramError` if the disk of `path`, which `variable` sets, has less free space."""
    free = shutil.disk_usage(path).free
    if free < gigabytes * GIGABYTE:
        raise MissingProgramError(
            f"{variable} ({path}) has {format_size(free)} of free disk space; a build requires {gigabytes} GB. "
            f"Set {variable} to a directory on another disk, or run: python -m toolchain prune"
        )


def size(path: Path) -> int:
    """Return the total size of the files below a path, in bytes."""
    return sum(
        os.lstat(os.path.join(folder, file)).st_size  # noqa: PTH118 - a Path for each of 100,000 files takes seconds
        for folder, _, files in os.walk(path)
        for file in files
    )


def format_size(size_in_bytes: int) -> str:
    """Return a size such as `1.2 GB`."""
    return f"{size_in_bytes / GIGABYTE:.1f} GB"
