"""Config entries read and written over Consul's API, through the caller's own provider."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_consul

# The way to wait in a program's own flow, where errors are told without a traceback. Private by its name, yet every
# generated SDK imports it, pulumi_consul's too.
from pulumi.runtime.sync_await import _sync_await

from .entries import config_json
from .errors import Unreadable
from .places import CONFIG_ENTRY
from .writers import child_options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entries import Entry
    from .fields import JsonObject
    from .ownership import Decision, Policy

LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"


class ConsulWriter:
    """Consul's HTTP API as the place of the mesh's entries."""

    server = "Consul"

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write as children of `component`, with the marks of `policy`."""
        self._component = component
        self._policy = policy

    def scope(self) -> object:
        """Which Consul is written to: the provider, None for the stack's own."""
        return self._component.get_provider(CONFIG_ENTRY)

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as Consul has them. Raises Unreadable."""
        return live_entries(entries, self._component)

    def retains(self, entry: Entry, decision: Decision) -> bool:  # noqa: ARG002 - the same for all
        """An entry is one object: to delete ours is to delete what others wrote."""
        return bool(decision.kept)

    def rendered(self, entry: Entry, decision: Decision) -> str:
        """The entry as JSON, with our marks."""
        return config_json(entry.kind, decision.body, self._policy.marks(entry))

    def write(
        self, resource_name: str, entry: Entry, decision: Decision, rendered: pulumi.Input[str]
    ) -> pulumi.Output[str]:
        """Declare the entry, and return its id.

        One that holds what others wrote is left in Consul when the resource is deleted.
        """
        return pulumi_consul.ConfigEntry(
            resource_name,
            kind=entry.kind,
            # Without a name Pulumi would make one up, and configure a service that does not exist.
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            config_json=rendered,
            opts=child_options(self._component, [CONFIG_ENTRY], resource_name, retained=self.retains(entry, decision)),
        ).id

    def settled(self, written: Sequence[pulumi.Output[str]]) -> pulumi.Output[object]:
        """What is written is in force: Consul answers after that."""
        # In a preview nothing is written, and what is known shall be shown.
        return pulumi.Output.from_input(None) if pulumi.runtime.is_dry_run() else pulumi.Output.all(*written)

    def catalogued_services(self, partition: str | None) -> list[str]:
        """The names of the services in Consul's catalogue. Raises Unreadable."""
        options = [pulumi_consul.GetServicesQueryOptionArgs(partition=partition)] if partition else None
        try:
            return list(pulumi_consul.get_services(options, pulumi.InvokeOptions(parent=self._component)).names or [])
        except Exception as error:  # the SDK has no narrower one
            raise Unreadable(str(error)) from error


def live_entries(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """The bodies of `entries` as Consul has them now, in normal form; None where there is none.

    The first is read alone, so that a Consul out of reach costs one attempt; the rest all at once, which is three times
    as fast as one by one; and the first, which a whole mesh shares, once more at the end, since what somebody writes
    between our look and our write is lost. `get_config_entry_output` would not do: the SDK tells a missing entry, which
    is no error here, once more at the program's end. Raises Unreadable.
    """
    release = version("pulumi_consul")

    async def look_up(entry: Entry) -> object:
        place = {"namespace": entry.namespace, "partition": entry.partition}
        # One of its own for each: the SDK writes the provider into it.
        options = pulumi.InvokeOptions(parent=parent, version=release)
        return await pulumi.runtime.invoke_async(LOOK_UP, {"kind": entry.kind, "name": entry.name, **place}, options)

    async def together(some: Sequence[Entry]) -> list[object]:
        return list(await asyncio.gather(*(look_up(entry) for entry in some), return_exceptions=True))

    def bodies(some: Sequence[Entry]) -> list[JsonObject | None]:
        return [_body(answer) for answer in _sync_await(together(some))]

    first, rest = bodies(entries[:1]), bodies(entries[1:])
    return [*(bodies(entries[:1]) if rest else first), *rest]


def _body(answer: object) -> JsonObject | None:
    # The provider tells a missing entry and an unreachable Consul by the text of one and the same exception.
    if isinstance(answer, Exception) and "404 (Config entry not found" in str(answer):
        return None
    if isinstance(answer, BaseException):
        raise Unreadable(str(answer)) from answer
    fields: dict[str, Any] = answer if isinstance(answer, dict) else {}
    if not fields.get("configJson"):
        raise Unreadable("the provider is not known yet, since this run creates it")
    body: JsonObject = json.loads(fields["configJson"])
    return body
