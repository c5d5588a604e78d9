"""Go's own caches: where they are, how large they are, and whether a build has room in them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import MissingProgram

GIGABYTE = 10**9
GIGABYTES_NEEDED = 4
"""Free space that a build requires: Go's caches grow by up to this much for one program."""

GIGABYTES_OF_TEMPORARY_FILES = 2
"""Free space that a build requires in TMPDIR, where Go links."""


@dataclass(frozen=True)
class GoCaches:
    """The directories of Go's downloads and of its compiled packages. Every build of this user shares them."""

    modules: Path
    """GOMODCACHE."""
    builds: Path
    """GOCACHE."""

    def named(self) -> dict[str, Path]:
        """Return them under the names of the variables that set them."""
        return {"GOMODCACHE": self.modules, "GOCACHE": self.builds}


def go_environment() -> Mapping[str, str]:
    """Return the variables that keep the caller's settings from deciding what is built.

    Empty counts as unset. Where modules are downloaded from and kept (GOPROXY, GOMODCACHE) is the caller's choice.
    """
    unset = dict.fromkeys(("GOOS", "GOARCH", "GOROOT", "GOEXPERIMENT", "GO111MODULE"), "")
    return {**unset, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "local", "GOWORK": "off"}


def go_caches(go: Path) -> GoCaches:
    """Ask Go where its caches are. Raises `MissingProgram` when it has none."""
    answer = subprocess.run(
        [go, "env", "GOMODCACHE", "GOCACHE"],
        env={**os.environ, **go_environment()},
        capture_output=True,
        text=True,
        check=False,
    )
    lines = answer.stdout.splitlines()
    if answer.returncode != 0 or len(lines) != len(GoCaches.__dataclass_fields__) or not all(lines):
        raise MissingProgram("Go has no directory for its caches. Set HOME, or GOMODCACHE and GOCACHE")
    return GoCaches(*map(Path, lines))


def require_room(caches: GoCaches) -> None:
    """Raise `MissingProgram` where Go's caches cannot be written or have too little room for a build."""
    for variable, path in caches.named().items():
        try:
            path.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=path).close()
        except OSError as error:
            raise MissingProgram(
                f"{variable} cannot be written: {error}. "
                "Set HOME, or GOMODCACHE and GOCACHE, to a directory that can be written"
            ) from None
        require_space(variable, path, GIGABYTES_NEEDED)
    require_space("TMPDIR", Path(tempfile.gettempdir()), GIGABYTES_OF_TEMPORARY_FILES)


def require_space(variable: str, path: Path, gigabytes: int) -> None:
    """Raise `MissingProgram` when the disk that holds `path`, the directory that `variable` sets, has less space."""
    free = shutil.disk_usage(path).free
    if free < gigabytes * GIGABYTE:
        raise MissingProgram(
            f"{variable} ({path}) has {sized(free)} of free disk space, a build requires {gigabytes} GB. "
            f"Set {variable} to a directory on another disk, or see `python -m toolchain prune`"
        )


def size(path: Path) -> int:
    """Return the size of everything below a path, in bytes."""
    return sum(
        os.lstat(os.path.join(folder, file)).st_size  # noqa: PTH118 - a Path for each of 100,000 files takes seconds
        for folder, _, files in os.walk(path)
        for file in files
    )


def sized(size_in_bytes: int) -> str:
    """Return a size such as `1.2 GB`."""
    return f"{size_in_bytes / GIGABYTE:.1f} GB"
