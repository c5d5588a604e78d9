"""The interface of the backends, and their shared functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

import pulumi

from consul_tracing.engine import provider_urn, urn_of
from consul_tracing.errors import message
from consul_tracing.run_errors import ConflictError

from .identity import Provider
from .live import LiveT
from .stack_state import StackState

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Entry, Identity
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.errors import UnreadableError
    from consul_tracing.names import JsonObject

    from .consul_api import ConsulApi
    from .live import Planned
    from .plan_messages import Wording


Value = TypeVar("Value")


class Written(NamedTuple):
    """An entry that a resource writes."""

    entry: Entry
    resource: pulumi.CustomResource

    body: Callable[[], pulumi.Output[JsonObject]]
    """Returns the body of the entry, also if this update does not write it. Each Output takes time."""


class Backend(ABC, Generic[LiveT]):
    """Reads and writes the entries of one component."""

    resource_type: ClassVar[str]
    """A type of the resources that write entries. It selects the provider of the component."""

    wording: Wording
    """How messages name the entries, and the commands of their fixes."""

    unknown: LiveT
    """The live state of an entry in a preview that cannot read it."""

    catalog: ConsulApi | None = None
    """Consul's catalog, None if this backend does not read it."""

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write entries as children of the component, with the owner of the policy."""
        self.component, self.policy, self.state = component, policy, StackState()
        self.urn = urn_of(component)
        self.provider = Provider(self.resource_type.partition(":")[0], provider_urn(component, self.resource_type))

    @abstractmethod
    def read(self, entries: Sequence[Entry]) -> list[LiveT]:
        """Return the live entries in the same order. Raises UnreadableError."""

    @abstractmethod
    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:
        """Return the live entries of a kind, at least those of these services. Raises UnreadableError."""

    @abstractmethod
    def holders(self, entry: Entry, live: LiveT, declared: Mapping[str, Identity]) -> Mapping[str, bool]:
        """Return the resources of the state that hold an entry of this identity and delete it when they are deleted.

        The value is whether the resource is known to hold the entry of this mesh. `declared`: the entries that the
        components of the program declare, by the URN of their resource.
        """

    def service(self, entry: Entry) -> Service:
        """Return the name, the namespace and the partition of the entry in Consul."""
        return entry.identity[1:]

    def reject_unwritable(self, planned: Sequence[Planned[LiveT]]) -> None:
        """Reject plans that cannot be carried out. Raises ConflictError."""

    @abstractmethod
    def write(
        self,
        planned: Planned[LiveT],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> Written:
        """Declare the entry as a child of the component, after the resources in `after`.

        `used`: the Outputs in the entry. Its content depends on their resources, and is unknown if one of them is.
        """

    async def wait_until_synced(self, entries: Sequence[Entry]) -> None:
        """Wait until Consul has entries that are written. Consul's API answers when an entry takes effect."""

    def options(self, planned: Planned[LiveT], after: Sequence[pulumi.Resource]) -> pulumi.ResourceOptions:
        """Return the options of a resource that writes an entry. Unset options are inherited from the component.

        A replaced entry is deleted first: Pulumi's default, to delete it after the write, would delete the same entry.
        """
        types = planned.live.imported_types(planned.entry.kind)
        # Text instead of `pulumi.Alias`, which takes 0.5 ms each.
        root = f"urn:pulumi:{pulumi.get_stack()}::{pulumi.get_project()}"
        aliases = [f"{root}::{one}::{planned.resource_name}" for one in types]
        return pulumi.ResourceOptions(
            parent=self.component,
            aliases=[*aliases, *([planned.former] if planned.former else [])],
            delete_before_replace=True,
            depends_on=list(after) or None,
            retain_on_delete=True if planned.when_deleted == "kept" else None,
        )


def continue_in_previews(backend: Backend[Any], error: UnreadableError) -> None:
    """Warn in a preview that the backend cannot be read. Raises ConflictError in an `up`."""
    server = backend.wording.server
    if not pulumi.runtime.is_dry_run():
        reason = "cannot be read, so nothing is written: fields of other owners could be removed"
        raise ConflictError(message("CT205", f"{server} {reason}: {error}")) from None
    # Whether the update creates what is missing is not known: a Helm chart does not name its objects.
    reason = "cannot be read yet, so this preview does not show fields of other owners"
    condition = "pulumi up stops if it still cannot read it"
    pulumi.log.warn(message("CT508", f"{server} {reason}, and {condition}: {error}"), backend.component)


def synced_output(backend: Backend[Any], written: Collection[Written]) -> pulumi.Output[object]:
    """Return an Output that resolves as soon as Consul has all written entries. It fails with SyncError."""
    # A preview shows known outputs, and writes nothing.
    if pulumi.runtime.is_dry_run():
        return pulumi.Output.from_input(None)
    entries = [one.entry for one in written]
    return pulumi.Output.all(*(one.resource.id for one in written)).apply(lambda _: backend.wait_until_synced(entries))


def output_after(synced: pulumi.Output[object], output: pulumi.Output[Value]) -> pulumi.Output[Value]:
    """Return the output as soon as Consul has the entries, for resources that depend on them."""
    return pulumi.Output.all(output, synced).apply(lambda both: both[0])
