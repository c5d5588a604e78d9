"""The cache of built and fetched programs.

The name of an entry ends in a digest of its inputs, and an entry is either complete or absent. It is never updated.
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

from toolchain.errors import MissingProgramError

LOCK_POLL_SECONDS = 0.2
"""Interval between attempts to take a lock. A blocking flock would delay the reaction to a signal."""


def directory() -> Path:
    """Return `$CONSUL_TRACING_CACHE`, else `consul-tracing` in `$XDG_CACHE_HOME`, by default `~/.cache`."""
    if configured := os.environ.get("CONSUL_TRACING_CACHE"):
        return Path(configured).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or home() / ".cache").absolute() / "consul-tracing"


def home() -> Path:
    """Return the home directory of the user. Raises `MissingProgramError` if there is none."""
    try:
        return Path.home()
    except RuntimeError:
        raise MissingProgramError(
            "toolchain: this user has no home directory. Set HOME to a writable directory"
        ) from None


def machine() -> str:
    """Return the platform of this machine, such as `linux-x86_64`."""
    system = f"{platform.system()}-{platform.machine()}".lower()
    is_musl = platform.system() == "Linux" and platform.libc_ver()[0] != "glibc"
    return f"{system}-musl" if is_musl else system


def digest(*inputs: object) -> str:
    """Return a short digest of these inputs, identical on every machine."""
    return hashlib.sha256(json.dumps(inputs, default=str).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Entry:
    """The directory of one program in one version."""

    path: Path

    @classmethod
    def for_program(cls, name: str, version: str, *inputs: object) -> "Entry":
        """Return the entry of a program whose content depends on `inputs` and this machine."""
        return cls(directory() / f"{name}-{version}-{digest(name, version, machine(), *inputs)}")

    @property
    def log(self) -> Path:
        """Log of the latest failed attempt."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def lock(self) -> Path:
        """File that is locked while the entry is written or removed."""
        return self.path.with_name(f"{self.path.name}.lock")

    @property
    def is_complete(self) -> bool:
        """Whether it can be used. An unfinished entry has another name."""
        return self.path.is_dir()

    def fill(self, make: Callable[[Path], None], waiting: Callable[[], None]) -> bool:
        """Call `make` to write the content, unless another process writes it first. Return whether `make` ran.

        `waiting` is called repeatedly while another process holds the lock.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(waiting):
            if self.is_complete:
                return False
            self.remove_unfinished()
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

    def remove_unfinished(self) -> None:
        """Remove the unfinished copies of killed processes. The caller holds the lock."""
        for partial in self.path.parent.glob(f"{self.path.name}.*.partial"):
            shutil.rmtree(partial, ignore_errors=True)

    @contextmanager
    def _locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the lock of the entry. The kernel releases it when this process ends, even by SIGKILL."""
        with self.lock.open("w") as lock:
            while not try_lock(lock.fileno()):
                waiting()
                time.sleep(LOCK_POLL_SECONDS)
            yield


def try_lock(descriptor: int) -> bool:
    """Try to take a lock and return whether this process holds it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
