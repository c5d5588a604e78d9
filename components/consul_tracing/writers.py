"""What the two places where entries are written, Consul's API and Kubernetes', have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import pulumi

# See consul_writer.
from pulumi.runtime.sync_await import _sync_await

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .entries import Entry
    from .fields import JsonObject
    from .ownership import Plan, Policy
    from .parts import Part
    from .places import Place
    from .settings import MeshSettings
    from .stack_state import StackState


Rendered = Any
"""What is written of an entry: text for Consul's API, a map for Kubernetes, or an Output of either."""


WhenDeleted = Literal["deleted", "kept", "fields removed"]
"""What becomes of an entry when its resource is deleted. `kept`: fields of other owners would be deleted too."""


class Writer(Protocol):
    """Reads and writes entries in one of the places."""

    urn: str
    """The URN of the component that declares the entries."""

    component: pulumi.ComponentResource
    """The parent of all resources that write entries."""

    policy: Policy
    state: StackState

    @property
    def place(self) -> Place:
        """The backend, as messages name it."""

    def scope(self) -> object:
        """What tells this mesh from others that a program may write to."""

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as they are now; None where there is none. Raises Unreadable."""

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """The body of the entry in a resource's outputs; None where they are those of another entry."""

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Whether a service other than those in `entries` is declared as http, http2 or grpc. Raises Unreadable."""

    def when_deleted(self, entry: Entry, plan: Plan) -> WhenDeleted:
        """What becomes of the entry when its resource is deleted."""

    def pruned(self, entry: Entry, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Which of these fields are removed when this stack writes the entry without them."""

    def refuse_unwritable(self, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
        """Reject what cannot be written as planned. Raises Refused."""

    def resource(self, entry: Entry, resource_name: str) -> str:
        """The URN of the resource that manages the entry."""

    def rendered(self, entry: Entry, plan: Plan, resource_name: str) -> Rendered:
        """What is written of the entry."""

    def write(
        self,
        resource_name: str,
        entry: Entry,
        plan: Plan,
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
