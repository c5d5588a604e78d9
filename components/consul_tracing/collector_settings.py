"""What callers wrote for the collector, validated and with the defaults filled in."""

from collections.abc import Iterator
from typing import Annotated, Self

from pydantic import Field, ValidationError

from .collector_args import ZipkinCollectorArgs
from .collector_fields import (
    AnnotationValue,
    Cidr,
    ContactPoint,
    Count,
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
    Memory,
    Namespace,
    ObjectName,
    Raw,
    Schedule,
    SecretKey,
    Utilization,
    VariableName,
    VariableValue,
    Whole,
    bytes_of,
    is_slim,
    millicores,
    port_of,
)
from .errors import InvalidInput, Problem, given
from .fields import Milliseconds, Text, UrlPath
from .validation import Settings, problems_in

PORT = 9411
"""Where Zipkin listens; every program that sends it spans knows this one."""

ZIPKIN_VERSION = "3.6.1"
SLIM_IMAGE = f"openzipkin/zipkin-slim:{ZIPKIN_VERSION}"
FULL_IMAGE = f"openzipkin/zipkin:{ZIPKIN_VERSION}"
DEPENDENCIES_IMAGE = "openzipkin/zipkin-dependencies:3.2.0"

MEBIBYTE = 2**20
OWN_MEMORY = 192 * MEBIBYTE
"""What Java takes besides the heap, however small that is: code, classes, threads. Measured: docs/collector.md."""

HEAP_SHARE = 0.75
"""The heap's part of the rest; network buffers and the collector's tables have the other quarter."""

IDLE_HEAP = 32 * MEBIBYTE
"""Heap that is no span's: what Zipkin needs to run."""

SPAN_HEAP = 8 * 1024
"""Bytes of heap per span in memory. One of Envoy's takes 3.3 KiB (docs/collector.md); a third of the heap is for new
objects, and queries need room too. Zipkin's own rule, 1 KiB, is for three annotations; Envoy writes fifteen tags."""

OWN_LABELS = frozenset(f"app.kubernetes.io/{key}" for key in ("name", "instance", "component", "part-of", "managed-by"))
"""Labels by which the Service finds its pods and people find what belongs together; none of them is free."""

INJECTION = "consul.hashicorp.com/connect-inject"

OWN_VARIABLES = {
    "STORAGE_TYPE": "storage",
    "ZIPKIN_STORAGE_TYPE": "storage",
    "MEM_MAX_SPANS": "storage.memory.max_spans",
    "ES_HOSTS": "storage.elasticsearch.hosts",
    "ES_INDEX": "storage.elasticsearch.index",
    "ES_INDEX_SHARDS": "storage.elasticsearch.index_shards",
    "ES_INDEX_REPLICAS": "storage.elasticsearch.index_replicas",
    "ES_ENSURE_TEMPLATES": "storage.elasticsearch.ensure_templates",
    "ES_PIPELINE": "storage.elasticsearch.pipeline",
    "ES_TIMEOUT": "storage.elasticsearch.timeout_ms",
    "ES_USERNAME": "storage.elasticsearch.credentials_secret",
    "ES_SSL_NO_VERIFY": "storage.elasticsearch.verify_certificate",
    "CASSANDRA_CONTACT_POINTS": "storage.cassandra.contact_points",
    "CASSANDRA_KEYSPACE": "storage.cassandra.keyspace",
    "CASSANDRA_LOCAL_DC": "storage.cassandra.local_dc",
    "CASSANDRA_MAX_CONNECTIONS": "storage.cassandra.max_connections",
    "CASSANDRA_ENSURE_SCHEMA": "storage.cassandra.ensure_schema",
    "CASSANDRA_USERNAME": "storage.cassandra.credentials_secret",
    "CASSANDRA_USE_SSL": "storage.cassandra.use_ssl",
    "CASSANDRA_SSL_HOSTNAME_VALIDATION": "storage.cassandra.verify_hostname",
    "JAVA_OPTS": "resources.memory_limit for the heap, and JAVA_TOOL_OPTIONS for the rest",
    "QUERY_PORT": "nothing: the port is 9411",
    "SERVER_PORT": "nothing: the port is 9411",
}
"""Variables that the component writes, or that would undo one that it writes, with what to use instead."""

