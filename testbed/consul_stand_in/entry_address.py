"""Identity of a config entry: kind and name, and on Consul Enterprise partition and namespace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import PluginError

ADDRESS_PROPERTIES = ("kind", "name", "namespace", "partition")
PLAIN_PARTS, ENTERPRISE_PARTS = 2, 4


@dataclass(frozen=True)
class EntryAddress:
    """One config entry. An empty partition or namespace is Consul's default."""

    kind: str = ""
    name: str = ""
    namespace: str = ""
    partition: str = ""

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "EntryAddress":
        """Take the address from the properties of a resource or a look-up."""
        return cls(**{key: properties.get(key) or "" for key in ADDRESS_PROPERTIES})

    @classmethod
    def from_import_id(cls, import_id: str) -> "EntryAddress":
        """Parse `<kind>/<name>` or `<partition>/<namespace>/<kind>/<name>`."""
        parts = import_id.split("/")
        if len(parts) == PLAIN_PARTS:
            return cls(*parts)
        if len(parts) == ENTERPRISE_PARTS:
            partition, namespace, kind, name = parts
            return cls(kind, name, namespace, partition)
        raise PluginError('expected path of the form "<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"')

    @property
    def resource_id(self) -> str:
        """The id in Pulumi's state. Like the official one it has no partition and no namespace."""
        return f"{self.kind}-{self.name}"

    def properties(self) -> dict[str, str]:
        """Return the address as resource properties, empty ones left out."""
        return {key: value for key in ADDRESS_PROPERTIES if (value := getattr(self, key))}
