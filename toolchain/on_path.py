"""Supported programs on PATH."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from toolchain.cache import directory, home
from toolchain.plugin_version import plugin_version

SECONDS_TO_ANSWER = 10.0
"""Time limit for a program to print its version. PATH may hold a wrapper that downloads the program first."""

Release = tuple[int, int]
"""Major and minor version."""


@dataclass(frozen=True)
class Found:
    """A supported program on PATH."""

    path: Path
    version: str


@dataclass(frozen=True)
class Unsupported:
    """A program on PATH that is not supported. `reason` is a clause."""

    reason: str


class PathRule(Protocol):
    """Decides whether a program on PATH is supported."""

    def find_on_path(self, name: str) -> Found | Unsupported | None:
        """Return the program of this name on PATH, None if there is none."""


@dataclass(frozen=True)
class NeverFromPath:
    """Rule for files that are not searched on PATH, such as a jar."""

    def find_on_path(self, name: str) -> None:
        """Return None."""


@dataclass(frozen=True)
class Releases:
    """The supported releases: from `oldest` (inclusive) to `before` (exclusive, if known)."""

    oldest: Release
    before: Release | None = None

    def judge(self, path: Path, version: str) -> Found | Unsupported:
        """Return the program at `path` if its version is supported, else the reason."""
        if self.oldest <= parse_release(version) and (self.before is None or parse_release(version) < self.before):
            return Found(path, version)
        limit = f" and before {format_release(self.before)}" if self.before else ""
        return Unsupported(f"{path} is {version}, must be {format_release(self.oldest)} or newer{limit}")


@dataclass(frozen=True)
class VersionRule:
    """A program is supported if the version that it prints is in `releases`."""

    releases: Releases
    version_arguments: str
    """Arguments that make the program print its version."""
    unsupported_suffix: str | None = None
    """Version suffix of an edition that is not supported, such as `+ent`."""

    def find_on_path(self, name: str) -> Found | Unsupported | None:
        """Run the first program of this name on PATH to get its version."""
        on_path = shutil.which(name)
        if on_path is None:
            return None
        path = Path(on_path).absolute()
        version = printed_version(path, self.version_arguments)
        if version is None:
            return Unsupported(f"{path} prints no version when run with `{self.version_arguments}`")
        if self.unsupported_suffix and self.unsupported_suffix in version:
            return Unsupported(f"{path} is {version}, an edition that requires a licence")
        return self.releases.judge(path, version)


@dataclass(frozen=True)
class SiblingRule:
    """A program is supported if it is in the directory of a supported sibling, that is, from the same distribution.

    For a program that does not print its version. `companions` are further files required in that directory.
    """

    sibling: str
    sibling_rule: VersionRule
    companions: Sequence[str] = ()

    def find_on_path(self, name: str) -> Found | Unsupported | None:
        """Search the directory of the sibling on PATH, then the directory of its link target."""
        sibling = self.sibling_rule.find_on_path(self.sibling)
        if isinstance(sibling, Found):
            for folder in (sibling.path.parent, sibling.path.resolve().parent):
                if all((folder / file).is_file() for file in (name, *self.companions)):
                    return Found(folder / name, sibling.version)
        elsewhere = shutil.which(name)
        return Unsupported(f"{elsewhere} is not in the directory of a supported {self.sibling}") if elsewhere else None


@dataclass(frozen=True)
class PluginRule:
    """A Pulumi plugin, installed by Pulumi or on PATH, is supported if its version is in `releases`.

    The folder name of an installed plugin contains its version. A plugin on PATH is started to get its version.
    """

    plugin: str
    """Pulumi's name of the plugin: `consul` for `pulumi-resource-consul`."""
    releases: Releases

    def find_on_path(self, name: str) -> Found | Unsupported | None:
        """Search `$PULUMI_HOME` (default `~/.pulumi`) for the newest supported version, then PATH."""
        pulumi_home = Path(os.environ.get("PULUMI_HOME") or home() / ".pulumi")
        folders = pulumi_home.glob(f"plugins/resource-{self.plugin}-v*")
        installed = [self._judge(folder, name) for folder in folders if is_installed(folder, name)]
        supported = [found for found in installed if isinstance(found, Found)]
        if supported:
            return max(supported, key=lambda found: numbers(found.version))
        return self._on_path(name)

    def _judge(self, folder: Path, name: str) -> Found | Unsupported:
        return self.releases.judge(folder / name, folder.name.removeprefix(f"resource-{self.plugin}-v"))

    def _on_path(self, name: str) -> Found | Unsupported | None:
        on_path = shutil.which(name)
        if on_path is None:
            return None
        path = Path(on_path).absolute()
        if path.resolve().is_relative_to(directory().resolve()):
            return None  # Such as a stand-in.
        version = plugin_version(path)
        if version is None:
            return Unsupported(f"{path} does not report its version")
        return self.releases.judge(path, version)


def is_installed(folder: Path, name: str) -> bool:
    """Whether the installation is complete. Pulumi marks an unfinished one with a file `<folder>.partial`."""
    return (folder / name).is_file() and not folder.with_name(f"{folder.name}.partial").exists()


@cache
def printed_version(path: Path, arguments: str) -> str | None:
    """Return the first version on the standard output of the program, None if there is none."""
    # Without GOTOOLCHAIN=local Go may download the version that a go.mod in a parent directory requires.
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1", "GOTOOLCHAIN": "local"}
    try:
        result = subprocess.run(
            [path, *arguments.split()],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS_TO_ANSWER,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    # The first release of a Java version is a single number: `openjdk 21 2023-09-19`.
    version = re.search(r"(?<![\w.-])(?:v|go)?(\d+(?:(?:\.\d+)+(?:[-+.]\w+)*|(?= )))", result.stdout)
    return version[1] if version else None


def numbers(version: str) -> list[int]:
    """Return the numbers of a version, for comparison."""
    return [int(number) for number in re.findall(r"\d+", version)]


def parse_release(version: str) -> Release:
    """Return major and minor number of a version."""
    major, minor, *_ = [*numbers(version), 0]
    return major, minor


def format_release(value: Release) -> str:
    """Return a release such as `1.20`."""
    return ".".join(str(number) for number in value)
