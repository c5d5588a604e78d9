"""Base class of the components."""

from collections.abc import Iterable, Mapping
from typing import Any

import pulumi

from .errors import Problem
from .run_errors import InvalidInputError

NO_ARGS: Any = None
"""Default of `args`, whose type is no union because Pulumi's schema inference does not support one."""


class Component(pulumi.ComponentResource):
    """A component whose inputs are a map, keyword arguments, or both."""

    def logged(self, warnings: Iterable[str]) -> list[str]:
        """Log warnings, and return them for the output `warnings`."""
        found = list(warnings)
        for warning in found:
            pulumi.log.warn(warning, self)
        return found


def merged(name: str, args: object, keywords: Mapping[str, object]) -> Any:  # noqa: ANN401 - typed by the caller
    """Return the inputs of a component from its map and its keyword arguments. Raises InvalidInputError."""
    if not keywords:
        return {} if args is None else args
    if not isinstance(args, Mapping | None):
        return args  # which is rejected
    given = args or {}
    if twice := sorted(given.keys() & keywords.keys()):
        raise InvalidInputError(name, [Problem(key, "is given twice: in args and as a keyword") for key in twice])
    return {**given, **keywords}