LONGEST_CRON_JOB = 52
"""Characters of a CronJob's name, since its Jobs add eleven."""

UI_PATH = "/zipkin"

Labels = dict[LabelKey, LabelValue]
Annotations = dict[LabelKey, AnnotationValue]


class TrustStore(Settings):
    """Authorities of the storage's certificate, in an existing Secret."""

    secret: ObjectName
    key: SecretKey = "truststore.p12"
    password_key: SecretKey = "password"  # noqa: S105 - the name of a key


class MemoryStorage(Settings):
    """Spans in Zipkin's own memory."""

    max_spans: Count | None = None


class ElasticsearchStorage(Settings):
    """Spans in Elasticsearch or OpenSearch."""

    hosts: Annotated[list[ElasticsearchUrl], Field(min_length=1)]
    index: Index = "zipkin"
    index_shards: Count = 5
    index_replicas: Whole = 1
    ensure_templates: bool = True
    pipeline: Text | None = None
    timeout_ms: Milliseconds = 10000
    credentials_secret: ObjectName | None = None
    username_key: SecretKey = "username"
    password_key: SecretKey = "password"  # noqa: S105 - the name of a key
    trust_store: TrustStore | None = None
    verify_certificate: bool = True

    @property
    def ports(self) -> list[int]:
        """The ports that it listens on."""
        return sorted({port_of(host) for host in self.hosts})

    @property
    def is_encrypted(self) -> bool:
        """Whether it is spoken to over https."""
        return self.hosts[0].startswith("https:")

    def problems(self) -> Iterator[Problem]:
        """Zipkin speaks one scheme to all; what is for https is of no use without it."""
        if len({host.partition(":")[0] for host in self.hosts}) > 1:
            yield Problem("hosts", "holds both http and https; Zipkin speaks to all as to the first")
        elif not self.is_encrypted:
            yield from _unused(self, "hosts are not https", "trust_store", "verify_certificate")
        if not self.verify_certificate and self.trust_store is not None:
            yield Problem("trust_store", "is of no use with verify_certificate: false")
        yield from _keys_without_secret(self)


class CassandraStorage(Settings):
    """Spans in Cassandra."""

    contact_points: Annotated[list[ContactPoint], Field(min_length=1)]
    keyspace: Keyspace = "zipkin2"
    local_dc: Text = "datacenter1"
    max_connections: Count = 8
    ensure_schema: bool = True
    credentials_secret: ObjectName | None = None
    username_key: SecretKey = "username"
    password_key: SecretKey = "password"  # noqa: S105 - the name of a key
    use_ssl: bool = False
    verify_hostname: bool = True
    trust_store: TrustStore | None = None

    @property
    def ports(self) -> list[int]:
        """The ports that it listens on."""
        return sorted({port_of(node) for node in self.contact_points})

    def problems(self) -> Iterator[Problem]:
        """Zipkin's driver takes its authorities from a trust store alone."""
        if self.use_ssl and self.trust_store is None:
            yield Problem("trust_store", "is required with use_ssl: Zipkin does not start without one")
        if not self.use_ssl:
            yield from _unused(self, "use_ssl is false", "trust_store", "verify_hostname")
        yield from _keys_without_secret(self)


def _unused(group: Settings, because: str, *names: str) -> Iterator[Problem]:
    return (Problem(name, f"is of no use: {because}") for name in names if name in group.model_fields_set)


def _keys_without_secret(group: ElasticsearchStorage | CassandraStorage) -> Iterator[Problem]:
    if group.credentials_secret is None:
        yield from _unused(group, "there is no credentials_secret", "username_key", "password_key")


