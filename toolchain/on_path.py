"""The programs on PATH, and whether they are supported."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Protocol

from toolchain.cache import home
from toolchain.plugin_version import plugin_version

SECONDS_TO_ANSWER = 10.0
"""Time limit for a program to print its version: PATH may hold a wrapper that downloads it first."""

Release = tuple[int, int]
"""Major and minor version."""


@dataclass(frozen=True)
class Found:
    """A supported program on PATH."""

    path: Path
    version: str


@dataclass(frozen=True)
class PassedOver:
    """A program on PATH that is not supported, and the reason as a clause."""

    reason: str


class PathRule(Protocol):
    """Which program on PATH is supported."""

    def look(self, name: str) -> Found | PassedOver | None:
        """Return what PATH holds under this name; None when it holds nothing."""


@dataclass(frozen=True)
class NotOnPath:
    """For what is never taken from PATH, such as a jar."""

    def look(self, name: str) -> None:
        """Find nothing under any name."""


@dataclass(frozen=True)
class Releases:
    """The supported releases: from `oldest` until before `before`, where that is known."""

    oldest: Release
    before: Release | None = None

    def judge(self, path: Path, version: str) -> Found | PassedOver:
        """Return the program at `path` if its version is supported, else why it is not."""
        if self.oldest <= release(version) and (self.before is None or release(version) < self.before):
            return Found(path, version)
        limit = f", before {dotted(self.before)}" if self.before else ""
        return PassedOver(f"{path} is {version}; {dotted(self.oldest)} or newer{limit}, is supported")


@dataclass(frozen=True)
class VersionRule:
    """A program is supported in certain releases."""

    releases: Releases
    question: str
    """The arguments that make the program print its version."""
    refused_edition: str | None = None
    """A mark in the version, such as `+ent`, of an edition that is not supported."""

    def look(self, name: str) -> Found | PassedOver | None:
        """Ask the first program of this name on PATH for its version."""
        on_path = shutil.which(name)
        if on_path is None:
            return None
        path = Path(on_path).absolute()
        version = printed_version(path, self.question)
        if version is None:
            return PassedOver(f"{path} prints no version when run with `{self.question}`")
        if self.refused_edition and self.refused_edition in version:
            return PassedOver(f"{path} is {version}, an edition that does not start without a licence")
        return self.releases.judge(path, version)


@dataclass(frozen=True)
class BesideRule:
    """A program is supported beside another one that is, as both are then from one distribution.

    For a program that does not print its version. `companions` are further files that it needs beside it.
    """

    neighbour: str
    neighbour_rule: VersionRule
    companions: Sequence[str] = ()

    def look(self, name: str) -> Found | PassedOver | None:
        """Look beside the neighbour, at its place on PATH and at the target if that is a link."""
        neighbour = self.neighbour_rule.look(self.neighbour)
        if isinstance(neighbour, Found):
            for folder in (neighbour.path.parent, neighbour.path.resolve().parent):
                if all((folder / file).is_file() for file in (name, *self.companions)):
                    return Found(folder / name, neighbour.version)
        elsewhere = shutil.which(name)
        return PassedOver(f"{elsewhere} is not beside a supported {self.neighbour}") if elsewhere else None


@dataclass(frozen=True)
class PluginRule:
    """A plugin of Pulumi is supported in certain releases, installed by Pulumi or on PATH.

    The folder of an installed plugin holds its version; one on PATH is started and asked for it.
    """

    plugin: str
    """Pulumi's name for it: `consul` for `pulumi-resource-consul`."""
    releases: Releases
    stand_in: Path | None = None
    """A plugin that is not taken from PATH."""

    def look(self, name: str) -> Found | PassedOver | None:
        """Look in `$PULUMI_HOME`, default `~/.pulumi`, for the newest supported one; then on PATH."""
        pulumi_home = Path(os.environ.get("PULUMI_HOME") or home() / ".pulumi")
        folders = pulumi_home.glob(f"plugins/resource-{self.plugin}-v*")
        installed = [self._judge(folder, name) for folder in folders if is_installed(folder, name)]
        supported = [found for found in installed if isinstance(found, Found)]
        if supported:
            return max(supported, key=lambda found: numbers(found.version))
        return self._on_path(name)

    def _judge(self, folder: Path, name: str) -> Found | PassedOver:
        return self.releases.judge(folder / name, folder.name.removeprefix(f"resource-{self.plugin}-v"))

    def _on_path(self, name: str) -> Found | PassedOver | None:
        on_path = shutil.which(name)
        if on_path is None:
            return None
        path = Path(on_path).absolute()
        if self.stand_in and path.resolve() == self.stand_in.resolve():
            return None
        version = plugin_version(path)
        if version is None:
            return PassedOver(f"{path} does not report its version")
        return self.releases.judge(path, version)


def is_installed(folder: Path, name: str) -> bool:
    """Tell a finished installation; Pulumi keeps a file `<folder>.partial` beside one that it has not finished."""
    return (folder / name).is_file() and not folder.with_name(f"{folder.name}.partial").exists()


@once
def printed_version(path: Path, question: str) -> str | None:
    """Return the first version that the program prints on standard output; None when there is none."""
    # Go would otherwise answer with, or even download, the version that a go.mod or go.work above us asks for.
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1", "GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(
            [path, *question.split()],
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
    # A first release of Java is a single number: `openjdk 21 2023-09-19`.
    version = re.search(r"(?<![\w.-])(?:v|go)?(\d+(?:(?:\.\d+)+(?:[-+.]\w+)*|(?= )))", answer.stdout)
    return version[1] if version else None


def numbers(version: str) -> list[int]:
    """Return a version as numbers, so that 3.15 is newer than 3.9."""
    return [int(number) for number in re.findall(r"\d+", version)]


def release(version: str) -> Release:
    """Return major and minor of a version."""
    major, minor, *_ = [*numbers(version), 0]
    return major, minor


def dotted(of: Release) -> str:
    """Return a release such as `1.20`."""
    return ".".join(str(number) for number in of)
