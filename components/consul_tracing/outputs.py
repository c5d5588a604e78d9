"""Inputs that are Outputs: the components wait for their values, which a preview may not know."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pulumi

# A private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await

from .errors import Problem
from .names import UNRESOLVED
from .run_errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterator

SECRET = "must be a plain value, got a secret. Every client of Consul can read the entries"  # noqa: S105 - a message


class Known(NamedTuple):
    """Inputs without Outputs, and what the resources that use them must wait for."""

    args: Any
    """The inputs with the values of their Outputs; UNRESOLVED for a value that a preview does not know."""

    outputs: dict[tuple[str, ...], pulumi.Output[Any]]
    """The Outputs by their path in the inputs."""

    resources: list[pulumi.Resource]
    """The resources of these Outputs."""

    def used(self, *inputs: str) -> pulumi.Output[Any] | None:
        """Return an Output that depends on all Outputs in these inputs (default: in all). None if there are none."""
        # The path of all inputs in one Output is empty.
        found = [output for path, output in self.outputs.items() if not inputs or not path or path[0] in inputs]
        return pulumi.Output.all(*found) if found else None


def known(name: str, args: object) -> Known:
    """Wait for the Outputs in the inputs of the component called `name`. Raises InvalidInputError for secrets."""
    found = dict(_outputs(args, ()))
    if not found:
        return Known(args, {}, [])
    values, secrets, resources = _sync_await(_values(found))
    if secrets:
        raise InvalidInputError(name, [Problem(".".join(path) or "args", SECRET) for path in secrets])
    return Known(_replaced(args, (), values), found, resources)


def _outputs(value: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], pulumi.Output[Any]]]:
    match value:
        case pulumi.Output():
            yield path, value
        case dict():
            for key, member in value.items():
                yield from _outputs(member, (*path, str(key)))
        case list() | tuple():
            for index, member in enumerate(value):
                yield from _outputs(member, (*path, str(index)))


async def _values(
    outputs: dict[tuple[str, ...], pulumi.Output[Any]],
) -> tuple[dict[tuple[str, ...], Any], list[tuple[str, ...]], list[pulumi.Resource]]:
    """Return the values, the paths of the secrets, and the resources of the Outputs."""
    values = {path: await one.future() if await one.is_known() else UNRESOLVED for path, one in outputs.items()}
    secrets = [path for path, one in outputs.items() if await one.is_secret()]
    resources = {resource for one in outputs.values() for resource in await one.resources()}
    return values, secrets, list(resources)


def _replaced(value: Any, path: tuple[str, ...], values: dict[tuple[str, ...], Any]) -> Any:  # noqa: ANN401 - not validated yet
    match value:
        case pulumi.Output():
            return values[path]
        case dict():
            return {key: _replaced(member, (*path, str(key)), values) for key, member in value.items()}
        case list() | tuple():
            return [_replaced(member, (*path, str(index)), values) for index, member in enumerate(value)]
        case _:
            return value


def with_unknown(value: Any, used: pulumi.Output[Any] | None) -> Any:  # noqa: ANN401 - JSON
    """Return a part of a resource in which each text that contains an unknown value is an unknown Output."""
    match value:
        case str() if UNRESOLVED in value and used is not None:
            return used.apply(lambda _: value)
        case dict():
            return {key: with_unknown(member, used) for key, member in value.items()}
        case list():
            return [with_unknown(member, used) for member in value]
        case _:
            return value
