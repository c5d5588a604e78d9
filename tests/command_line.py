"""The command line `consul-tracing`, called in this process, which saves half a second per call."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from typer.testing import CliRunner

from consul_tracing.cli.app import app


@dataclass(frozen=True)
class Ended:
    """A command that has ended."""

    exit_code: int
    stdout: str
    stderr: str


def consul_tracing(*arguments: str, environment: Mapping[str, str] | None = None) -> Ended:
    """Run a command with these variables of Consul and no others. Raises the error of a command that cannot run."""
    others: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CONSUL_")}
    result = CliRunner().invoke(app, arguments, env={**others, **(environment or {})}, catch_exceptions=False)
    return Ended(result.exit_code, result.stdout, result.stderr)
