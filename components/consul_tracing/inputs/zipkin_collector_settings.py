"""Validated inputs of `ZipkinCollector`, with defaults."""

from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field

from consul_tracing.errors import Problem, format_value, message
from consul_tracing.names import UNRESOLVED

from .kubernetes_types import (
    Cidr,
    ClusterDomain,
    ContactPoint,
    Cpu,
    ElasticsearchUrl,
    Image,
    Index,
    IngressHost,
    Interval,
    Keyspace,
    KubernetesServiceName,
    LabelKey,
    LabelValue,
    ManifestPart,
    Memory,
    ObjectName,
    Schedule,
    SecretKeyName,
    UserId,
    Utilization,
    VariableName,
    VariableValue,
    bytes_of,
    is_slim,
    millicores,
    ports_of,
)
from .types import Count, EnvironmentVariable, Milliseconds, NamespaceName, Text, UrlPath, Whole
from .validation import Settings
from .zipkin_collector_args import ZipkinCollectorArgs

PORT = 9411
"""Zipkin's registered port. Fixed, because the defaults of all tracers use it."""

ZIPKIN_VERSION = "3.6.1"
SLIM_IMAGE = f"openzipkin/zipkin-slim:{ZIPKIN_VERSION}"
FULL_IMAGE = f"openzipkin/zipkin:{ZIPKIN_VERSION}"
DEPENDENCIES_IMAGE = "openzipkin/zipkin-dependencies:3.2.0"

MEBIBYTE = 2**20
NON_HEAP_MEMORY = 192 * MEBIBYTE
"""Bytes that Java uses besides the heap, for code, classes and threads. Measured in docs/collector.md."""

HEAP_SHARE = 0.75
"""Share of the remaining memory for the heap. Network buffers and tables of the garbage collector use the rest."""

IDLE_HEAP = 32 * MEBIBYTE
"""Bytes of heap that Zipkin uses without spans."""

SPAN_HEAP = 8 * 1024
"""Bytes of heap per span in memory. A span of Envoy uses 3.3 KiB (docs/collector.md); new objects and queries use the
rest. Zipkin's rule of 1 KiB assumes three annotations, but Envoy writes fifteen tags."""

MANAGED_LABELS = frozenset(
    f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "managed-by")
)
"""Labels that the component manages. The Service selects its pods by two of them."""

INJECTION = "consul.hashicorp.com/connect-inject"

STORAGE_VARIABLES: Mapping[str, Mapping[str, str]] = {
    "memory": {"MEM_MAX_SPANS": "max_spans"},
    "elasticsearch": {
        "ES_HOSTS": "hosts",
        "ES_INDEX": "index",
        "ES_INDEX_SHARDS": "index_shards",
        "ES_INDEX_REPLICAS": "index_replicas",
        "ES_ENSURE_TEMPLATES": "ensure_templates",
        "ES_PIPELINE": "pipeline",
        "ES_TIMEOUT": "timeout_ms",
        "ES_SSL_NO_VERIFY": "verify_certificate",
    },
    "cassandra": {
        "CASSANDRA_CONTACT_POINTS": "contact_points",
        "CASSANDRA_KEYSPACE": "keyspace",
        "CASSANDRA_LOCAL_DC": "local_dc",
        "CASSANDRA_MAX_CONNECTIONS": "max_connections",
        "CASSANDRA_ENSURE_SCHEMA": "ensure_schema",
        "CASSANDRA_USE_SSL": "use_ssl",
        "CASSANDRA_SSL_HOSTNAME_VALIDATION": "verify_hostname",
    },
}
"""Variables of each storage, with the field that sets them."""

MANAGED_VARIABLES: Mapping[str, str] = {
    **{
        variable: f"storage.{kind}.{field}"
        for kind, fields in STORAGE_VARIABLES.items()
        for variable, field in fields.items()
    },
    "STORAGE_TYPE": "storage",
    "ZIPKIN_STORAGE_TYPE": "storage",
    "ES_USERNAME": "storage.elasticsearch.credentials_secret",
    "ES_PASSWORD": "storage.elasticsearch.credentials_secret",
    "CASSANDRA_USERNAME": "storage.cassandra.credentials_secret",
    "CASSANDRA_PASSWORD": "storage.cassandra.credentials_secret",
    "TRUST_STORE_PASSWORD": "trust_store of the storage",
    "JAVA_OPTS": "resources.memory_limit. Use JAVA_TOOL_OPTIONS for further options of Java",
    "QUERY_PORT": "ZipkinCollector, which sets port 9411",
    "SERVER_PORT": "ZipkinCollector, which sets port 9411",
}
"""Variables that the component writes, or that override one, with the input that sets them."""

