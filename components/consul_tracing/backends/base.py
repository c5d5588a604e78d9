"""The protocol of the backends, and their shared functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, TypeVar

import pulumi

# A private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await

from consul_tracing.errors import message
from consul_tracing.run_errors import ConflictError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Entry, Identity
    from consul_tracing.entries.ownership import Plan, Policy
    from consul_tracing.errors import UnreadableError
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

    from .stack_state import StackState


WhenDeleted = Literal["deleted", "kept", "fields removed"]
"""The effect of deleting a resource on its entry. `kept`: the deletion would remove fields of other owners."""


@dataclass(frozen=True)
class Live:
    """A live entry, as the backend read it."""

    body: JsonObject | None = None
    """The fields of the entry. None if the entry does not exist, or if the preview cannot read it."""

    is_known: bool = True
    """Whether the backend could be read."""

    is_migrated: bool = False
    """Whether the entry is one of Consul's HTTP API, which consul-k8s takes over."""


Value = TypeVar("Value")
LiveT = TypeVar("LiveT", bound=Live)


@dataclass(frozen=True)
class Planned(Generic[LiveT]):
    """Entry of this stack: its resource, its live state, and its plan."""

    resource_name: str
    """The name of the Pulumi resource that writes the entry."""

    urn: str
    """The URN of that resource."""

    entry: Entry
    live: LiveT
    plan: Plan

    former: str = ""
    """The URN of the resource of the state that this one takes over; empty if there is none."""


class Backend(Protocol[LiveT]):
    """Interface that reads and writes entries."""

    urn: str
    """The URN of the component that declares the entries."""

    component: pulumi.ComponentResource
    """The parent of all resources that write entries."""

    policy: Policy
    state: StackState

    is_local: bool
    """Whether the whole mesh runs on this machine."""

    server: str
    """The program that holds the entries, as messages name it."""

    unknown: LiveT
    """The live state of an entry in a preview that cannot read it."""

    def title(self, entry: Entry) -> str:
        """Return the name of the entry in messages."""

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """Return the command that removes these keys of ownership metadata from the entry."""

    def overwrite_steps(self, entry: Entry, resource_name: str, repeated: Sequence[str]) -> list[str]:
        """Return the steps with which this stack overwrites entries that it does not manage.

        `repeated`: the step that repeats a command for all entries but the first.
        """

    provider_package: str
    """The package of the provider that writes entries."""

    def scope(self) -> str | None:
        """Return the URN of the component's provider, None for the default provider."""

    def read(self, entries: Sequence[Entry]) -> list[LiveT]:
        """Return the live entries in the same order. Raises UnreadableError."""

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """Return the body of the entry in a resource's outputs, None if they are those of another entry."""

    def holders(self, entry: Entry, live: LiveT, declared: Mapping[str, Identity]) -> Mapping[str, bool]:
        """Return the resources of the state that hold an entry of this identity and delete it when they are deleted.

        The value is whether the resource is known to hold the entry of this mesh. `declared`: the entries that the
        components of the program declare, by the URN of their resource.
        """

    def service(self, entry: Entry) -> Service:
        """Return the name, the namespace and the partition of the entry in Consul."""

    def catalog(self, services: Collection[Service]) -> Collection[Service]:
        """Return `services`, and the others whose entries may refer to them, if these are known."""

    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:
        """Return the live entries of a kind with the names of these services. Raises UnreadableError."""

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Return whether a service outside of `entries` has an HTTP protocol. Raises UnreadableError."""

    def warn_of_http_default(
        self, settings: MeshSettings, declared: Sequence[Entry], live_mesh: JsonObject | None
    ) -> None:
        """Warn of services that an HTTP `default_protocol` affects and for which no protocol is declared."""

    def resource(self, entry: Entry, resource_name: str, live: LiveT) -> str:
        """Return the URN of the resource that manages the entry."""

    def pruned(self, live: LiveT, fields: Sequence[FieldPath]) -> tuple[FieldPath, ...]:
        """Return which of the fields are removed when this stack writes the entry without them."""

    def reject_unwritable(self, planned: Sequence[Planned[LiveT]]) -> None:
        """Reject plans that cannot be carried out. Raises ConflictError."""

    def when_deleted(self, planned: Planned[LiveT]) -> WhenDeleted:
        """Return the effect of deleting the entry's resource."""

    def write(
        self,
        planned: Planned[LiveT],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> pulumi.CustomResource:
        """Declare the entry as a child of the component, after the resources in `after`.

        `used`: the Outputs in the entry. Its content depends on their resources, and is unknown if one of them is.
        """

    def written_body(self, written: pulumi.CustomResource) -> pulumi.Output[JsonObject]:
        """Return the body of the entry that a resource has written, also if this update does not write it."""

    def synced_output(
        self, planned: Sequence[Planned[LiveT]], written: Sequence[pulumi.CustomResource]
    ) -> pulumi.Output[object]:
        """Return an Output that resolves as soon as Consul has all written entries."""


def registered_urn(component: pulumi.ComponentResource) -> str:
    """Return the URN of a component. Waits for the resources that it depends on, such as consul-k8s."""
    return str(_sync_await(component.urn.future()))


def provider_urn(component: pulumi.ComponentResource, resource_type: str) -> str | None:
    """Return the URN of the component's provider for a type, None for the default provider."""
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
    """Return the options of a child that writes an entry. Unset options are inherited from the component.

    `resource_types`: the types under which the entry may have been imported outside the component. `former`: the URN of
    the resource that the child takes over, or an empty text. A replaced entry is deleted first: Pulumi's default, to
    delete it after the write, would delete the same entry.
    """
    # Text instead of `pulumi.Alias`, which takes 0.5 ms each.
    root = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
    aliases = [*(f"{root}::{one}::{resource_name}" for one in resource_types), *([former] if former else [])]
    return pulumi.ResourceOptions(
        parent=parent, aliases=aliases, delete_before_replace=True, retain_on_delete=True if retained else None
    )


def output_after(synced: pulumi.Output[object], output: pulumi.Output[Value]) -> pulumi.Output[Value]:
    """Return the output as soon as Consul has the entries, for resources that depend on them."""
    return pulumi.Output.all(output, synced).apply(lambda both: both[0])


def continue_in_previews(backend: Backend[Any], error: UnreadableError) -> None:
    """Warn in a preview that the backend cannot be read. Raises ConflictError in an `up`."""
    if not pulumi.runtime.is_dry_run():
        reason = "cannot be read, so nothing is written: fields of other owners could be removed"
        raise ConflictError(message("CT205", f"{backend.server} {reason}: {error}")) from None
    # Whether the update creates what is missing is not known: a Helm chart does not name its objects.
    reason = "cannot be read yet, so this preview does not show fields of other owners"
    condition = "pulumi up stops if it still cannot read it"
    pulumi.log.warn(message("CT508", f"{backend.server} {reason}, and {condition}: {error}"), backend.component)