class Storage(Settings):
    """Where spans are kept."""

    memory: MemoryStorage | None = None
    elasticsearch: ElasticsearchStorage | None = None
    cassandra: CassandraStorage | None = None

    def problems(self) -> Iterator[Problem]:
        """Zipkin has one storage."""
        return self.exactly_one("memory", "elasticsearch", "cassandra")

    @property
    def durable(self) -> ElasticsearchStorage | CassandraStorage | None:
        """The storage that keeps spans over restarts, and that pods share; None where it is Zipkin's own memory."""
        return self.elasticsearch or self.cassandra


class Resources(Settings):
    """What each pod of Zipkin may use."""

    cpu_request: Cpu = "250m"
    cpu_limit: Cpu | None = None
    memory_limit: Memory = "512Mi"

    def problems(self) -> Iterator[Problem]:
        """Kubernetes refuses a limit below the request."""
        if self.cpu_limit is not None and millicores(self.cpu_limit) < millicores(self.cpu_request):
            yield Problem("cpu_limit", f"{given(self.cpu_limit)} is less than cpu_request, {given(self.cpu_request)}")

    @property
    def heap(self) -> int:
        """Java's heap, in MiB."""
        return int((bytes_of(self.memory_limit) - OWN_MEMORY) * HEAP_SHARE) // MEBIBYTE

    @property
    def fitting_spans(self) -> int:
        """How many of Envoy's spans the heap holds, cut to hundreds."""
        return (self.heap * MEBIBYTE - IDLE_HEAP) // SPAN_HEAP // 100 * 100


class JobResources(Resources):
    """What each run of the dependencies job may use."""

    cpu_request: Cpu = "500m"
    memory_limit: Memory = "1Gi"


class Ingress(Settings):
    """Zipkin's interface for browsers."""

    host: IngressHost
    class_name: ObjectName | None = None
    tls_secret: ObjectName | None = None
    tls: bool = True
    annotations: Annotations = Field(default_factory=dict)
    path: UrlPath = UI_PATH

    def problems(self) -> Iterator[Problem]:
        """Plain HTTP is said on purpose."""
        if self.tls and self.tls_secret is None:
            yield Problem("tls_secret", "is required; or say tls: false, and traces go over plain HTTP")
        if not self.tls:
            yield from _unused(self, "tls is false", "tls_secret")

    @property
    def shows_the_interface_alone(self) -> bool:
        """Whether nothing but the interface and its queries is let in."""
        return self.path == UI_PATH or self.path.startswith(f"{UI_PATH}/")


class Autoscaling(Settings):
    """Pods by load."""

    max_replicas: Count
    min_replicas: Count = 2
    cpu_percent: Utilization = 70

    def problems(self) -> Iterator[Problem]:
        """There is a span between fewest and most."""
        if self.max_replicas < self.min_replicas:
            yield Problem("max_replicas", f"{self.max_replicas} is less than min_replicas, {self.min_replicas}")


class DisruptionBudget(Settings):
    """How many pods a drain of nodes must leave."""

    min_available: Count | None = None
    max_unavailable: Whole | None = None

    def problems(self) -> Iterator[Problem]:
        """Kubernetes takes one of the two; none at all may go is no budget."""
        yield from self.exactly_one("min_available", "max_unavailable")
        if self.max_unavailable == 0:
            yield Problem("max_unavailable", "0 lets no node be drained, ever; at least 1")


class Peer(Settings):
    """Who may be spoken to."""

    namespace: Namespace | None = None
    pod_labels: Labels = Field(default_factory=dict)
    cidr: Cidr | None = None

    def problems(self) -> Iterator[Problem]:
        """Addresses and pods are two kinds of peer."""
        if self.cidr is None and self.namespace is None and not self.pod_labels:
            yield Problem("", "nothing is given; write namespace, pod_labels, both, or cidr")
        if self.cidr is not None and (self.namespace is not None or self.pod_labels):
            yield Problem("cidr", "stands alone; write the pods as another peer")


