"""Where config entries are written, and read before that: Consul's API, through the caller's own provider."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
import pulumi_consul

if TYPE_CHECKING:
    from .entries import Entry
    from .fields import JsonObject


class Unreadable(Exception):
    """An entry could not be read: Consul is out of reach, or its answer is a refusal."""


def live_entry(entry: Entry, parent: pulumi.Resource) -> JsonObject | None:
    """The body of `entry` as Consul has it now, in normal form; None where there is none.

    Raises Unreadable with Consul's own words.
    """
    try:
        found = pulumi_consul.get_config_entry(
            kind=entry.kind,
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            opts=pulumi.InvokeOptions(parent=parent),
        )
    except Exception as error:
        # The provider tells a missing entry and an unreachable Consul by the text of one and the same exception.
        if "404 (Config entry not found" in str(error):
            return None
        raise Unreadable(str(error)) from error
    body: JsonObject = json.loads(found.config_json)
    return body


def write_entry(
    resource_name: str, entry: Entry, config_json: pulumi.Input[str], parent: pulumi.Resource
) -> pulumi_consul.ConfigEntry:
    """Declare `entry` with the body `config_json`, as a child of `parent`."""
    return pulumi_consul.ConfigEntry(
        resource_name,
        kind=entry.kind,
        # Without a name Pulumi would make one up, and configure a service that does not exist.
        name=entry.name,
        namespace=entry.namespace,
        partition=entry.partition,
        config_json=config_json,
        # An entry that was declared or imported outside the component keeps its state when it moves into it. Without
        # the alias Pulumi would write it anew and then delete what it has just written.
        opts=pulumi.ResourceOptions(parent=parent, aliases=[pulumi.Alias(parent=pulumi.ROOT_STACK_RESOURCE)]),
    )
