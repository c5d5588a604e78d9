"""Exit codes, errors and output formats of all commands."""

import sys
from enum import StrEnum
from pathlib import Path

from consul_tracing.errors import message

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


class CommandError(Exception):
    """The command could not run."""

    def __init__(self, reason: str) -> None:
        """Report the reason, which is one line."""
        super().__init__(message("CT601", reason))


class FileError(CommandError):
    """A file has invalid syntax."""

    def __init__(self, file: str, line: int, reason: str) -> None:
        """Report the file, the line and the reason."""
        super().__init__(f"{file}:{line}: {reason}")
        self.line = line
        self.reason = reason


def read_text(file: str) -> str:
    """Return the text of a file, or of the standard input, with its line ends. Raises CommandError."""
    try:
        return sys.stdin.read() if file == STANDARD_INPUT else Path(file).read_bytes().decode()
    except (OSError, ValueError) as error:
        raise CommandError(f"{file} cannot be read: {error_reason(error)}") from None


def error_reason(error: Exception) -> str:
    """Return the reason of an error in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())
