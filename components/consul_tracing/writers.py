"""What the two places where entries are written, Consul's API and Kubernetes', have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import pulumi

# See consul_writer.
from pulumi.runtime.sync_await import _sync_await

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .entries import Entry
    from .fields import JsonObject
    from .ownership import Decision


Rendered = Any
"""What is written of an entry: text for Consul's API, a map for Kubernetes, or an Output of either."""


class Writer(Protocol):
    """Reads and writes entries in one of the places."""

    urn: str
    """The URN of the component that declares the entries."""

    server: str
    """Who is asked and written to, as messages name it."""

    def scope(self) -> object:
        """What tells this mesh from others that a program may write to."""

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as they are now; None where there is none. Raises Unreadable."""

    def retains(self, entry: Entry, decision: Decision) -> bool:
        """Whether the entry stays when its resource is deleted, since what others wrote would go with it."""

    def refuse_unwritable(self, entries: Mapping[str, Entry], decisions: Mapping[str, Decision]) -> None:
        """Reject what cannot be written as planned. Raises Refused."""

    def resource(self, entry: Entry, resource_name: str) -> str:
        """The URN of the resource that manages the entry."""

    def rendered(self, entry: Entry, decision: Decision, resource_name: str) -> Rendered:
        """What is written of the entry."""

    def write(
        self,
        resource_name: str,
        entry: Entry,
        decision: Decision,
        rendered: Rendered,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """Declare the entry as a child of the component, written after the resources in `after`."""

    def settled(self, written: Sequence[pulumi.CustomResource]) -> pulumi.Output[object]:
        """Resolves when all that is `written` is in force in Consul."""


def registered_urn(component: pulumi.ComponentResource) -> str:
    """The URN of a component, once everything that it depends on exists: Consul or consul-k8s itself, at times."""
    return str(_sync_await(component.urn.future()))


def provider_urn(component: pulumi.ComponentResource, resource_type: str) -> str | None:
    """The URN of the provider that the component was given for a type; None where it uses the stack's own."""
    provider = component.get_provider(resource_type)
    return None if provider is None else str(_sync_await(provider.urn.future()))


def child_options(
    parent: pulumi.Resource,
    resource_types: Sequence[str],
    resource_name: str,
    former: str,
    *,
    retained: bool,
) -> pulumi.ResourceOptions:
    """The options of a child that writes an entry; what is not needed is left to be inherited from the component.

    The aliases keep an entry whose resource gets another name: Pulumi would write it under the new name and then delete
    the old resource, which is the same entry. `resource_types`: the types under which it may have been declared or
    imported outside the component. `former`: the URN recorded in the live entry.
    """
    # As text, since the SDK takes half a millisecond to work one out of an `Alias`.
    place = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
    return pulumi.ResourceOptions(
        parent=parent,
        aliases=[*(f"{place}::{one}::{resource_name}" for one in resource_types), *([former] if former else [])],
        retain_on_delete=True if retained else None,
    )
