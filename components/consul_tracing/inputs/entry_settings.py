"""Validated inputs of the components that write service-defaults, with defaults."""

from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from consul_tracing.errors import Problem, format_value

from .entry_fields import ServiceDefaultsFields
from .kubernetes_types import LabelValue, MetadataKey
from .types import (
    OBJECT_NAME,
    NamespaceName,
    OwnerName,
    Seconds,
    ServiceName,
    Text,
    is_object_name,
    is_stack_name,
)
from .validation import Settings

Protocol = Literal["tcp", "http", "http2", "grpc"]

MANAGED_BY_CONSUL_K8S = "is managed by consul-k8s with target: kubernetes"
PARTITION_OF_CONSUL_K8S = f"{MANAGED_BY_CONSUL_K8S} (global.adminPartitions)"


class Service(Settings):
    """Service of the mesh."""

    shorthand: ClassVar[str] = "protocol"
    plain: ClassVar[frozenset[str]] = frozenset({"name", "namespace", "partition"})

    protocol: Protocol
    name: ServiceName | None = None
    namespace: Text | None = None
    partition: Text | None = None
    service_defaults: ServiceDefaultsFields = Field(default_factory=dict)


class Metadata(Settings):
    """Further metadata of custom resources."""

    labels: dict[MetadataKey, LabelValue] = Field(default_factory=dict)
    annotations: dict[MetadataKey, str] = Field(default_factory=dict)


class EntrySettings(Settings):
    """Inputs of a component that writes service-defaults."""

    plain: ClassVar[frozenset[str]] = frozenset({"partition", "owner", "renamed_from"})

    target: Literal["consul", "kubernetes"] = "consul"
    services: dict[ServiceName, Service] = Field(default_factory=dict)
    partition: Text | None = None
    existing: Literal["refuse", "adopt", "overwrite"] = "refuse"
    owner: OwnerName | None = None
    renamed_from: OwnerName | None = None
    release: bool = False
    namespace: NamespaceName = "consul"
    metadata: Metadata = Metadata.model_construct()
    sync_timeout_seconds: Seconds = 120.0
    migrate_entries: bool = False

    @property
    def home_namespace(self) -> str | None:
        """Default namespace of an entry: on Kubernetes that of the custom resources, else None, Consul's default."""
        return self.namespace if self.target == "kubernetes" else None

    @property
    def tcp_names(self) -> list[str]:
        """The services that have the protocol tcp, in addition to those in `services`."""
        return []

    @property
    def service_names(self) -> set[str]:
        """The names of all declared services in the catalog."""
        return {*(service.name or key for key, service in self.services.items()), *self.tcp_names}

    def problems(self) -> Iterator[Problem]:
        """Return the conflicts between inputs that are valid one by one."""
        if self.renamed_from and not self.owner and not is_stack_name(self.renamed_from):
            expected = "must be the full name of a stack (organization/project/stack) unless owner is set"
            yield Problem("renamed_from", f"{expected}, got {format_value(self.renamed_from)}")
        if self.target == "kubernetes":
            yield from self._kubernetes_problems()
        yield from self._duplicates()

    def _kubernetes_problems(self) -> Iterator[Problem]:
        if self.partition is not None:
            yield Problem("partition", PARTITION_OF_CONSUL_K8S)
        names = {f"services.{key}": service.name or key for key, service in self.services.items()}
        names |= {f"tcp_services.{index}": name for index, name in enumerate(self.tcp_names)}
        for path, name in names.items():
            if not is_object_name(name):
                yield Problem(path, f"must be {OBJECT_NAME}, got {format_value(name)}")
        for key, service in self.services.items():
            if service.partition is not None:
                yield Problem(f"services.{key}.partition", PARTITION_OF_CONSUL_K8S)
            if "Meta" in service.service_defaults:
                yield Problem(f"services.{key}.service_defaults.Meta", MANAGED_BY_CONSUL_K8S)

    def _duplicates(self) -> Iterator[Problem]:
        """Return the services that are declared twice. Consul's default namespace and partition are named `default`."""
        home = self.home_namespace or "default"
        declared: dict[tuple[str, str, str], str] = {}
        for key, service in self.services.items():
            path = f"services.{key}"
            entry = (service.name or key, service.namespace or home, service.partition or self.partition or "default")
            if (first := declared.setdefault(entry, path)) != path:
                yield Problem(path, f'conflicts with {first}, which declares the same service ("{entry[0]}")')
        for index, name in enumerate(self.tcp_names):
            path, entry = f"tcp_services.{index}", (name, home, self.partition or "default")
            if (first := declared.setdefault(entry, path)) != path:
                yield Problem(path, f'conflicts with {first}, which declares the same service ("{name}")')
            elif name in self.services:
                yield Problem(path, f"conflicts with services.{name}, which has the same resource name")


class ServiceProtocolsSettings(EntrySettings):
    """Inputs of `ServiceProtocols`."""

    component: ClassVar[str] = "ServiceProtocols"

    services: dict[ServiceName, Service]
