"""The protocol of the backends, and their shared functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol

import pulumi

# A private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await

from consul_tracing.errors import ConflictError, message

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from consul_tracing.entries.entry import Entry
    from consul_tracing.entries.ownership import Plan, Policy
    from consul_tracing.errors import UnreadableError
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

    from .stack_state import StackState


IMPORT = "pulumi import --protect=false --generate-code=false"

Rendered = Any
"""The written form of an entry: text for Consul's API, a map for Kubernetes, or an Output of either."""


WhenDeleted = Literal["deleted", "kept", "fields removed"]
"""The effect of deleting a resource on its entry. `kept`: the deletion would remove fields of other owners."""


class Backend(Protocol):
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

    def title(self, entry: Entry) -> str:
        """Return the name of the entry in messages."""

    def import_command(self, entry: Entry, resource_name: str) -> str:
        """Return the command that imports the entry into this stack."""

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """Return the command that removes these keys of ownership metadata from the entry."""

    def overwrite_steps(self, entry: Entry, resource_name: str) -> tuple[str, ...]:
        """Return the steps with which this stack overwrites an entry that another stack manages."""

    def scope(self) -> object:
        """Return the identity of the mesh, which differs from that of every other mesh of a program."""

    def read(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """Return the live bodies of the entries, None for a missing entry. Raises UnreadableError."""

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """Return the body of the entry in a resource's outputs, None if they are those of another entry."""

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Return whether a service outside of `entries` has an HTTP protocol. Raises UnreadableError."""

    def warn_of_http_default(
        self, settings: MeshSettings, declared: Iterable[Entry], live_mesh: JsonObject | None
    ) -> None:
        """Warn of services that an HTTP `default_protocol` affects and for which no protocol is declared."""

    def when_deleted(self, entry: Entry, plan: Plan) -> WhenDeleted:
        """Return the effect of deleting the entry's resource."""

    def pruned(self, entry: Entry, parts: Sequence[FieldPath]) -> tuple[FieldPath, ...]:
        """Return which of the fields are removed when this stack writes the entry without them."""

    def reject_unwritable(self, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
        """Reject plans that cannot be carried out. Raises ConflictError."""

    def resource(self, entry: Entry, resource_name: str) -> str:
        """Return the URN of the resource that manages the entry."""

    def rendered(self, entry: Entry, plan: Plan, resource_name: str) -> Rendered:
        """Return the written form of the entry."""

    def write(
        self,
        resource_name: str,
        entry: Entry,
        plan: Plan,
        rendered: Rendered,
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """Declare the entry as a child of the component, after the resources in `after`."""

    def synced_output(self, written: Sequence[pulumi.CustomResource]) -> pulumi.Output[object]:
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

    The aliases preserve an entry whose resource is renamed: Pulumi would write it under the new name and then delete
    the old resource, that is, the same entry. `resource_types`: the types under which the entry may have been declared
    or imported outside the component. `former`: the URN that the live entry records.
    """
    # Text instead of `pulumi.Alias`, which takes 0.5 ms each.
    root = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
    return pulumi.ResourceOptions(
        parent=parent,
        aliases=[*(f"{root}::{one}::{resource_name}" for one in resource_types), *([former] if former else [])],
        retain_on_delete=True if retained else None,
    )


def continue_in_previews(backend: Backend, error: UnreadableError) -> None:
    """Warn in a preview that the backend cannot be read. Raises ConflictError in an `up`."""
    unread = f"{backend.server} cannot be read"
    if not pulumi.runtime.is_dry_run():
        text = f"{unread}, so nothing is written: fields of other owners could be removed: {error}"
        raise ConflictError(message("CT205", text)) from None
    text = f"{unread}, so this preview does not show fields of other owners, and pulumi up would stop: {error}"
    pulumi.log.warn(message("CT408", text), backend.component)
