"""The cache of built and fetched programs: an entry is complete or does not exist.

An entry's name ends in a digest of everything that decides its content, so an entry is never updated, only made.
"""

import fcntl
import hashlib
import json
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from toolchain.errors import MissingProgram

SECONDS_BETWEEN_TRIES = 0.2
"""Interval at which a lock of another process is tried. Waiting inside flock would not notice an interruption."""


def directory() -> Path:
    """Return `$CONSUL_TRACING_CACHE`, else `consul-tracing` in `$XDG_CACHE_HOME`, by default `~/.cache`."""
    own = os.environ.get("CONSUL_TRACING_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache").absolute() / "consul-tracing"


def home() -> Path:
    """Return the user's home directory. Raises `MissingProgram` for a user who has none."""
    try:
        return Path.home()
    except RuntimeError:
        raise MissingProgram(
            "toolchain: this user has no home directory. Set HOME to a directory that can be written"
        ) from None


def machine() -> str:
    """Return the platform that programs are made for, such as `linux-x86_64`."""
    system = f"{platform.system()}-{platform.machine()}".lower()
    foreign = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    return f"{system}-musl" if foreign else system


def digest(*ingredients: object) -> str:
    """Return a short name for these ingredients: equal for equal ones, on every machine."""
    return hashlib.sha256(json.dumps(ingredients, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """One program in one version, in a directory of its own."""

    path: Path

    @classmethod
    def of(cls, name: str, version: str, *ingredients: object) -> "Entry":
        """Return the entry of a program made from `ingredients` for this machine."""
        return cls(directory() / f"{name}-{version}-{digest(name, version, machine(), *ingredients)}")

    @property
    def log(self) -> Path:
        """The log of the latest attempt to make it, if that failed."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def lock(self) -> Path:
        """The file whose lock is held while the entry is made or removed."""
        return self.path.with_name(f"{self.path.name}.lock")

    @property
    def complete(self) -> bool:
        """Whether it can be used. It gets its name only when everything is in it."""
        return self.path.is_dir()

    def fill(self, make: Callable[[Path], None], waiting: Callable[[], None]) -> bool:
        """Have `make` write the content into a directory, and return whether that was needed.

        It is not needed when another process makes the entry meanwhile; `waiting` is called while that goes on.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(waiting):
            if self.complete:
                return False
            self.sweep()
            self._make(make)
        return True

    def _make(self, make: Callable[[Path], None]) -> None:
        self.log.unlink(missing_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f"{self.path.name}.", suffix=".partial", dir=self.path.parent))
        try:
            make(partial)
            partial.chmod(0o755)
            partial.rename(self.path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def sweep(self) -> None:
        """Remove what killed processes left. The caller holds the lock, so no other process makes this entry."""
        for left in self.path.parent.glob(f"{self.path.name}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the entry's lock, which the kernel releases when this process ends, even by SIGKILL."""
        with self.lock.open("w") as lock:
            while not is_locked_by_us(lock.fileno()):
                waiting()
                time.sleep(SECONDS_BETWEEN_TRIES)
            yield


def is_locked_by_us(descriptor: int) -> bool:
    """Try to take a lock and return whether this process holds it now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
