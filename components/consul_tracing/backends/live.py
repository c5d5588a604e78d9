"""Live entries, and the entries of a component with their plans (pure)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from consul_tracing.entries.metadata import ownership_metadata

from .identity import CONFIG_ENTRY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from consul_tracing.entries.entry import Entry
    from consul_tracing.entries.ownership import Plan
    from consul_tracing.names import FieldPath, JsonObject

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

    inherited: Mapping[FieldPath, object] = field(default_factory=dict)
    """The fields that Consul has added to the entry, with their values."""

    def resource_type(self, kind: str) -> str:  # noqa: ARG002 - one type for all kinds
        """Return the type of the Pulumi resource that writes an entry of a kind over this one."""
        return CONFIG_ENTRY

    def imported_types(self, kind: str) -> list[str]:
        """Return the types under which the entry may have been imported outside the component."""
        return [self.resource_type(kind)]

    def pruned(self, fields: Iterable[FieldPath]) -> tuple[FieldPath, ...]:
        """Return which of the fields are removed when this stack writes the entry without them."""
        return tuple(fields)

    def when_deleted(self, plan: Plan) -> WhenDeleted:
        """Return the effect of deleting the resource, which removes the whole entry."""
        return "kept" if plan.preserved or plan.released else "deleted"


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

    @property
    def when_deleted(self) -> WhenDeleted:
        """The effect of deleting the resource."""
        return self.live.when_deleted(self.plan)

    def ownership(self, owner: str) -> dict[str, str]:
        """Return the ownership metadata to write."""
        return {} if self.plan.released else ownership_metadata(self.entry.fields, owner, self.urn)
