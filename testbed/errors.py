"""The base class of expected errors."""


class OperationalError(RuntimeError):
    """An expected failure whose message suffices. Any other exception is a bug and shows a traceback."""
