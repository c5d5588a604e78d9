"""What the figures depend on besides the two programs."""

import os
import platform
import re
import subprocess
from datetime import datetime
from importlib.metadata import version

import toolchain
from toolchain.consul_resources import STAND_IN, plugin_directory

PACKAGES = ("consul-tracing", "pulumi", "pulumi-consul", "pydantic")
RELEASE = re.compile(r"\d+\.\d+\.\d+")


def packages() -> list[str]:
    """When and where: the date, the machine's cores and load, Python and the packages."""
    now = datetime.now().astimezone()
    releases = [f"{package} {version(package)}" for package in PACKAGES]
    return [f"{now:%Y-%m-%d %H:%M %Z}, {machine()}", ", ".join([python(), *releases])]


def programs() -> list[str]:
    """The programs that take part in a `pulumi up`; gets them when they are missing."""
    plugin = "stand-in of this project" if plugin_directory() == STAND_IN else "official"
    return [f"pulumi CLI {release('pulumi')}, consul {release('consul')}, pulumi-resource-consul: {plugin}"]


def machine() -> str:
    """The cores, and how many processes wanted one in the last minute."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def python() -> str:
    """The interpreter."""
    return f"{platform.python_implementation()} {platform.python_version()}"


def release(program: str) -> str:
    """The version that a program says of itself."""
    said = subprocess.run(  # noqa: S603 - a program of the toolchain
        [toolchain.program(program), "version"], capture_output=True, text=True, check=True
    ).stdout
    found = RELEASE.search(said)
    return found[0] if found else said.strip()
