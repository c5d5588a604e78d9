"""Programs that are shell scripts: they replace the real builds, without a network and in milliseconds."""

import sys
from pathlib import Path

from testbed import CHECKOUT
from testbed.signals import raise_on_signals
from toolchain import __main__ as command
from toolchain.cache import run
from toolchain.program import OnPath, Program

__all__ = ["CHECKOUT", "put_on_path", "thing"]


def thing(script: str, installed: OnPath | None = None) -> Program:
    """Return a program called `thing` that this script builds in its directory."""

    def make(version: str, into: Path) -> None:
        run(into, ["/bin/sh", "-c", script], {"version": version, "PATH": "/usr/bin:/bin"})

    return Program("thing", "1.0.0", "thing", lambda version: (version,), make, installed)


def put_on_path(folder: Path, name: str, script: str = "") -> Path:
    """Write a program that runs this script. It needs nothing on PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    raise_on_signals()
    command.MESH = (thing(sys.argv[1]),)
    sys.exit(command.main([]))
