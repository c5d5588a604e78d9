"""A program: looked for on PATH, then in the cache, then made from its source."""

import textwrap
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from testbed.processes import NotInTime, ProgramFailed, Programs
from toolchain.cache import Entry, directory
from toolchain.errors import MissingProgram
from toolchain.jobs import Job, Progress, Quiet
from toolchain.on_path import Found, PassedOver, PathRule

Origin = Literal["on PATH", "cache", "built", "fetched", "stand-in"]


class Source(Protocol):
    """Where a program comes from when PATH has none that is supported."""

    @property
    def how(self) -> Literal["built", "fetched"]:
        """How a program is made from it."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The available versions, the default one first."""

    def ingredients(self, version: str) -> tuple[object, ...]:
        """Return everything that decides what is made: the cache's key."""

    @property
    def executable(self) -> Path:
        """Path of the executable or jar inside the directory that `make` has filled."""

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
    """Time spent, the look at PATH and the wait for other processes included."""
    note: str | None
    """Why another one was not used, where there is one."""


@dataclass(frozen=True)
class Program:
    """One row of the table in `toolchain.programs`."""

    name: str
    source: Source
    on_path: PathRule

    def obtain(
        self, version: str | None = None, progress: Progress | None = None, programs: Programs | None = None
    ) -> Obtained:
        """Find the program, or make it. Raises `MissingProgram`.

        `version` is exact; without it, any supported version on PATH is used, else the source's default. Commands
        run among `programs`, or, without them, in a run of their own.
        """
        started = time.monotonic()
        found = self.look(version)
        if isinstance(found, Found):
            return Obtained(self.name, found.version, found.path, "on PATH", time.monotonic() - started, None)
        reason = found.reason if found else None
        wanted = self._offered(version, reason)
        entry = self.entry(wanted)
        made = not entry.complete and self._fill(entry, wanted, progress or Quiet(), programs, reason)
        origin: Origin = self.source.how if made else "cache"
        path = entry.path / self.source.executable
        note = f"passed over: {reason}" if reason else None
        return Obtained(self.name, wanted, path, origin, time.monotonic() - started, note)

    def is_ready(self, version: str | None = None) -> bool:
        """Whether the program is on PATH or in the cache."""
        return isinstance(self.look(version), Found) or self.entry(version or self.source.versions[0]).complete

    def look(self, version: str | None) -> Found | PassedOver | None:
        """Return what PATH holds; if `version` is given, any other version is passed over."""
        found = self.on_path.look(self.name)
        if isinstance(found, Found) and version not in (None, found.version):
            return PassedOver(f"{found.path} is {found.version}, and {version} was requested")
        return found

    def entry(self, version: str) -> Entry:
        """Return the cache's entry for a version."""
        return Entry.of(self.name, version, *self.source.ingredients(version))

    def _offered(self, version: str | None, passed_over: str | None) -> str:
        if version is None:
            return self.source.versions[0]
        if version not in self.source.versions:
            allowed = ", ".join(self.source.versions)
            raise self._missing(f'version must be one of {allowed}; got "{version}"', passed_over)
        return version

    def _fill(
        self, entry: Entry, version: str, progress: Progress, programs: Programs | None, passed_over: str | None
    ) -> bool:
        """Fill the cache's entry and return whether this process did so."""
        failed = f"{version} could not be {self.source.how}"
        try:
            with ExitStack() as owned:
                running = programs or owned.enter_context(Programs())
                job = Job(running, entry.log, progress)
                return entry.fill(lambda into: self._make(version, into, job), job.wait)
        except (ProgramFailed, NotInTime) as failure:
            lines = textwrap.indent(str(failure), "  ")
            raise self._missing(f"{failed}\n{lines}\n  The full log is {entry.log}", passed_over) from None
        except MissingProgram as missing:
            raise self._missing(f"{failed}\n  {missing}", passed_over) from None
        except OSError as error:
            fix = "Set CONSUL_TRACING_CACHE to a directory that can be written, with 2 GB free"
            what = f"{version} cannot be kept in {directory()}: {error}\n  {fix}"
            raise self._missing(what, passed_over) from error

    def _make(self, version: str, into: Path, job: Job) -> None:
        self.source.make(version, into, job)
        if not (into / self.source.executable).is_file():
            raise MissingProgram(f"{self.source.executable} is not in what was {self.source.how}")

    def _missing(self, what: str, passed_over: str | None) -> MissingProgram:
        also = f"\n  Not used from PATH: {passed_over}" if passed_over else ""
        return MissingProgram(f"toolchain: {self.name} {what}{also}")
