"""Exit codes, files and output formats of all commands."""

import sys
from enum import StrEnum
from pathlib import Path

from consul_tracing.errors import CommandError, error_reason

FINDINGS = 1
"""Exit code of a command that found something wrong."""

COULD_NOT_RUN = 2
"""Exit code of a command that could not run."""

STANDARD_INPUT = "-"
"""The name of the standard input as a file."""


class OutputFormat(StrEnum):
    """Format of the findings of a command."""

    TEXT = "text"
    JSON = "json"


class LintFormat(StrEnum):
    """Output format of the findings of `lint`."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"


class RenderFormat(StrEnum):
    """Output format of `render`."""

    HCL = "hcl"
    JSON = "json"
    YAML = "yaml"
    REGISTRATION = "registration"
    GATEWAY = "gateway"


def read_text(file: str) -> str:
    """Return the text of a file, or of the standard input, with its line ends. Raises CommandError."""
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_bytes().decode()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None
