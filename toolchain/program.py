"""A program: installed, else in the cache, else built or downloaded."""

import functools
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from toolchain import cache
from toolchain.cache import MissingProgramError

SECONDS_BETWEEN_DOWNLOADS = 24 * 3600
"""Interval between the downloads of a program with a stand-in, so that an offline machine waits once a day."""


@dataclass(frozen=True)
class OnPath:
    """Rule: the first program of this name on PATH is used if its release is `oldest` or newer and before `before`."""

    oldest: str
    before: str
    arguments: str = "version"
    """Arguments that make the program print its version."""

    def find(self, name: str) -> tuple[Path, str] | None:
        """Return the path and the version of the program if it is supported."""
        found = shutil.which(name)
        version = printed_version(found, self.arguments) if found else ""
        return (Path(found).absolute(), version) if found and self.supports(version) else None

    def supports(self, version: str) -> bool:
        """Whether this version is used. Consul Enterprise (1.22.0+ent) requires a licence."""
        return numbers(self.oldest) <= numbers(version) < numbers(self.before) and "+ent" not in version


class BesidePulumi(OnPath):
    """Rule: a language host, which does not print its version, is used if it is in the directory of this Pulumi."""

    def find(self, name: str) -> tuple[Path, str] | None:
        """Search the directory of Pulumi, then the directory of its link target."""
        pulumi, version = super().find("pulumi") or (None, "")
        folders = (pulumi.parent, pulumi.resolve().parent) if pulumi else ()
        return next(((folder / name, version) for folder in folders if (folder / name).is_file()), None)


class PluginOfPulumi(OnPath):
    """Rule: the newest supported version that `pulumi plugin install` installed is used."""

    def find(self, name: str) -> tuple[Path, str] | None:
        """Search `$PULUMI_HOME`, by default `~/.pulumi`."""
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        prefix = f"{name.removeprefix('pulumi-')}-v"
        found = [(path, path.parent.name.removeprefix(prefix)) for path in home.glob(f"plugins/{prefix}*/{name}")]
        # Pulumi marks an unfinished installation with a file.
        complete = [one for one in found if self.supports(one[1]) and not Path(f"{one[0].parent}.partial").exists()]
        return max(complete, key=lambda one: numbers(one[1]), default=None)


@functools.cache
def printed_version(path: str, arguments: str) -> str:
    """Return the first version on the standard output of the program, "" if there is none."""
    # Without GOTOOLCHAIN=local Go may download the version that a go.mod in a parent directory requires.
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1", "GOTOOLCHAIN": "local"}
    command = [path, *arguments.split()]
    try:
        # PATH may hold a wrapper that downloads the program first.
        result = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    # The first release of a Java version is a single number: `openjdk 21 2023-09-19`.
    version = re.search(rb"(?<![\w.-])(?:v|go)?(\d+(?:(?:\.\d+)+(?:[-+.]\w+)*|(?= )))", result.stdout)
    return version[1].decode() if version else ""


def numbers(version: str) -> list[int]:
    """Return the numbers of a version, for comparison."""
    return [int(number) for number in re.findall(r"\d+", version)]


@dataclass(frozen=True)
class Program:
    """A program and its source."""

    name: str
    version: str
    """The default version."""
    executable: str
    """Path of the executable or jar in the directory that `make` fills."""
    inputs: Callable[[str], tuple[object, ...]]
    """Returns the inputs that determine the content of a version, for the cache key."""
    make: Callable[[str, Path], None]
    """Builds or downloads a version into an empty directory."""
    installed: OnPath | None = None
    stand_in: "Program | None" = None
    """The program that is used if `make` fails."""

    def obtain(self, version: str | None = None) -> Path:
        """Find, build or download the program. Raises `MissingProgramError`.

        `version` is exact. Default: any supported installed version, else the default version.
        """
        if path := self.ready(version):
            return path
        if self.stand_in is None:
            return self._make(version or self.version)
        log = cache.log_of(self.entry(version))
        if not log.exists() or time.time() - log.stat().st_mtime > SECONDS_BETWEEN_DOWNLOADS:
            with suppress(MissingProgramError):
                return self._make(version or self.version)
        return self.stand_in.obtain()

    def ready(self, version: str | None = None) -> Path | None:
        """Return the program if it is installed or in the cache."""
        path, installed = (self.installed and self.installed.find(self.name)) or (None, None)
        if path and version in (None, installed):
            return path
        path = self.entry(version) / self.executable
        return path if path.exists() else None

    def entry(self, version: str | None = None) -> Path:
        """Return the cache entry of a version."""
        return cache.entry(self.name, version or self.version, *self.inputs(version or self.version))

    def _make(self, version: str) -> Path:
        title, entry, rule = f"{self.name} {version}", self.entry(version), self.installed
        print(f"{title}: building or downloading …", file=sys.stderr, flush=True)
        try:
            cache.fill(entry, functools.partial(self.make, version))
        except MissingProgramError as error:
            fix = f"\n  Or install {self.name} {rule.oldest} or newer, before {rule.before}" if rule else ""
            raise MissingProgramError(f"toolchain: {title} cannot be built or downloaded\n{error}{fix}") from None
        except OSError as error:
            fix = "Set CONSUL_TRACING_CACHE to a writable directory with 2 GB of free space"
            raise MissingProgramError(f"toolchain: {title} cannot be written: {error}\n  {fix}") from error
        return entry / self.executable