MAX_CRON_JOB_LENGTH = 52
"""Characters of the name of a CronJob. Its Jobs append eleven."""

IMAGE_USER = 1000
"""Id of user and group in the official images."""

UI_PATH = "/zipkin"

Labels = dict[LabelKey, LabelValue]
Annotations = dict[LabelKey, str]


class TrustStore(Settings):
    """Trust store with the authorities of the storage's certificate."""

    secret: ObjectName
    key: SecretKeyName = "truststore.p12"
    password_key: SecretKeyName = "password"  # noqa: S105 - the name of a key


class MemoryStorage(Settings):
    """Storage in the memory of Zipkin."""

    max_spans: Count | None = None


class ElasticsearchStorage(Settings):
    """Storage in Elasticsearch or OpenSearch."""

    hosts: Annotated[list[ElasticsearchUrl], Field(min_length=1)]
    index: Index = "zipkin"
    index_shards: Count = 5
    index_replicas: Whole = 1
    ensure_templates: bool = True
    pipeline: Text | None = None
    timeout_ms: Milliseconds = 10000
    credentials_secret: ObjectName | None = None
    username_key: SecretKeyName = "username"
    password_key: SecretKeyName = "password"  # noqa: S105 - the name of a key
    trust_store: TrustStore | None = None
    verify_certificate: bool = True

    @property
    def ports(self) -> list[int | str]:
        """The ports of the storage."""
        return ports_of(self.hosts)

    @property
    def is_encrypted(self) -> bool:
        """Whether the hosts use https."""
        return self.hosts[0].startswith("https:") or UNRESOLVED in self.hosts

    def problems(self) -> Iterator[Problem]:
        """Return a problem for hosts with different schemes, and for settings without effect."""
        if len({host.partition(":")[0] for host in self.hosts if host != UNRESOLVED}) > 1:
            yield Problem("hosts", "must be URLs of one scheme, got http and https")
        elif not self.is_encrypted:
            yield from _unsupported(self, "with http hosts", "trust_store", "verify_certificate")
        if not self.verify_certificate and self.trust_store is not None:
            yield Problem("trust_store", "is not supported with verify_certificate: false")
        yield from _keys_without_secret(self)


class CassandraStorage(Settings):
    """Storage in Cassandra."""

    contact_points: Annotated[list[ContactPoint], Field(min_length=1)]
    keyspace: Keyspace = "zipkin2"
    local_dc: Text = "datacenter1"
    max_connections: Count = 8
    ensure_schema: bool = True
    credentials_secret: ObjectName | None = None
    username_key: SecretKeyName = "username"
    password_key: SecretKeyName = "password"  # noqa: S105 - the name of a key
    use_ssl: bool = False
    verify_hostname: bool = True
    trust_store: TrustStore | None = None

    @property
    def ports(self) -> list[int | str]:
        """The ports of the storage."""
        return ports_of(self.contact_points)

    def problems(self) -> Iterator[Problem]:
        """Return a problem for TLS without a trust store, and for settings without effect."""
        if self.use_ssl and self.trust_store is None:
            yield Problem("trust_store", "is required with use_ssl")
        if not self.use_ssl:
            yield from _unsupported(self, "without use_ssl: true", "trust_store", "verify_hostname")
        yield from _keys_without_secret(self)


def _unsupported(group: Settings, condition: str, *names: str) -> Iterator[Problem]:
    return (Problem(name, f"is not supported {condition}") for name in names if name in group.model_fields_set)


def _keys_without_secret(group: ElasticsearchStorage | CassandraStorage) -> Iterator[Problem]:
    if group.credentials_secret is None:
        yield from _unsupported(group, "without credentials_secret", "username_key", "password_key")


