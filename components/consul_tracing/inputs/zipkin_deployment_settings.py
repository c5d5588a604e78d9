"""Inputs of Zipkin's pods, and of the objects around them."""

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from consul_tracing.errors import Problem

from .kubernetes_types import AddressRange, Image, Interval, ManifestPart, Memory, Utilization, bytes_of
from .types import Count, NamespaceName, Text, UrlPath
from .validation import Settings

DEPENDENCIES_IMAGE = "openzipkin/zipkin-dependencies:3.2.0"

MEBIBYTE = 2**20
NON_HEAP_MEMORY = 192 * MEBIBYTE
"""Bytes that Java uses besides the heap, for code, classes and threads. Measured in docs/measurements/zipkin.md."""

HEAP_SHARE = 0.75
"""Share of the remaining memory for the heap. Network buffers and tables of the garbage collector use the rest."""

IDLE_HEAP = 32 * MEBIBYTE
"""Bytes of heap that Zipkin uses without spans."""

SPAN_HEAP = 8 * 1024
"""Bytes of heap per span in memory. A span of Envoy uses 3.3 KiB (docs/measurements/zipkin.md); new objects and queries
use the rest. Zipkin's rule of 1 KiB assumes three annotations, but Envoy writes fifteen tags."""

MANAGED_LABELS = frozenset(
    f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "managed-by")
)
"""Labels that the component manages. The Service selects its pods by two of them."""

UI_PATH = "/zipkin"

ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]


class Resources(Settings):
    """CPU and memory of each pod."""

    cpu_request: Text = "250m"
    """Requested CPU. Default: {default}, for the job "500m"."""

    cpu_limit: Text | None = None
    """Limit of CPU. Default: none, because a limit slows down startup and garbage collection of Java."""

    memory_limit: Memory = "512Mi"
    """Memory, as request and as limit, at least "256Mi". Default: {default}, for the job "1Gi".

    Request and limit are equal so that no node promises more memory than it has. The heap of Java is 75 % of the memory
    above 192Mi.
    """

    @property
    def heap(self) -> int:
        """Heap of Java, in MiB."""
        return int((bytes_of(self.memory_limit) - NON_HEAP_MEMORY) * HEAP_SHARE) // MEBIBYTE

    @property
    def fitting_spans(self) -> int:
        """Number of Envoy's spans that fit into the heap, rounded down to hundreds."""
        return (self.heap * MEBIBYTE - IDLE_HEAP) // SPAN_HEAP // 100 * 100


class JobResources(Resources):
    """Resources of each run of the dependencies job."""

    cpu_request: Text = "500m"
    memory_limit: Memory = "1Gi"


class CollectorService(Settings):
    """Service of Zipkin: the address to which proxies send spans."""

    type: ServiceType = "ClusterIP"
    """ "ClusterIP", "NodePort" or "LoadBalancer". Default: {default}, because Zipkin has no login.

    Proxies outside of the cluster, for example on VMs, cannot connect to "ClusterIP". The other types log a warning
    unless `network_policy` is set.
    """

    annotations: dict[str, str] = Field(default_factory=dict)
    """Additional annotations of the Service, for example for an internal load balancer."""


class Ingress(Settings):
    """Ingress for Zipkin's user interface, which has no login. Configure one with the controller's annotations."""

    host: Text
    """DNS name of the user interface, such as "zipkin.example.com"."""

    class_name: Text | None = None
    """Name of the IngressClass. Default: the default class of the cluster."""

    tls_secret: Text | None = None
    """Name of the Secret with certificate and key, existing or from cert-manager. Required, unless `tls: false`."""

    tls: bool = True
    """Whether the Ingress has a certificate.

    False explicitly allows plain HTTP, or a controller with its own certificate.
    """

    annotations: dict[str, str] = Field(default_factory=dict)
    """Annotations for the controller."""

    path: UrlPath = UI_PATH
    """Exposed URL path. Default: {default}, the user interface and its queries.

    "/" also exposes the endpoint for posting spans, and logs a warning.
    """

    def _problems(self) -> Iterator[Problem]:
        if self.tls and self.tls_secret is None:
            yield Problem("tls_secret", "is required. Set tls: false for plain HTTP")
        if not self.tls:
            yield from self.unsupported("with tls: false", "tls_secret")