class NetworkPolicy(Settings):
    """Who may reach Zipkin, and whom it may reach."""

    clients: Annotated[list[Peer], Field(min_length=1)] | None = None
    storage: Annotated[list[Peer], Field(min_length=1)] | None = None


class ServiceMonitor(Settings):
    """Scraping by the Prometheus operator."""

    interval: Interval = "30s"
    labels: Labels = Field(default_factory=dict)

    def problems(self) -> Iterator[Problem]:
        """The component's own labels stay."""
        return _own_labels(self.labels)


class DependenciesJob(Settings):
    """Works out which service calls which."""

    schedule: Schedule = "55 * * * *"
    image: Image = DEPENDENCIES_IMAGE
    resources: JobResources = JobResources.model_construct()


class Scheduling(Settings):
    """Where pods run."""

    node_selector: Labels = Field(default_factory=dict)
    tolerations: list[Raw] = Field(default_factory=list)
    affinity: Raw = Field(default_factory=dict)
    priority_class: ObjectName | None = None
    topology_spread: list[LabelKey] = Field(default_factory=lambda: ["kubernetes.io/hostname"])

    def problems(self) -> Iterator[Problem]:
        """Kubernetes takes each label once."""
        for position, key in enumerate(self.topology_spread):
            if key in self.topology_spread[:position]:
                yield Problem(f"topology_spread.{position}", f"{given(key)} is given before")


def _own_labels(labels: Labels) -> Iterator[Problem]:
    return (
        Problem(f"labels.{key}", "is written by the component: the Service finds its pods by such labels")
        for key in labels
        if key in OWN_LABELS
    )


