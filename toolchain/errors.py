"""The exception of this package."""

from testbed.errors import Failure


class MissingProgram(Failure):
    """A program that is not installed and cannot be built or fetched; the text gives the reason and the fix."""
