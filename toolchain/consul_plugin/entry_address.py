"""Which config entry: its kind and name, and on Consul Enterprise its partition and namespace."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

UNKNOWN_FORM = 'expected path of the form "<kind>/<name>" or "<partition>/<namespace>/<kind>/<name>"'
PLAIN_PARTS, ENTERPRISE_PARTS = 2, 4


@dataclass(frozen=True)
class EntryAddress:
    """One config entry. Empty `partition` and `namespace` mean Consul's defaults."""

    kind: str
    name: str
    partition: str = ""
    namespace: str = ""

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> "EntryAddress":
        """Take the address from a resource's or a look-up's properties."""
        return cls(
            kind=properties.get("kind") or "",
            name=properties.get("name") or "",
            partition=properties.get("partition") or "",
            namespace=properties.get("namespace") or "",
        )

    @classmethod
    def from_import_id(cls, import_id: str) -> "EntryAddress":
        """Read `<kind>/<name>` or `<partition>/<namespace>/<kind>/<name>`; anything else is a `ValueError`."""
        parts = import_id.split("/")
        if len(parts) == PLAIN_PARTS:
            kind, name = parts
            return cls(kind, name)
        if len(parts) == ENTERPRISE_PARTS:
            partition, namespace, kind, name = parts
            return cls(kind, name, partition, namespace)
        raise ValueError(UNKNOWN_FORM)

    @property
    def resource_id(self) -> str:
        """Return the id in Pulumi's state. It holds no partition: the properties beside it do."""
        return f"{self.kind}-{self.name}"

    def properties(self) -> dict[str, str]:
        """Return the address as resource properties, without what is empty."""
        named = {"kind": self.kind, "name": self.name, "namespace": self.namespace, "partition": self.partition}
        return {key: value for key, value in named.items() if value}
