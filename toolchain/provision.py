"""Provision of a program: from PATH, else from the cache, else from its source."""

import textwrap
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from testbed.processes import ProgramFailedError, Programs, WaitTimeoutError
from toolchain.cache import Entry, directory
from toolchain.errors import MissingProgramError
from toolchain.jobs import Job, NoProgress, Progress
from toolchain.on_path import Found, PathRule, Unsupported

Origin = Literal["on PATH", "cache", "built", "fetched", "stand-in"]


class Source(Protocol):
    """Source of a program that PATH does not have in a supported version."""

    @property
    def how(self) -> Literal["built", "fetched"]:
        """How the source provides a program."""

    @property
    def versions(self) -> tuple[str, ...]:
        """The available versions, the default first."""

    def inputs(self, version: str) -> tuple[object, ...]:
        """Return the inputs that determine the result, for the cache key."""

    @property
    def executable(self) -> Path:
        """Path of the executable or jar in the directory that `make` fills."""

    def make(self, version: str, into: Path, job: Job) -> None:
        """Build or fetch the program into an empty directory."""


@dataclass(frozen=True)
class Obtained:
    """A program that is ready to run."""

    name: str
    version: str
    path: Path
    origin: Origin
    seconds: float
    """Elapsed time, including the search on PATH and the wait for other processes."""
    note: str | None
    """The reason why another program was not used, if there is one."""


@dataclass(frozen=True)
class Program:
    """A program and its source."""

    name: str
    source: Source
    on_path: PathRule

    def obtain(
        self, version: str | None = None, progress: Progress | None = None, programs: Programs | None = None
    ) -> Obtained:
        """Find, build or fetch the program. Raises `MissingProgramError`.

        `version` is exact. Default: any supported version on PATH, else the default version of the source.
        `programs` runs the commands. Default: a new instance.
        """
        started = time.monotonic()
        found = self.find_on_path(version)
        if isinstance(found, Found):
            return Obtained(self.name, found.version, found.path, "on PATH", time.monotonic() - started, None)
        reason = found.reason if found else None
        chosen = self._available(version, reason)
        entry = self.entry(chosen)
        made = not entry.is_complete and self._fill(entry, chosen, progress or NoProgress(), programs, reason)
        origin: Origin = self.source.how if made else "cache"
        path = entry.path / self.source.executable
        note = f"not used from PATH: {reason}" if reason else None
        return Obtained(self.name, chosen, path, origin, time.monotonic() - started, note)

    def is_ready(self, version: str | None = None) -> bool:
        """Whether the program is on PATH or in the cache."""
        return (
            isinstance(self.find_on_path(version), Found) or self.entry(version or self.source.versions[0]).is_complete
        )

    def find_on_path(self, version: str | None) -> Found | Unsupported | None:
        """Return the program on PATH. With `version`, any other version is unsupported."""
        found = self.on_path.find_on_path(self.name)
        if isinstance(found, Found) and version not in (None, found.version):
            return Unsupported(f"{found.path} is {found.version}, must be {version}")
        return found

    def entry(self, version: str) -> Entry:
        """Return the cache entry of a version."""
        return Entry.for_program(self.name, version, *self.source.inputs(version))

    def _available(self, version: str | None, unsupported: str | None) -> str:
        if version is None:
            return self.source.versions[0]
        if version not in self.source.versions:
            allowed = ", ".join(self.source.versions)
            raise self._missing(f'version must be one of {allowed}, got "{version}"', unsupported)
        return version

    def _fill(
        self, entry: Entry, version: str, progress: Progress, programs: Programs | None, unsupported: str | None
    ) -> bool:
        """Fill the cache entry and return whether this process did so."""
        failed = f"{version} could not be {self.source.how}"
        try:
            with ExitStack() as owned:
                running = programs or owned.enter_context(Programs())
                job = Job(running, entry.log, progress)
                return entry.fill(lambda into: self._make(version, into, job), job.wait)
        except (ProgramFailedError, WaitTimeoutError) as error:
            lines = textwrap.indent(str(error), "  ")
            raise self._missing(f"{failed}\n{lines}\n  Full log: {entry.log}", unsupported) from None
        except MissingProgramError as error:
            raise self._missing(f"{failed}\n  {error}", unsupported) from None
        except OSError as error:
            fix = "Set CONSUL_TRACING_CACHE to a writable directory with 2 GB of free space"
            message = f"{version} cannot be written to {directory()}: {error}\n  {fix}"
            raise self._missing(message, unsupported) from error

    def _make(self, version: str, into: Path, job: Job) -> None:
        self.source.make(version, into, job)
        if not (into / self.source.executable).is_file():
            raise MissingProgramError(f"the {self.source.how} files do not include {self.source.executable}")

    def _missing(self, message: str, unsupported: str | None) -> MissingProgramError:
        note = f"\n  Not used from PATH: {unsupported}" if unsupported else ""
        return MissingProgramError(f"toolchain: {self.name} {message}{note}")
