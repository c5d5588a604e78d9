"""Exit codes, errors and output formats of all commands."""

from enum import StrEnum

from consul_tracing.errors import message

FINDINGS = 1
"""Exit code of a command that found something wrong."""

COULD_NOT_RUN = 2
"""Exit code of a command that could not run."""


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