class Storage(Settings):
    """Storage of spans."""

    memory: MemoryStorage | None = None
    elasticsearch: ElasticsearchStorage | None = None
    cassandra: CassandraStorage | None = None

    def problems(self) -> Iterator[Problem]:
        """Return a problem unless exactly one storage is set."""
        return self.exactly_one("memory", "elasticsearch", "cassandra")

    @property
    def durable(self) -> ElasticsearchStorage | CassandraStorage | None:
        """The storage that pods share and that preserves spans on restarts. None for storage in memory."""
        return self.elasticsearch or self.cassandra


class Resources(Settings):
    """Resources of each pod of Zipkin."""

    cpu_request: Cpu = "250m"
    cpu_limit: Cpu | None = None
    memory_limit: Memory = "512Mi"

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a limit below the request, which Kubernetes rejects."""
        if self.cpu_limit is not None and millicores(self.cpu_limit) < millicores(self.cpu_request):
            yield Problem(
                "cpu_limit",
                f"must be at least cpu_request ({format_value(self.cpu_request)}), got {format_value(self.cpu_limit)}",
            )

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

    cpu_request: Cpu = "500m"
    memory_limit: Memory = "1Gi"


class CollectorService(Settings):
    """Service of Zipkin."""

    type: Literal["ClusterIP", "NodePort", "LoadBalancer"] = "ClusterIP"
    annotations: Annotations = Field(default_factory=dict)

    @property
    def is_internal(self) -> bool:
        """Whether the Service is reachable only inside the cluster."""
        return self.type == "ClusterIP"


class Ingress(Settings):
    """Ingress for Zipkin's user interface."""

    host: IngressHost
    class_name: ObjectName | None = None
    tls_secret: ObjectName | None = None
    tls: bool = True
    annotations: Annotations = Field(default_factory=dict)
    path: UrlPath = UI_PATH

    def problems(self) -> Iterator[Problem]:
        """Return a problem for plain HTTP that is not explicit, and for a certificate without TLS."""
        if self.tls and self.tls_secret is None:
            yield Problem("tls_secret", "is required. Set tls: false for plain HTTP")
        if not self.tls:
            yield from _unsupported(self, "with tls: false", "tls_secret")

    @property
    def is_limited_to_ui(self) -> bool:
        """Whether the path excludes the endpoint for posting spans."""
        return self.path == UI_PATH or self.path.startswith(f"{UI_PATH}/")


class Autoscaling(Settings):
    """Autoscaling of the pods."""

    max_replicas: Count
    min_replicas: Count = 2
    cpu_percent: Utilization = 70

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a maximum below the minimum."""
        if self.max_replicas < self.min_replicas:
            yield Problem(
                "max_replicas", f"must be at least min_replicas ({self.min_replicas}), got {self.max_replicas}"
            )


class DisruptionBudget(Settings):
    """Pods that stay available during a node drain."""

    min_available: Count | None = None
    max_unavailable: Count | None = None

    def problems(self) -> Iterator[Problem]:
        """Return a problem unless exactly one limit is set."""
        return self.exactly_one("min_available", "max_unavailable")


class Peer(Settings):
    """Peer of a connection: pods, or a range of addresses."""

    namespace: NamespaceName | None = None
    pod_labels: Labels = Field(default_factory=dict)
    cidr: Cidr | None = None

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a peer without fields, and for one with pods and addresses."""
        if self.cidr is None and self.namespace is None and not self.pod_labels:
            yield Problem("", "must be a map with namespace, pod_labels or cidr; got none")
        if self.cidr is not None and (self.namespace is not None or self.pod_labels):
            yield Problem("cidr", "conflicts with namespace and pod_labels. Add a separate peer")


class NetworkPolicy(Settings):
    """Allowed connections to Zipkin and from Zipkin."""

    clients: Annotated[list[Peer], Field(min_length=1)] | None = None
    storage: Annotated[list[Peer], Field(min_length=1)] | None = None


class ServiceMonitor(Settings):
    """ServiceMonitor of the Prometheus operator."""

    interval: Interval = "30s"
    labels: Labels = Field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """Return a problem for labels that the component manages."""
        return _managed_labels(self.labels)


class DependenciesJob(Settings):
    """CronJob that aggregates the dependencies of services."""

    schedule: Schedule = "55 * * * *"
    image: Image = DEPENDENCIES_IMAGE
    resources: JobResources = JobResources.model_construct()


