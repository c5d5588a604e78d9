"""What is already on PATH, and whether it serves."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from typing import Protocol

SECONDS_TO_ANSWER = 10.0
"""How long a program may take to tell its version: PATH may hold a wrapper that wants to download it first."""

Release = tuple[int, int]
"""Major and minor version."""


@dataclass(frozen=True)
class Found:
    """A program on PATH that serves."""

    path: Path
    version: str


@dataclass(frozen=True)
class PassedOver:
    """A program on PATH that does not serve, and why, as a whole sentence's worth of words."""

    reason: str


class PathRule(Protocol):
    """Which program on PATH serves."""

    def look(self, name: str) -> Found | PassedOver | None:
        """Return what PATH holds under this name; None when it holds nothing."""


@dataclass(frozen=True)
class NotOnPath:
    """For what is never on PATH, such as a jar."""

    def look(self, name: str) -> None:
        """Find nothing under any name."""


@dataclass(frozen=True)
class VersionRule:
    """A program serves from release `oldest` until before release `before`."""

    oldest: Release
    before: Release
    question: str
    """The argument that makes the program tell its version."""
    refused_edition: str | None = None
    """A mark in the version, such as `+ent`, of an edition that cannot serve."""

    def look(self, name: str) -> Found | PassedOver | None:
        """Ask the first program of this name on PATH for its version."""
        on_path = shutil.which(name)
        if on_path is None:
            return None
        path = Path(on_path).absolute()
        told = told_version(path, self.question)
        if told is None:
            return PassedOver(f"{path} does not tell its version when asked with `{self.question}`")
        if self.refused_edition and self.refused_edition in told:
            return PassedOver(f"{path} is {told}, an edition that does not start without a licence")
        if not self.oldest <= release(told) < self.before:
            return PassedOver(f"{path} is {told}; {dotted(self.oldest)} or newer, before {dotted(self.before)}, serves")
        return Found(path, told)


@dataclass(frozen=True)
class BesideRule:
    """A program serves where it lies beside another one that serves, as both are then from one distribution.

    For a program that does not tell its version. `companions` are further files that it needs beside it.
    """

    neighbour: str
    neighbour_rule: VersionRule
    companions: Sequence[str] = ()

    def look(self, name: str) -> Found | PassedOver | None:
        """Look beside the neighbour, at the place on PATH and at what that may be a link to."""
        neighbour = self.neighbour_rule.look(self.neighbour)
        if isinstance(neighbour, Found):
            for folder in (neighbour.path.parent, neighbour.path.resolve().parent):
                if all((folder / file).is_file() for file in (name, *self.companions)):
                    return Found(folder / name, neighbour.version)
        elsewhere = shutil.which(name)
        return PassedOver(f"{elsewhere} is not beside a {self.neighbour} that serves") if elsewhere else None


@dataclass(frozen=True)
class PluginRule:
    """A plugin of Pulumi serves where Pulumi has installed one of this major version, or where one is on PATH.

    A plugin does not tell its version, so one on PATH is taken as it is.
    """

    plugin: str
    """What Pulumi calls it: `consul` for `pulumi-resource-consul`."""
    major: int

    def look(self, name: str) -> Found | None:
        """Look in `$PULUMI_HOME`, default `~/.pulumi`, for the newest; then on PATH."""
        home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
        folders = home.glob(f"plugins/resource-{self.plugin}-v{self.major}.*")
        installed = [folder for folder in folders if is_installed(folder, name)]
        if installed:
            newest = max(installed, key=plugin_release)
            return Found(newest / name, newest.name.removeprefix(f"resource-{self.plugin}-v"))
        there = shutil.which(name)
        return Found(Path(there).absolute(), f"{self.major}.x") if there else None


def is_installed(folder: Path, name: str) -> bool:
    """Tell a finished installation; Pulumi keeps a file `<folder>.partial` beside one that it has not finished."""
    return (folder / name).is_file() and not folder.with_name(f"{folder.name}.partial").exists()


def plugin_release(folder: Path) -> list[int]:
    """Return a plugin folder's version as numbers, so that 3.15 is newer than 3.9."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]


@once
def told_version(path: Path, question: str) -> str | None:
    """Return the first version in what the program answers on standard output; None when there is none."""
    # Go would otherwise answer with, or even download, the version that a go.mod or go.work above us asks for.
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1", "GOTOOLCHAIN": "local"}
    try:
        answer = subprocess.run(
            [path, question],
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
    version = re.search(r"(?<![\w.])(?:v|go)?(\d+\.\d+(?:\.\d+)?(?:[-+.]\w+)*)", answer.stdout)
    return version[1] if version else None


def release(version: str) -> Release:
    """Return major and minor of a version."""
    major, minor = re.findall(r"\d+", version)[:2]
    return int(major), int(minor)


def dotted(of: Release) -> str:
    """Return a release as people write it, such as `1.20`."""
    return ".".join(str(number) for number in of)
