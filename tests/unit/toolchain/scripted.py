"""A program whose build is a shell script: what the real ones do, without a network and in milliseconds."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from toolchain.commands import Job
from toolchain.on_path import NotOnPath, PathRule
from toolchain.provision import Program

CHECKOUT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Script:
    """Runs `script` with `$into` set to the directory to fill."""

    script: str
    how: ClassVar[Literal["built"]] = "built"
    versions: tuple[str, ...] = ("1.0.0",)
    executable: Path = Path("thing")

    def ingredients(self, version: str) -> tuple[object, ...]:
        return (version,)

    def make(self, version: str, into: Path, job: Job) -> None:
        job.progress.step("building")
        job.run(["sh", "-c", self.script], into, {"into": str(into), "version": version, "PATH": "/usr/bin:/bin"})


def thing(script: str, on_path: PathRule | None = None) -> Program:
    """Return a program called `thing` that is built by this script."""
    return Program("thing", Script(script), on_path or NotOnPath())


def put_on_path(folder: Path, name: str, answer: str = "", code: int = 0) -> Path:
    """Write a program that gives this answer whatever it is asked."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\nexit {code}\n")
    program.chmod(0o755)
    return program


if __name__ == "__main__":
    print(thing(sys.argv[1]).obtain().path)  # noqa: T201 - how another process tells its result
