"""The resources in the stack's state before the update, and those that the program has registered."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.engine import look_ups
from consul_tracing.errors import UnreadableError

from .identity import identity_of, recorded_body, type_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.entries.entry import Entry, Identity
    from consul_tracing.names import JsonObject

READ_STATE = "pulumi:pulumi:readStackResourceOutputs"
"""The look-up of the engine behind `listResourceOutputs` of Pulumi's Node SDK."""

GET_RESOURCE = "pulumi:pulumi:getResource"
"""The look-up of the engine for a resource that the program has registered."""


class StackState:
    """The state of the program's stack. It is read at most once, and only if needed."""

    def holders(self, entry: Entry) -> Mapping[str, Identity]:
        """Return the resources that hold an entry of this kind and name, with the identity of that entry."""
        return self._holders.get((entry.kind, entry.name), {})

    @cached_property
    def _holders(self) -> Mapping[tuple[str, str], Mapping[str, Identity]]:
        found: dict[tuple[str, str], dict[str, Identity]] = {}
        for urn, outputs in self.resources.items():
            if identity := identity_of(type_of(urn), outputs):
                found.setdefault(identity[:2], {})[urn] = identity
        return found

    def body(self, urn: str, entry: Entry) -> JsonObject | None:
        """Return the body that a resource recorded. None for a missing resource, and for one of another entry."""
        kind, outputs = type_of(urn), self.resources.get(urn) or {}
        return recorded_body(kind, outputs) if identity_of(kind, outputs) == entry.identity else None

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The outputs of each resource by its URN. Empty under mocks, and if the stack has no state yet."""
        stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
        found = _look_up(READ_STATE, stackName=stack).get("outputs") or {}
        return {urn: one.get("outputs") or {} for urn, one in found.items()}


def registered_provider(urn: str) -> str | None:
    """Return the URN of the provider of a resource that the program has registered before, None for another one."""
    reference = _look_up(GET_RESOURCE, urn=urn).get("provider")
    return str(reference).rpartition("::")[0] if reference else None


def former_outputs(urn: str) -> Mapping[str, Any]:
    """Return the outputs that a component had in the last update. Its own, which are not registered yet."""
    return _look_up(GET_RESOURCE, urn=urn).get("state") or {}


def _look_up(token: str, **arguments: str) -> Mapping[str, Any]:
    """Return the result of a look-up of the engine, which is empty if it fails."""
    try:
        return look_ups()(token, arguments)
    except UnreadableError as error:
        pulumi.log.debug(f"consul-tracing: {token} {arguments} failed: {error}")
        return {}
