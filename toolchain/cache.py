"""Where built and fetched programs are kept: an entry is complete or not there at all.

An entry's name ends in a digest of everything that makes it, so an entry never has to be renewed, only made or left.
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

from toolchain.commands import RUNNING

SECONDS_BETWEEN_TRIES = 0.2
"""How often a lock that another process holds is tried again. Waiting inside flock would not see an interruption."""


def directory() -> Path:
    """Return `$CONSUL_TRACING_CACHE`, else `consul-tracing` in `$XDG_CACHE_HOME`, by default `~/.cache`."""
    own = os.environ.get("CONSUL_TRACING_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "consul-tracing"


def machine() -> str:
    """Return what a program is made for, such as `linux-x86_64`."""
    return f"{platform.system()}-{platform.machine()}".lower()


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
        """The log of the latest attempt to make it; kept, for it tells why an attempt failed."""
        return self.path.with_name(f"{self.path.name}.log")

    @property
    def complete(self) -> bool:
        """Whether it can be used. It gets its name only when everything is in it."""
        return self.path.is_dir()

    def fill(self, make: Callable[[Path], None], waiting: Callable[[], None]) -> bool:
        """Have `make` write the content into a directory, and return whether that was needed.

        It is not when another process makes the entry meanwhile; `waiting` is called when there is one to wait for.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self._locked(waiting):
            if self.complete:
                return False
            self._sweep()
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

    def _sweep(self) -> None:
        """Remove what killed processes left. The lock is ours, so nobody else is making this entry."""
        for left in self.path.parent.glob(f"{self.path.name}.*.partial"):
            shutil.rmtree(left, ignore_errors=True)

    @contextmanager
    def _locked(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Hold the entry's lock, which the kernel releases when this process dies, however it dies."""
        with self.path.with_name(f"{self.path.name}.lock").open("w") as lock:
            if not is_locked_by_us(lock.fileno()):
                waiting()
                while not is_locked_by_us(lock.fileno()):
                    RUNNING.refuse_when_ended()
                    time.sleep(SECONDS_BETWEEN_TRIES)
            yield


def is_locked_by_us(descriptor: int) -> bool:
    """Try to take a lock and return whether it is ours now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
