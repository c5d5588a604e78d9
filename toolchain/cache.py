"""The cache of built and downloaded programs.

The name of an entry ends in a digest of its inputs, and an entry is either complete or absent. It is never updated.
"""

import fcntl
import hashlib
import json
import os
import platform
import shlex
import shutil
import subprocess
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from testbed.errors import OperationalError

LAST_LINES = 20


class MissingProgramError(OperationalError):
    """A program is not installed and cannot be built or downloaded. The message states the reason and the fix."""


def entry(name: str, version: str, *inputs: object) -> Path:
    """Return the directory of a program whose content depends on `inputs` and this machine.

    It is in `$CONSUL_TRACING_CACHE`, else in `consul-tracing` in `$XDG_CACHE_HOME`, by default `~/.cache`.
    """
    machine = f"{platform.system()}-{platform.machine()}".lower()
    digest = hashlib.sha256(json.dumps([name, version, machine, *inputs]).encode()).hexdigest()[:16]
    directory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "consul-tracing"
    return Path(os.environ.get("CONSUL_TRACING_CACHE") or directory).absolute() / f"{name}-{version}-{digest}"


def log_of(entry: Path) -> Path:
    """Return the log of the attempt that runs or failed."""
    return entry.with_name(f"{entry.name}.log")


def fill(entry: Path, make: Callable[[Path], None]) -> None:
    """Call `make` to write the content of an entry, unless another process writes it first.

    The kernel releases the lock when this process ends, even by SIGKILL. The next attempt removes its files.
    """
    entry.parent.mkdir(parents=True, exist_ok=True)
    partial = entry.with_name(f"{entry.name}.partial")
    with entry.with_name(f"{entry.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if entry.exists():
            return
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            make(partial)
            partial.rename(entry)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def run(
    into: Path,
    command: Sequence[str | Path],
    environment: Mapping[str, str],
    *,
    directory: Path | None = None,
    seconds: float | None = None,
) -> str:
    """Run a command that fills the unfinished entry `into` and return its output.

    `environment` extends the environment of this process. Raises `MissingProgramError` and keeps the log on failure.
    """
    log = into.with_suffix(".log")
    with log.open("w") as output:
        try:
            finished = subprocess.run(
                command,
                cwd=directory or into,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
            failure = f"ended with exit code {finished.returncode}" if finished.returncode else ""
        except subprocess.TimeoutExpired:
            failure = f"did not end in {seconds:g} s"
        except KeyboardInterrupt:
            log.unlink()
            raise
    text = log.read_text(errors="replace")
    if failure:
        last = textwrap.indent("\n".join(text.splitlines()[-LAST_LINES:]), "    ")
        raise MissingProgramError(f"  {shlex.join(map(str, command))} {failure}\n{last}\n  Full log: {log}")
    log.unlink()
    return text
