"""Which plugin serves Pulumi's Consul resources: the official one where it is installed, else this folder's stand-in.

The official plugin comes from a server of its own, not from a package registry, so it may be impossible to get.
"""

import os
import re
import shutil
from pathlib import Path

PLUGIN = "pulumi-resource-consul"
STAND_IN = Path(__file__).parent / "consul_plugin"


def plugin_directory() -> Path:
    """Return the directory that holds the `pulumi-resource-consul` to use."""
    return installed_by_pulumi() or on_path() or STAND_IN


def installed_by_pulumi() -> Path | None:
    """Return the newest official plugin 3.x in `$PULUMI_HOME`, default `~/.pulumi`."""
    home = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi")
    installed = [folder for folder in home.glob("plugins/resource-consul-v3.*") if is_installed(folder)]
    return max(installed, key=release, default=None)


def is_installed(folder: Path) -> bool:
    """Tell a finished installation; Pulumi keeps a file `<folder>.partial` beside one that it has not finished."""
    return (folder / PLUGIN).is_file() and not folder.with_name(f"{folder.name}.partial").exists()


def release(folder: Path) -> list[int]:
    """Return a plugin folder's version as numbers, so that 3.15 is newer than 3.9."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def on_path() -> Path | None:
    """Return the directory of a plugin on PATH, unless it is the stand-in, put there by an earlier `search_path`."""
    found = shutil.which(PLUGIN)
    if found is None or Path(found).resolve().parent == STAND_IN.resolve():
        return None
    return Path(found).parent
