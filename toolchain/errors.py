"""The exception of this package."""

from testbed.errors import OperationalError


class MissingProgramError(OperationalError):
    """A program is not installed and cannot be built or fetched. The message states the reason and the fix."""
