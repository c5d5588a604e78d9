"""Base class of the components."""

from typing import TYPE_CHECKING, Any, Self

import pulumi

from .errors import InvalidInputError, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

PARAMETERS = frozenset({"name", "args", "opts"})


class Component(pulumi.ComponentResource):
    """A component whose inputs are one map."""

    def __new__(cls, *positional: Any, **named: Any) -> Self:  # noqa: ANN401 - the parameters of `__init__`
        """Reject inputs as keyword arguments, which other Pulumi resources support. Raises InvalidInputError."""
        if unexpected := sorted(named.keys() - PARAMETERS):
            name = str(named.get("name", positional[0] if positional else cls.__name__))
            call = f'{cls.__name__}("{name}", {{"{unexpected[0]}": …}})'
            reason = f"is not a parameter of {cls.__name__}(name, args, opts). Write inputs in args: {call}"
            raise InvalidInputError(name, [Problem(key, reason) for key in unexpected])
        return super().__new__(cls)

    def logged(self, warnings: "Iterable[str]") -> list[str]:
        """Log warnings, and return them for the output `warnings`."""
        found = list(warnings)
        for warning in found:
            pulumi.log.warn(warning, self)
        return found
