"""Inputs that are Outputs: the components wait for their values, which a preview may not know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import pulumi

from .engine import wait_for
from .errors import Problem, mismatch
from .names import UNRESOLVED
from .run_errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable

Path = tuple[str, ...]
"""The path of a value in the inputs."""

SECRET = "must be a plain value, got a secret. Every client of Consul can read the entries"  # noqa: S105 - a message


class Known(NamedTuple):
    """Inputs without Outputs, and what the resources that use them must wait for."""

    args: Any
    """The inputs as dicts and lists with the values of their Outputs; UNRESOLVED if a preview does not know one."""

    given: Any
    """The inputs as they were given."""

    outputs: dict[Path, pulumi.Output[Any]]
    """The Outputs by their path in the inputs."""

    resources: list[pulumi.Resource]
    """The resources of these Outputs."""

    def used(self, *inputs: str) -> pulumi.Output[Any] | None:
        """Return an Output that depends on all Outputs in these inputs (default: in all). None if there are none."""
        # The path of all inputs in one Output is empty.
        found = [output for path, output in self.outputs.items() if not inputs or not path or path[0] in inputs]
        return pulumi.Output.all(*found) if found else None


def known(name: str, args: object, keywords: Mapping[str, object]) -> Known:
    """Wait for the Outputs in the inputs of the component called `name`: its map, keyword arguments, or both.

    Raises InvalidInputError for secrets, and for inputs in both.
    """
    if not isinstance(name, str):
        wanted = mismatch("text", name)
        reason = f'{wanted}. The name of the resource is the first argument, before the inputs: "mesh"'
        raise InvalidInputError("", [Problem("name", reason)])
    given = _merged(name, args, keywords)
    found: dict[Path, pulumi.Output[Any]] = {}
    _mapped(given, lambda path, leaf: found.update({path: leaf}) if isinstance(leaf, pulumi.Output) else None)
    values, secrets, resources = wait_for(_values(found)) if found else ({}, [], [])
    if secrets:
        raise InvalidInputError(name, [Problem(".".join(path) or "args", SECRET) for path in secrets])
    return Known(_mapped(given, values.get), given, found, resources)


def _merged(name: str, args: object, keywords: Mapping[str, object]) -> Any:  # noqa: ANN401 - not validated yet
    if not keywords:
        return {} if args is None else args
    if not isinstance(args, Mapping | None):
        return args  # which is rejected
    if twice := sorted((args or {}).keys() & keywords.keys()):
        raise InvalidInputError(name, [Problem(key, "is given twice: in args and as a keyword") for key in twice])
    return {**(args or {}), **keywords}


def _mapped(value: Any, change: Callable[[Path, Any], Any], path: Path = ()) -> Any:  # noqa: ANN401 - not validated yet
    """Return the value with `change(path, leaf)` in place of each leaf."""
    match value:
        case Mapping():
            return {key: _mapped(member, change, (*path, str(key))) for key, member in value.items()}
        case Sequence() if not isinstance(value, str | bytes):
            return [_mapped(member, change, (*path, str(index))) for index, member in enumerate(value)]
        case _:
            return change(path, value)


async def _values(
    outputs: dict[Path, pulumi.Output[Any]],
) -> tuple[dict[Path, Any], list[Path], list[pulumi.Resource]]:
    """Return the values, the paths of the secrets, and the resources of the Outputs."""
    values = {path: await one.future() if await one.is_known() else UNRESOLVED for path, one in outputs.items()}
    secrets = [path for path, one in outputs.items() if await one.is_secret()]
    resources = {resource for one in outputs.values() for resource in await one.resources()}
    return values, secrets, list(resources)


def with_unknown(value: Any, used: pulumi.Output[Any] | None) -> Any:  # noqa: ANN401 - JSON
    """Return a part of a resource in which each text that contains an unknown value is an unknown Output."""

    def text(_: Path, leaf: Any) -> Any:  # noqa: ANN401 - JSON
        is_unknown = isinstance(leaf, str) and UNRESOLVED in leaf
        return used.apply(lambda _: leaf) if used is not None and is_unknown else leaf

    return _mapped(value, text)
