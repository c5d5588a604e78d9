"""Where config entries are read and written: Consul's API, through the caller's own provider."""

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

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entries import Entry
    from .fields import JsonObject

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"


class Unreadable(Exception):
    """An entry could not be read: Consul is out of reach, or refuses. The message is Consul's own."""


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


def catalogued_services(partition: str | None, parent: pulumi.Resource) -> list[str]:
    """The names of the services in Consul's catalogue. Raises Unreadable."""
    options = [pulumi_consul.GetServicesQueryOptionArgs(partition=partition)] if partition else None
    try:
        return list(pulumi_consul.get_services(options, pulumi.InvokeOptions(parent=parent)).names or [])
    except Exception as error:  # the SDK has no narrower one
        raise Unreadable(str(error)) from error


def write_entry(
    resource_name: str, entry: Entry, config_json: pulumi.Input[str], parent: pulumi.Resource, *, shared: bool
) -> pulumi_consul.ConfigEntry:
    """Declare `entry` with the body `config_json`, as a child of `parent`.

    A `shared` entry, which holds what others wrote, is left in Consul when the resource is deleted.
    """
    return pulumi_consul.ConfigEntry(
        resource_name,
        kind=entry.kind,
        # Without a name Pulumi would make one up, and configure a service that does not exist.
        name=entry.name,
        namespace=entry.namespace,
        partition=entry.partition,
        config_json=config_json,
        opts=pulumi.ResourceOptions(
            parent=parent,
            # An entry that was declared or imported outside the component keeps its state when it moves into it.
            # Without the alias Pulumi would write it anew and then delete what it has just written.
            # As text, since the SDK takes half a millisecond to work one out of an `Alias`.
            aliases=[f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}::{CONFIG_ENTRY}::{resource_name}"],
            retain_on_delete=shared,
        ),
    )
