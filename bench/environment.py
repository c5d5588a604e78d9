"""Environment of the measurements."""

import os
import platform
import re
import subprocess
from datetime import datetime
from importlib.metadata import version

import toolchain
from toolchain.consul_plugin import official_directory

PACKAGES = ("consul-tracing", "pulumi", "pulumi-consul", "pydantic")
RELEASE = re.compile(r"\d+\.\d+\.\d+")


def packages() -> list[str]:
    """Return the date, the machine, and the versions of Python and the packages."""
    now = datetime.now().astimezone()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    versions = [f"{package} {version(package)}" for package in PACKAGES]
    return [f"{now:%Y-%m-%d %H:%M %Z}, {machine()}", ", ".join([python, *versions])]


def programs() -> list[str]:
    """Return the versions of the programs of `pulumi up`. Builds or fetches missing ones."""
    plugin = "official" if official_directory() else "stand-in of this project"
    versions = f"pulumi CLI {program_version('pulumi')}, consul {program_version('consul')}"
    return [f"{versions}, pulumi-resource-consul: {plugin}"]


def machine() -> str:
    """Return the number of cores and the load average of the last minute."""
    return f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"


def program_version(program: str) -> str:
    """Return the version that a program prints."""
    output = subprocess.run(  # noqa: S603 - a program of the toolchain
        [toolchain.program(program), "version"], capture_output=True, text=True, check=True
    ).stdout
    found = RELEASE.search(output)
    return found[0] if found else output.strip()
