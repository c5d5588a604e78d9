"""A config entry of Consul."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from .field_paths import field_paths

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import FieldPath, JsonObject

Identity = tuple[str, str, str, str]
"""Kind, name, namespace, partition."""


@dataclass(frozen=True)
class Entry:
    """A config entry with its declared fields."""

    kind: str
    """`proxy-defaults` or `service-defaults`."""

    name: str
    """`global`, or the name of the service in the catalog."""

    body: JsonObject
    """The declared fields under Consul's Go names, without kind, name, namespace and partition."""

    namespace: str | None = None
    """Namespace of Consul Enterprise, None for the default. On Kubernetes, the namespace of the custom resource."""

    partition: str | None = None
    """Admin partition of Consul Enterprise, None for the default."""

    @cached_property
    def fields(self) -> Mapping[FieldPath, Any]:
        """The declared fields by their paths."""
        return field_paths(self.body)

    @property
    def title(self) -> str:
        """The name of the entry in Consul: `proxy-defaults/global`."""
        return f"{self.kind}/{self.name}"

    @property
    def identity(self) -> Identity:
        """The identity of the entry in Consul. An unset namespace or partition is `default`."""
        return self.kind, self.name, self.namespace or "default", self.partition or "default"
