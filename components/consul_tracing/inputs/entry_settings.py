"""Inputs of the components that write service-defaults."""

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar, Literal

from pydantic import Field

from consul_tracing.errors import Problem, format_value

from .entry_fields import ServiceDefaultsFields
from .kubernetes_types import MetadataKey
from .types import FinePercent, NamespaceName, OwnerName, Seconds, ServiceName, SpanName, Text, is_stack_name
from .validation import Settings

Existing = Literal["refuse", "adopt", "overwrite"]
Protocol = Literal["tcp", "http", "http2", "grpc"]
Target = Literal["consul", "kubernetes"]

MANAGED_BY_CONSUL_K8S = "is managed by consul-k8s with target: kubernetes"
PARTITION_OF_CONSUL_K8S = f"{MANAGED_BY_CONSUL_K8S} (global.adminPartitions)"


class ServiceTracing(Settings):
    """Tracing of the proxies of one service, where it differs from that of the mesh.

    No config entry can hold it (hashicorp/consul#12040). It takes effect if the pods of the service have the
    annotations of the output `proxy_annotations`, or if the registrations of its proxies have the keys
    that `consul-tracing render --as registration` prints.
    """

    shorthand: ClassVar[str] = "enabled"
    plain: ClassVar[frozenset[str]] = frozenset({"service_name"})

    enabled: bool = True
    """Whether the proxies of the service create spans. Default: {default}.

    False: they start no trace and pass on the headers of callers, so that the rest of a trace is complete.
    """

    sampling: FinePercent | None = None
    """Percentage of requests without trace context that start a trace at these proxies. Default: `sampling.random`.

    It applies where a trace starts, such as at the entrance of the mesh: proxies follow the decision of a caller.
    """

    service_name: SpanName | None = None
    """Service name in the spans of these proxies. Default: the name of the service in Consul's catalog.

    The templates `{service}`, `{namespace}` and `{partition}` are replaced. Example: `{namespace}/{service}`. Not
    supported with Zipkin, whose spans always have the name of the Consul service.
    """

    def _problems(self) -> Iterator[Problem]:
        if not self.enabled:
            yield from self.unsupported("with enabled: false", "sampling", "service_name")


class Service(Settings):
    """Service of the mesh, with its service-defaults entry."""

    shorthand: ClassVar[str] = "protocol"
    example: ClassVar[str] = "{protocol: http}"
    plain: ClassVar[frozenset[str]] = frozenset({"name", "namespace", "partition"})

    protocol: Protocol
    """Protocol: "http", "http2" or "grpc", which Envoy traces, or "tcp"."""

    name: ServiceName | None = None
    """Name of the service in Consul's catalog. Default: the key in `services`."""

    namespace: Text | None = None
    """Consul Enterprise namespace. Default: Consul's default namespace.

    On Kubernetes: the namespace of the ServiceDefaults, which consul-k8s can mirror to Consul. Default: `namespace`.
    """

    partition: Text | None = None
    """Consul Enterprise admin partition. Default: `partition` of the mesh."""

    service_defaults: ServiceDefaultsFields = Field(default_factory=dict)
    """Additional fields of the entry with Consul's Go names.

    Example: `{"LocalRequestTimeoutMs": 5000}`.
    """

    tracing: ServiceTracing | None = None
    """Tracing of the proxies of this service, carried by their pods or registrations. Default: that of the mesh.

    Not supported by `ServiceProtocols`, which does not know the tracing of the mesh.
    """


class Metadata(Settings):
    """Additional metadata of the custom resources on Kubernetes."""

    labels: dict[MetadataKey, str] = Field(default_factory=dict)
    """Additional labels."""

    annotations: dict[MetadataKey, str] = Field(default_factory=dict)
    """Additional annotations."""