class ZipkinCollectorSettings(Settings):
    """All inputs of `ZipkinCollector`."""

    namespace: Namespace = "default"
    service_name: KubernetesServiceName = "zipkin"
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
    environment: dict[VariableName, VariableValue] = Field(default_factory=dict)

    @classmethod
    def of(cls, component: str, args: ZipkinCollectorArgs) -> Self:
        """`args` validated, with the defaults filled in.

        Raises InvalidInput, naming `component` and every input that cannot be used.
        """
        try:
            return cls.model_validate(args)
        except ValidationError as error:
            raise InvalidInput(component, problems_in(error, cls)) from None

    @property
    def host(self) -> str:
        """Zipkin's name in the cluster's DNS."""
        return f"{self.service_name}.{self.namespace}.svc.cluster.local"

    @property
    def port(self) -> int:
        """The port that the Service listens on."""
        return PORT

    @property
    def url(self) -> str:
        """Where Zipkin answers within the cluster."""
        return f"http://{self.host}:{self.port}"

    @property
    def chosen_image(self) -> str:
        """The image given, else the smallest of Zipkin's that has the storage."""
        return self.image or (FULL_IMAGE if self.storage.cassandra else SLIM_IMAGE)

    @property
    def max_spans(self) -> int:
        """Spans kept in memory: those wished for, else those that fit."""
        memory = self.storage.memory
        return (memory.max_spans if memory else None) or self.resources.fitting_spans

    @property
    def fewest_replicas(self) -> int:
        """Pods that are always wished for."""
        return self.autoscaling.min_replicas if self.autoscaling else self.replicas

    def warnings(self) -> list[str]:
        """What works and yet is worth knowing."""
        return [*self._memory_warnings(), *self._exposure_warnings()]

    def _memory_warnings(self) -> Iterator[str]:
        if self.storage.durable is not None:
            return
        yield (
            "storage.memory: every restart of Zipkin's pod, by a new version, a drained node or a fault, loses all "
            "spans; storage.elasticsearch and storage.cassandra keep them."
        )
        if self.max_spans > self.resources.fitting_spans:
            yield (
                f"storage.memory.max_spans: {self.max_spans} of Envoy's spans may not fit into a heap of "
                f"{self.resources.heap} MiB, and Zipkin would restart, again and again; "
                f"{self.resources.fitting_spans} do. More fit with a larger resources.memory_limit."
            )

    def _exposure_warnings(self) -> Iterator[str]:
        elasticsearch = self.storage.elasticsearch
        if elasticsearch and not elasticsearch.is_encrypted and elasticsearch.credentials_secret:
            yield "storage.elasticsearch.hosts: user and password go over plain http; https hides them."
        if elasticsearch and not elasticsearch.verify_certificate:
            yield (
                "storage.elasticsearch.verify_certificate: false sends spans and password to whoever answers; "
                "trust_store names the authorities to trust."
            )
        if self.ingress and not self.ingress.shows_the_interface_alone:
            yield (
                f"ingress.path: {given(self.ingress.path)} lets in more than the interface, such as the posting of "
                "spans; /zipkin is the interface alone."
            )

    def problems(self) -> Iterator[Problem]:
        """What is wrong between inputs that are right one by one."""
        yield from self._without_shared_storage()
        yield from self._image()
        yield from self._replicas()
        yield from self._names()
        yield from self._java()

    def _without_shared_storage(self) -> Iterator[Problem]:
        if self.storage.durable is not None:
            return
        split = "each pod would hold a part of every trace in its own memory; storage.elasticsearch is shared"
        if self.replicas > 1:
            yield Problem("replicas", f"{self.replicas} need a storage that they share: {split}")
        if self.autoscaling is not None:
            yield Problem("autoscaling", f"needs a storage that the pods share: {split}")
        if self.dependencies_job is not None:
            yield Problem(
                "dependencies_job",
                "cannot read Zipkin's memory, where Zipkin works dependencies out by itself; leave it out",
            )
        if self.network_policy and self.network_policy.storage is not None:
            yield Problem("network_policy.storage", "is of no use: the storage is Zipkin's own memory")

    def _image(self) -> Iterator[Problem]:
        if self.storage.cassandra and self.image and is_slim(self.image):
            yield Problem(
                "image", f"{given(self.image)} is a slim image, which has no Cassandra; leave it out for {FULL_IMAGE}"
            )

    def _replicas(self) -> Iterator[Problem]:
        if self.autoscaling is not None and "replicas" in self.model_fields_set:
            yield Problem("replicas", "is decided by autoscaling; write min_replicas and max_replicas there")
        stays = self.disruption_budget.min_available if self.disruption_budget else None
        if stays is not None and stays >= self.fewest_replicas:
            yield Problem(
                "disruption_budget.min_available",
                f"{stays} of {self.fewest_replicas} lets no node be drained, ever; write at most "
                f"{self.fewest_replicas - 1}"
                if self.fewest_replicas > 1
                else "1 of 1 lets no node be drained, ever; leave the budget out, or run more replicas",
            )

    def _names(self) -> Iterator[Problem]:
        longest = LONGEST_CRON_JOB - len("-dependencies")
        if self.dependencies_job is not None and len(self.service_name) > longest:
            yield Problem("service_name", f"has {len(self.service_name)} characters; at most {longest} with the job")
        yield from _own_labels(self.labels)
        if INJECTION in self.annotations:
            yield Problem(
                f"annotations.{INJECTION}",
                'is written by the component, as "false": proxies post spans in plain HTTP, which a sidecar refuses',
            )
        for name in self.environment:
            if name.upper() in OWN_VARIABLES:
                yield Problem(f"environment.{name}", f"is written by the component; use {OWN_VARIABLES[name.upper()]}")

    def _java(self) -> Iterator[Problem]:
        job = self.dependencies_job
        elasticsearch = self.storage.elasticsearch
        if job and elasticsearch and not elasticsearch.verify_certificate:
            yield Problem(
                "dependencies_job", "has no way not to verify a certificate; write storage.elasticsearch.trust_store"
            )