class SecretKey(Settings):
    """Reference to a key of an existing Secret."""

    secret: ObjectName
    key: SecretKeyName


class Scheduling(Settings):
    """Scheduling of the pods."""

    node_selector: Labels = Field(default_factory=dict)
    tolerations: list[ManifestPart] = Field(default_factory=list)
    affinity: ManifestPart = Field(default_factory=dict)
    priority_class: ObjectName | None = None
    topology_spread: list[LabelKey] = Field(default_factory=lambda: ["kubernetes.io/hostname"])

    def problems(self) -> Iterator[Problem]:
        """Return a problem for a repeated label, which Kubernetes rejects."""
        for index, key in enumerate(self.topology_spread):
            if (first := self.topology_spread.index(key)) < index:
                yield Problem(f"topology_spread.{index}", f"conflicts with topology_spread.{first}, the same label")


def _managed_labels(labels: Labels) -> Iterator[Problem]:
    return (Problem(f"labels.{key}", "is managed by ZipkinCollector") for key in labels if key in MANAGED_LABELS)


class ZipkinCollectorSettings(Settings):
    """Inputs of `ZipkinCollector`."""

    component: ClassVar[str] = "ZipkinCollector"
    keeps_none: ClassVar[frozenset[str]] = frozenset({"run_as_user"})

    namespace: NamespaceName = "default"
    service_name: KubernetesServiceName = "zipkin"
    service: CollectorService = CollectorService.model_construct()
    cluster_domain: ClusterDomain = "cluster.local"
    image: Image | None = None
    replicas: Count = 1
    storage: Storage = Storage.model_construct(memory=MemoryStorage.model_construct())
    resources: Resources = Resources.model_construct()
    ingress: Ingress | None = None
    autoscaling: Autoscaling | None = None
    disruption_budget: DisruptionBudget | None = None
    network_policy: NetworkPolicy | None = None
    service_monitor: ServiceMonitor | None = None
    dependencies_job: DependenciesJob | None = None
    scheduling: Scheduling = Field(default_factory=Scheduling)
    image_pull_secrets: list[ObjectName] = Field(default_factory=list)
    labels: Labels = Field(default_factory=dict)
    annotations: Annotations = Field(default_factory=dict)
    service_account_annotations: Annotations = Field(default_factory=dict)
    environment: dict[VariableName, VariableValue] = Field(default_factory=dict)
    environment_secrets: dict[EnvironmentVariable, SecretKey] = Field(default_factory=dict)
    run_as_user: UserId | None = IMAGE_USER

    @classmethod
    def of(cls, component: str, args: ZipkinCollectorArgs) -> Self:
        """Validate the arguments of a component. Raises InvalidInputError listing every problem."""
        return cls.validated(component, args)

    @property
    def host(self) -> str:
        """DNS name of Zipkin in the cluster."""
        return f"{self.service_name}.{self.namespace}.svc.{self.cluster_domain}"

    @property
    def port(self) -> int:
        """Port of the Service."""
        return PORT

    @property
    def url(self) -> str:
        """URL of Zipkin in the cluster."""
        return f"http://{self.host}:{self.port}"

    @property
    def chosen_image(self) -> str:
        """The image. Default: the smallest official one that supports the storage."""
        return self.image or (FULL_IMAGE if self.storage.cassandra else SLIM_IMAGE)

    @property
    def max_spans(self) -> int:
        """Maximum number of spans in memory. Default: the number that fits into the heap."""
        memory = self.storage.memory
        return (memory.max_spans if memory else None) or self.resources.fitting_spans

    @property
    def min_replicas(self) -> int:
        """Minimum number of pods."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

    def warnings(self) -> list[str]:
        """Return the warnings about valid inputs with side effects, each with its fix."""
        return [*self._memory_warnings(), *self._exposure_warnings()]

    def _memory_warnings(self) -> Iterator[str]:
        if self.storage.durable is not None:
            return
        yield message(
            "CT520",
            "storage.memory: Zipkin loses all spans when its pod restarts. "
            "Set storage.elasticsearch or storage.cassandra to keep them.",
        )
        if self.max_spans > self.resources.fitting_spans:
            yield message(
                "CT521",
                f"storage.memory.max_spans: {self.max_spans} spans of Envoy may not fit into a heap of "
                f"{self.resources.heap} MiB. Zipkin restarts when the heap is full. "
                f"Set at most {self.resources.fitting_spans}, or increase resources.memory_limit.",
            )

    def _exposure_warnings(self) -> Iterator[str]:
        elasticsearch = self.storage.elasticsearch
        if elasticsearch and not elasticsearch.is_encrypted and elasticsearch.credentials_secret:
            yield message(
                "CT522", "storage.elasticsearch.hosts: http sends the password without encryption. Use https."
            )
        if elasticsearch and not elasticsearch.verify_certificate:
            yield message(
                "CT523",
                "storage.elasticsearch.verify_certificate: false sends spans and the password to a server whose "
                "identity is not verified. Set trust_store to the authorities of the certificate.",
            )
        if self.ingress and not self.ingress.is_limited_to_ui:
            yield message(
                "CT524",
                f"ingress.path: {format_value(self.ingress.path)} exposes the endpoint for posting spans. "
                f"Set {UI_PATH} for the user interface only.",
            )
        if not self.service.is_internal and self.network_policy is None:
            yield message(
                "CT526",
                f"service.type: everyone who can connect to the {self.service.type} can read and write spans, because "
                "Zipkin has no login. Set network_policy, or annotations for an internal load balancer.",
            )

    def problems(self) -> Iterator[Problem]:
        """Return the conflicts between inputs that are valid one by one."""
        if self.storage.durable is None:
            yield from self._memory_problems()
        yield from self._job_problems()
        yield from self._replica_problems()
        if self.storage.cassandra and self.image and is_slim(self.image):
            reason = (
                f"must be an image with Cassandra, got {format_value(self.image)}. Remove image to use {FULL_IMAGE}"
            )
            yield Problem("image", reason)
        yield from _managed_labels(self.labels)
        if INJECTION in self.annotations:
            yield Problem(
                f"annotations.{INJECTION}",
                'is managed by ZipkinCollector ("false"): a sidecar would reject the plain HTTP of the proxies',
            )
        yield from self._variable_problems()

    def _variable_problems(self) -> Iterator[Problem]:
        for field, names in (("environment", self.environment), ("environment_secrets", self.environment_secrets)):
            for name in names:
                if name.upper() in MANAGED_VARIABLES:
                    yield Problem(f"{field}.{name}", f"is managed by {MANAGED_VARIABLES[name.upper()]}")
        for name in self.environment.keys() & self.environment_secrets.keys():
            yield Problem(f"environment_secrets.{name}", f"conflicts with environment.{name}. Remove one of them")

    def _memory_problems(self) -> Iterator[Problem]:
        fix = "Set storage.elasticsearch or storage.cassandra, which pods share"
        if self.replicas > 1:
            yield Problem("replicas", f"must be 1 with storage.memory, got {self.replicas}. {fix}")
        if self.autoscaling is not None:
            yield Problem("autoscaling", f"is not supported with storage.memory. {fix}")
        if self.dependencies_job is not None:
            reason = "is not supported with storage.memory. Zipkin computes dependencies from its memory without a job"
            yield Problem("dependencies_job", reason)
        if self.network_policy and self.network_policy.storage is not None:
            yield Problem("network_policy.storage", "is not supported with storage.memory")

    def _job_problems(self) -> Iterator[Problem]:
        if self.dependencies_job is None:
            return
        if (length := len(self.service_name)) > (most := MAX_CRON_JOB_LENGTH - len("-dependencies")):
            yield Problem("service_name", f"must be at most {most} characters with dependencies_job, got {length}")
        if self.storage.elasticsearch and not self.storage.elasticsearch.verify_certificate:
            yield Problem(
                "dependencies_job",
                "is not supported with storage.elasticsearch.verify_certificate: false. "
                "Set storage.elasticsearch.trust_store",
            )

    def _replica_problems(self) -> Iterator[Problem]:
        if self.autoscaling is not None and "replicas" in self.model_fields_set:
            yield Problem("replicas", "conflicts with autoscaling. Set autoscaling.min_replicas and max_replicas")
        available = self.disruption_budget.min_available if self.disruption_budget else None
        if available is not None and available >= self.min_replicas:
            yield Problem(
                "disruption_budget.min_available",
                f"must be less than the number of pods ({self.min_replicas}), got {available}. "
                "No node could be drained",
            )