class EntrySettings(Settings):
    """Inputs of a component that writes service-defaults."""

    plain: ClassVar[frozenset[str]] = frozenset({"partition", "owner", "renamed_from"})

    target: Target = "consul"
    """Backend: "consul" (HTTP API) or "kubernetes" (consul-k8s custom resources)."""

    services: dict[ServiceName, Service] = Field(default_factory=dict)
    """Services of the mesh by name, with their protocols."""

    partition: Text | None = None
    """Consul Enterprise admin partition. Default: Consul's default partition."""

    existing: Existing = "refuse"
    """Handling of entries that this stack does not manage: "refuse", "adopt" or "overwrite".

    "refuse" rejects them, with the fields that a write would remove. "adopt" preserves their fields and adds those of
    this stack. "overwrite" writes the fields of this stack only. Entries of consul-k8s are always rejected. Entries of
    another stack are never adopted, because two writers revert each other's changes (hashicorp/consul#20064).
    """

    owner: OwnerName | None = None
    """Owner recorded in the entries, at most 512 bytes. Default: the full name of the stack.

    The full name is organization/project/stack. Set an owner if two state backends could contain the same stack name,
    because each stack would manage the entries of the other.
    """

    renamed_from: OwnerName | None = None
    """Former owner in the entries: the former full name of the stack, or the former `owner`.

    Set it for the first `up` after `pulumi stack rename`, after a move to another project, or after a change of
    `owner`. Otherwise the entries belong to another stack.
    """

    release: bool = False
    """Whether the stack stops managing its entries.

    `up` then removes the ownership metadata, so that another stack can adopt the entries, and `pulumi destroy` keeps
    them.
    """

    namespace: NamespaceName = "consul"
    """Kubernetes namespace of the custom resources. Default: {default}, the namespace in the guide of consul-k8s.

    Has no effect with `target: consul`.
    """

    metadata: Metadata = Metadata.model_construct()
    """Additional labels and annotations of the custom resources. Default: none. Has no effect with `target: consul`."""

    sync_timeout_seconds: Seconds = 120.0
    """Timeout of consul-k8s for writing or deleting an object, in seconds.

    The controller needs about one second, and retries every five. After the timeout, `up` fails with the controller's
    error. Has no effect with `target: consul`.
    """

    migrate_entries: bool = False
    """Whether consul-k8s takes over entries of Consul's HTTP API (`migrate-entry`).

    By default consul-k8s rejects them. It takes over only entries with the content of the custom resource: declared
    fields must have their value in Consul. If the stack has a Consul provider or `consul:address`, fields that are not
    declared are preserved as fields of other owners; with `existing: overwrite` they are not. A stack that manages the
    entries over the HTTP API must remove them from its state first (`pulumi state delete`), or it deletes them. Has no
    effect with `target: consul`.
    """

    @property
    def home_namespace(self) -> str | None:
        """Default namespace of an entry: on Kubernetes that of the custom resources, else None, Consul's default."""
        return self.namespace if self.target == "kubernetes" else None

    @property
    def tcp_names(self) -> list[str]:
        """The services that have the protocol tcp, in addition to those in `services`."""
        return []

    @property
    def names_by_key(self) -> dict[str, str]:
        """The names in the catalog of the services in `services`, by their keys."""
        return {key: service.name or key for key, service in self.services.items()}

    @property
    def service_names(self) -> set[str]:
        """The names of all declared services in the catalog."""
        return {*self.names_by_key.values(), *self.tcp_names}

    @property
    def output_names(self) -> dict[str, str]:
        """The names in outputs, by key: those in the catalog, or the key if several services have the name."""
        count = Counter([*self.names_by_key.values(), *self.tcp_names])
        return {key: name if count[name] == 1 else key for key, name in self.names_by_key.items()}

    def _problems(self) -> Iterator[Problem]:
        if self.renamed_from and not self.owner and not is_stack_name(self.renamed_from):
            expected = "must be the full name of a stack (organization/project/stack) unless owner is set"
            yield Problem("renamed_from", f"{expected}, got {format_value(self.renamed_from)}")
        if self.target == "kubernetes":
            yield from self._kubernetes_problems()
        yield from self._duplicates()

    def _kubernetes_problems(self) -> Iterator[Problem]:
        if self.partition is not None:
            yield Problem("partition", PARTITION_OF_CONSUL_K8S)
        for key, service in self.services.items():
            if service.partition is not None:
                yield Problem(f"services.{key}.partition", PARTITION_OF_CONSUL_K8S)
            if "Meta" in service.service_defaults:
                yield Problem(f"services.{key}.service_defaults.Meta", MANAGED_BY_CONSUL_K8S)

    def _duplicates(self) -> Iterator[Problem]:
        """Return the services that are declared twice. Consul's default namespace and partition are named `default`."""
        home = self.home_namespace or "default", self.partition or "default"
        declared: dict[tuple[str, str, str], str] = {}
        services = {
            f"services.{key}": (one.name or key, one.namespace or home[0], one.partition or home[1])
            for key, one in self.services.items()
        }
        tcp_services = {f"tcp_services.{index}": (name, *home) for index, name in enumerate(self.tcp_names)}
        for path, entry in (services | tcp_services).items():
            if (first := declared.setdefault(entry, path)) != path:
                yield Problem(path, f'conflicts with {first}, which declares the same service ("{entry[0]}")')
            elif path in tcp_services and entry[0] in self.services:
                yield Problem(path, f"conflicts with services.{entry[0]}, which has the same resource name")


class ServiceProtocolsSettings(EntrySettings):
    """Protocols of services in a mesh whose tracing another stack manages."""

    component: ClassVar[str] = "ServiceProtocols"

    services: dict[ServiceName, Service]
    """Services by name, with their protocols."""

    def _problems(self) -> Iterator[Problem]:
        yield from super()._problems()
        for key, service in self.services.items():
            if service.tracing is not None:
                yield Problem(
                    f"services.{key}.tracing",
                    "is not supported by ServiceProtocols, which does not know the tracing of the mesh. "
                    "Declare the service in the MeshTracing of the mesh",
                )
