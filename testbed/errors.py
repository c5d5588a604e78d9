"""What can go wrong, told for the person who has to mend it."""


class Failure(RuntimeError):
    """A failure whose text says all there is to say. Anything else that is raised here is a bug, with a traceback."""
