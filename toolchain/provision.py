"""A program: looked for on PATH, then in the cache, then made from its source."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from toolchain.cache import Entry, directory
from toolchain.commands import CommandFailed, Job, Progress, Quiet, exiting_on_sigterm
from toolchain.on_path import Found, PassedOver, PathRule

Origin = Literal["on PATH", "cache", "built", "fetched"]


class MissingProgram(Exception):
    """A program that is not there and cannot be had; the text says why and what to do."""


class Source(Protocol):
    """Where a program comes from when PATH has none that serves."""

    @property
    def how(self) -> Literal["built", "fetched"]:
        """What is said of a program from here."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The versions to be had, the default one first."""

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return everything that decides what is made: the cache's key."""

    @property
    def executable(self) -> Path:
        """Where the executable or jar lies in the directory that `make` has filled."""

    def make(self, version: str, into: Path, job: Job) -> None:
        """Build or fetch the program into an empty directory."""


@dataclass(frozen=True)
class Obtained:
    """A program that can be run."""

    name: str
    version: str
    path: Path
    origin: Origin
    seconds: float
    """What getting it took, looking at PATH and waiting for other processes included."""
    passed_over: str | None
    """Why the one on PATH was not used, where there is one."""


@dataclass(frozen=True)
class Program:
    """One row of the table in `toolchain.programs`."""

    name: str
    source: Source
    on_path: PathRule

    def obtain(self, version: str | None = None, progress: Progress | None = None) -> Obtained:
        """Find the program, or make it. Raises `MissingProgram`.

        `version` is exact; without it, any version on PATH that serves, else the source's default.
        """
        started = time.monotonic()
        there = self.look(version)
        if isinstance(there, Found):
            return Obtained(self.name, there.version, there.path, "on PATH", time.monotonic() - started, None)
        reason = there.reason if there else None
        wanted = self._offered(version, reason)
        entry = Entry.of(self.name, wanted, *self.source.ingredients(wanted))
        origin: Origin = self.source.how if self._filled(entry, wanted, progress or Quiet(), reason) else "cache"
        path = entry.path / self.source.executable
        return Obtained(self.name, wanted, path, origin, time.monotonic() - started, reason)

    def look(self, version: str | None) -> Found | PassedOver | None:
        """Return what PATH holds; a version asked for serves only if it is that very one."""
        there = self.on_path.look(self.name)
        if isinstance(there, Found) and version not in (None, there.version):
            return PassedOver(f"{there.path} is {there.version}, and {version} was asked for")
        return there

    def _offered(self, version: str | None, passed_over: str | None) -> str:
        if version is None:
            return self.source.versions[0]
        if version not in self.source.versions:
            allowed = ", ".join(self.source.versions)
            raise self._missing(f'version "{version}" cannot be had; this toolchain gets {allowed}', passed_over)
        return version

    def _filled(self, entry: Entry, version: str, progress: Progress, passed_over: str | None) -> bool:
        """Return whether this process had to make the entry."""
        if entry.complete:
            return False

        def make(into: Path) -> None:
            self.source.make(version, into, Job(entry.log, progress))
            if not (into / self.source.executable).is_file():
                raise MissingProgram(f"{self.source.executable} is not in what was {self.source.how}")

        try:
            with exiting_on_sigterm():
                return entry.fill(make, waiting=lambda: progress.step("waiting for another process that gets it"))
        except (CommandFailed, MissingProgram) as why:
            raise self._missing(f"{version} could not be {self.source.how}\n  {why}", passed_over) from None
        except OSError as why:
            way_on = "Set CONSUL_TRACING_CACHE to a directory with 2 GB free"
            what = f"{version} could not be kept in {directory()}: {why}\n  {way_on}"
            raise self._missing(what, passed_over) from why

    def _missing(self, what: str, passed_over: str | None) -> MissingProgram:
        also = f"\n  Not used from PATH: {passed_over}" if passed_over else ""
        return MissingProgram(f"toolchain: {self.name} {what}{also}")