class Autoscaling(Settings):
    """HorizontalPodAutoscaler that replaces `replicas`. Not supported with storage in memory."""

    max_replicas: Count
    """Maximum number of pods. Required: the load on the storage and the costs depend on it."""

    min_replicas: Count = 2
    """Minimum number of pods. Default: {default}, so that spans arrive while one pod is missing."""

    cpu_percent: Utilization = 70
    """Target CPU utilization of all pods, in percent of `cpu_request`."""


class DisruptionBudget(Settings):
    """PodDisruptionBudget for node drains: exactly one field."""

    one_of: ClassVar[tuple[str, ...]] = ("min_available", "max_unavailable")

    min_available: Count | None = None
    """Minimum number of available pods. Must be less than the number of pods, or no node can be drained."""

    max_unavailable: Count | None = None
    """Maximum number of unavailable pods, at least 1."""


class Peer(Settings):
    """Peer of a connection: pods of a namespace, pods with labels, both, or an address range."""

    namespace: NamespaceName | None = None
    """Name of the pods' namespace. Default: any namespace."""

    pod_labels: dict[str, str] = Field(default_factory=dict)
    """Labels of the pods. Default: any pod."""

    cidr: AddressRange | None = None
    """Address range outside of the cluster, such as "10.20.0.0/16". Conflicts with the other fields."""

    def _problems(self) -> Iterator[Problem]:
        if self.cidr is None and self.namespace is None and not self.pod_labels:
            yield Problem("", "must be a map with namespace, pod_labels or cidr; got none")
        if self.cidr is not None and (self.namespace is not None or self.pod_labels):
            yield Problem("cidr", "conflicts with namespace and pod_labels. Add a separate peer")


class NetworkPolicy(Settings):
    """NetworkPolicy of Zipkin. Outgoing connections are limited to DNS and the storage.

    Requires a network plugin that enforces policies. With storage in memory, no outgoing connection is allowed.
    """

    clients: Annotated[list[Peer], Field(min_length=1)] | None = None
    """Peers that can connect to port 9411: proxies, ingress controller, Prometheus. Default: all pods."""

    storage: Annotated[list[Peer], Field(min_length=1)] | None = None
    """Peers of the storage. Default: any address, on the ports of the storage."""


class ServiceMonitor(Settings):
    """ServiceMonitor of the Prometheus operator. Its CRD must exist."""

    interval: Interval = "30s"
    """Scrape interval."""

    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that the Prometheus selects, such as `{"release": "prometheus"}`."""

    def _problems(self) -> Iterator[Problem]:
        return managed_label_problems(self.labels)


class DependenciesJob(Settings):
    """CronJob that aggregates the dependencies of services for Zipkin's dependencies page.

    Without the job the page is empty. Storage in memory needs no job.
    """

    schedule: Text = "55 * * * *"
    """Cron schedule in UTC.

    Each run reads the spans of the day. The last run starts five minutes before the end of the day in UTC.
    """

    image: Image = DEPENDENCIES_IMAGE
    """Image of the job, with a version or a digest. Default: {default}, as tested."""

    resources: JobResources = JobResources.model_construct()
    """CPU and memory of a run, which loads the traces of the day. Default: "500m" and "1Gi"."""


class SecretKey(Settings):
    """Reference to a key of an existing Secret."""

    secret: Text
    """Name of the Secret in the collector's namespace."""

    key: Text
    """Key of the Secret."""


class Scheduling(Settings):
    """Scheduling of the pods of Zipkin and of the job."""

    node_selector: dict[str, str] = Field(default_factory=dict)
    """Labels of the nodes."""

    tolerations: list[ManifestPart] = Field(default_factory=list)
    """Tolerations in the format of Kubernetes (camelCase)."""

    affinity: ManifestPart = Field(default_factory=dict)
    """Affinity in the format of Kubernetes (camelCase)."""

    priority_class: Text | None = None
    """Name of the PriorityClass. Default: the default class of the cluster."""

    topology_spread: list[Text] = Field(default_factory=lambda: ["kubernetes.io/hostname"])
    """Node labels over which Zipkin's pods are spread if possible."""


def managed_label_problems(labels: dict[str, str]) -> Iterator[Problem]:
    """Return a problem for each label that the component manages."""
    return (Problem(f"labels.{key}", "is managed by ZipkinCollector") for key in labels if key in MANAGED_LABELS)
