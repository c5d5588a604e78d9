"""Exit codes, files and output formats of all commands."""

import sys
from enum import StrEnum
from pathlib import Path

from consul_tracing.errors import CommandError, error_reason
from consul_tracing.names import STANDARD_INPUT

FINDINGS = 1
"""Exit code of a command that found something wrong."""

COULD_NOT_RUN = 2
"""Exit code of a command that could not run."""


class OutputFormat(StrEnum):
    """Format of the findings of a command."""

    TEXT = "text"
    JSON = "json"


class LintFormat(StrEnum):
    """Output format of the findings of `lint`."""

    TEXT = "text"
    JSON = "json"
    SARIF = "sarif"
    GITHUB = "github"


class PageFormat(StrEnum):
    """Output format of `doctor`."""

    TEXT = "text"
    JSON = "json"
    MARKDOWN = "markdown"


class FailOn(StrEnum):
    """The least severity of a finding of `lint` at which the exit code is 1."""

    ERROR = "error"
    WARNING = "warning"


class RenderFormat(StrEnum):
    """Output format of `render`."""

    HCL = "hcl"
    JSON = "json"
    TERRAFORM = "terraform"
    YAML = "yaml"
    REGISTRATION = "registration"
    POD_ANNOTATIONS = "pod-annotations"
    GATEWAY = "gateway"
    SDS = "sds"


def read_text(file: str) -> str:
    """Return the text of a file, or of the standard input, with its line ends. Raises CommandError."""
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else read_bytes(file).decode()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None


def read_bytes(file: str) -> bytes:
    """Return the content of a file. Raises CommandError."""
    try:
        return Path(file).read_bytes()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None
