"""What the two places where entries are written, Consul's API and Kubernetes', have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pulumi

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .entries import Entry
    from .fields import JsonObject
    from .ownership import Decision


Rendered = Any
"""What is written of an entry: text for Consul's API, a map for Kubernetes, or an Output of either."""


class Writer(Protocol):
    """Reads and writes entries in one of the places."""

    server: str
    """Who is asked and written to, as messages name it."""

    def scope(self) -> object:
        """What tells this mesh from others that a program may write to."""

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as they are now; None where there is none. Raises Unreadable."""

    def retains(self, entry: Entry, decision: Decision) -> bool:
        """Whether the entry stays when its resource is deleted, since what others wrote would go with it."""

    def rendered(self, entry: Entry, decision: Decision) -> Rendered:
        """What is written of the entry."""

    def write(self, resource_name: str, entry: Entry, decision: Decision, rendered: Rendered) -> pulumi.Output[str]:
        """Declare the entry as a child of the component, and return its id."""

    def settled(self, written: Sequence[pulumi.Output[str]]) -> pulumi.Output[object]:
        """Resolves when all that is `written` is in force in Consul."""


def child_options(
    parent: pulumi.Resource,
    resource_types: Sequence[str],
    resource_name: str,
    *,
    retained: bool,
    timeouts: pulumi.CustomTimeouts | None = None,
) -> pulumi.ResourceOptions:
    """The options of a child that writes an entry; `resource_types` are those under which Pulumi may know it already.

    An entry that was declared or imported outside the component keeps its state when it moves into it: without the
    alias Pulumi would write it anew and then delete what it has just written.
    """
    # As text, since the SDK takes half a millisecond to work one out of an `Alias`.
    place = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
    return pulumi.ResourceOptions(
        parent=parent,
        aliases=[f"{place}::{one}::{resource_name}" for one in resource_types],
        retain_on_delete=retained,
        custom_timeouts=timeouts,
    )
