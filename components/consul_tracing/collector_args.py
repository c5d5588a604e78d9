"""What callers write for the collector: plain data, in Kubernetes' own units.

No `from __future__ import annotations` here: Pulumi's schema inference reads the annotations. Everything is plain and
checked before anything is registered; credentials never stand here, only the names of Secrets that hold them.
"""

from typing import Any, NotRequired, TypedDict


class TrustStoreArgs(TypedDict):
    """The authorities that the storage's certificate may come from, as a Java trust store in an existing Secret."""

    secret: str
    """Name of the Secret, in the collector's namespace. Required."""

    key: NotRequired[str]
    """Its key that holds the store, PKCS12 or JKS. Default "truststore.p12"."""

    password_key: NotRequired[str]
    """Its key that holds the store's password, without blanks. Default "password"."""


class MemoryStorageArgs(TypedDict):
    """Spans in Zipkin's own memory: nothing to run beside it, and all gone at each restart."""

    max_spans: NotRequired[int]
    """Spans kept; of more, the eldest traces go. Default: what fits the heap, 26 600 with `memory_limit` 512Mi, counted
    as docs/collector.md measured. Zipkin's own default, 500 000, wants a heap of gigabytes for Envoy's spans."""


class ElasticsearchStorageArgs(TypedDict):
    """Elasticsearch 7 and 8, or OpenSearch: Zipkin asks which it is when it connects, so no version is given."""

    hosts: list[str]
    """Where it answers HTTP, such as `["https://elasticsearch.logging.svc:9200"]`. One scheme for all, no user, no
    password. Without a port: the scheme's own, 80 or 443, as Zipkin takes it. Required."""

    index: NotRequired[str]
    """The beginning of the names of the daily indices. Default "zipkin"."""

    index_shards: NotRequired[int]
    """Shards of each new index. Default 5, Zipkin's own."""

    index_replicas: NotRequired[int]
    """Copies of each shard. Default 1, Zipkin's own; 0 loses spans with a node of Elasticsearch."""

    ensure_templates: NotRequired[bool]
    """Whether Zipkin writes its index templates when it starts. Default true; false where somebody else does."""

    pipeline: NotRequired[str]
    """Ingest pipeline that spans pass before they are indexed. Default: none."""

    timeout_ms: NotRequired[int]
    """How long Zipkin waits for Elasticsearch, in milliseconds. Default 10000, Zipkin's own."""

    credentials_secret: NotRequired[str]
    """Name of an existing Secret in the collector's namespace with user and password. Default: none are sent. Pods read
    it when they start: after a change, restart them."""

    username_key: NotRequired[str]
    """The Secret's key for the user. Default "username"."""

    password_key: NotRequired[str]
    """The Secret's key for the password. Default "password"."""

    trust_store: NotRequired[TrustStoreArgs]
    """Authorities for https. Default: those of the image's Java, the public ones."""

    verify_certificate: NotRequired[bool]
    """Whether the server's certificate is verified. Default true; false is for trying things out, and warned of."""


class CassandraStorageArgs(TypedDict):
    """Cassandra 3.11.3 and later. Not in the slim image: the default image is then openzipkin/zipkin."""

    contact_points: list[str]
    """Nodes to ask first, such as `["cassandra.storage.svc"]`, each with or without a port (9042). Required."""

    keyspace: NotRequired[str]
    """Default "zipkin2", Zipkin's own."""

    local_dc: NotRequired[str]
    """The datacentre whose nodes are spoken to. Default "datacenter1", Zipkin's and Cassandra's own."""

    max_connections: NotRequired[int]
    """Connections to each node. Default 8, Zipkin's own."""

    ensure_schema: NotRequired[bool]
    """Whether Zipkin makes keyspace and tables when it starts. Default true; false where somebody else does."""

    credentials_secret: NotRequired[str]
    """Name of an existing Secret in the collector's namespace with user and password. Default: none are sent. Pods read
    it when they start: after a change, restart them."""

    username_key: NotRequired[str]
    """The Secret's key for the user. Default "username"."""

    password_key: NotRequired[str]
    """The Secret's key for the password. Default "password"."""

    use_ssl: NotRequired[bool]
    """Whether connections are encrypted. Default false. Needs `trust_store`, which Zipkin does not do without here."""

    verify_hostname: NotRequired[bool]
    """Whether a node's certificate must hold its name. Default true, for `use_ssl`."""

    trust_store: NotRequired[TrustStoreArgs]
    """Authorities for `use_ssl`. Default: none."""


class StorageArgs(TypedDict):
    """Where spans are kept: exactly one."""

    memory: NotRequired[MemoryStorageArgs]
    """Zipkin's own memory: one replica, spans gone at each restart."""

    elasticsearch: NotRequired[ElasticsearchStorageArgs]
    """Elasticsearch or OpenSearch."""

    cassandra: NotRequired[CassandraStorageArgs]
    """Cassandra."""


class ResourcesArgs(TypedDict):
    """What each pod of a kind may use."""

    cpu_request: NotRequired[str]
    """Processor time kept free for it. Default "250m", for the job "500m"."""

    cpu_limit: NotRequired[str]
    """Upper bound of its processor time. Default: none. A limit stops Java in the middle of collecting garbage, and
    starting takes several times as long."""

    memory_limit: NotRequired[str]
    """Memory that it has, as request and as limit, so that no node promises more than it has. Default "512Mi", for the
    job "1Gi"; at least "256Mi". Java's heap is three quarters of what is over 192Mi."""


class IngressArgs(TypedDict):
    """Zipkin's interface for browsers. It has no login: put one before it, with the controller's annotations."""

    host: str
    """The name in DNS under which it is reached, such as "zipkin.example.com". Required."""

    class_name: NotRequired[str]
    """The IngressClass. Default: the cluster's own default."""

    tls_secret: NotRequired[str]
    """Name of the Secret with certificate and key, existing or made by cert-manager. Required, or `tls: false`."""

    tls: NotRequired[bool]
    """Default true. False says on purpose that traces go over plain HTTP, or that the controller has a certificate of
    its own."""

    annotations: NotRequired[dict[str, str]]
    """Annotations for the controller. Default: none."""

    path: NotRequired[str]
    """What is let in. Default "/zipkin": the interface and the queries that it makes. "/" lets the whole internet post
    spans, and is warned of."""


class AutoscalingArgs(TypedDict):
    """A HorizontalPodAutoscaler in place of `replicas`. Not with storage in memory."""

    max_replicas: int
    """The most pods. Required: it decides what storage and bill must bear."""

    min_replicas: NotRequired[int]
    """The fewest pods. Default 2: one may go and spans still arrive."""

    cpu_percent: NotRequired[int]
    """Processor time of all pods that it aims at, in percent of `cpu_request`. Default 70."""


class DisruptionBudgetArgs(TypedDict):
    """How many pods a drain of nodes must leave: exactly one of the two."""

    min_available: NotRequired[int]
    """Pods that stay. Must be fewer than there are, or no node could ever be drained."""

    max_unavailable: NotRequired[int]
    """Pods that may go at once."""


class PeerArgs(TypedDict):
    """Who may be spoken to: pods of a namespace, pods with labels, both together, or a range of addresses."""

    namespace: NotRequired[str]
    """Name of the pods' namespace. Default: any."""

    pod_labels: NotRequired[dict[str, str]]
    """Labels that the pods bear. Default: any pod."""

    cidr: NotRequired[str]
    """A range of addresses outside the cluster, such as "10.20.0.0/16". Stands alone."""


class NetworkPolicyArgs(TypedDict):
    """Who may reach Zipkin, and whom it may reach: the storage and DNS, or nobody with storage in memory.

    Needs a network plugin that enforces policies.
    """

    clients: NotRequired[list[PeerArgs]]
    """Who may connect to port 9411: proxies, an ingress controller, Prometheus. Default: every pod of every
    namespace."""

    storage: NotRequired[list[PeerArgs]]
    """Where the storage is; its ports are known from its addresses. Default: any address, on those ports."""


class ServiceMonitorArgs(TypedDict):
    """A ServiceMonitor for the Prometheus operator, whose CRD must be there."""

    interval: NotRequired[str]
    """Time between two scrapes. Default "30s"."""

    labels: NotRequired[dict[str, str]]
    """Labels by which your Prometheus finds it, such as `{"release": "prometheus"}`. Default: none."""


class DependenciesJobArgs(TypedDict):
    """A CronJob that works out which service calls which.

    Without it Zipkin's dependencies page is empty, except with storage in memory, which needs none.
    """

    schedule: NotRequired[str]
    """When, as cron has it, in UTC. Default "55 * * * *": each run reads the whole day so far, and the last one comes
    five minutes before a day by UTC ends."""

    image: NotRequired[str]
    """Default "openzipkin/zipkin-dependencies:3.2.0"."""

    resources: NotRequired[ResourcesArgs]
    """What it may use: Spark holds the day's traces. Default: 1Gi of memory."""


class SchedulingArgs(TypedDict):
    """Where pods run, those of the job too."""

    node_selector: NotRequired[dict[str, str]]
    """Labels that a node must have. Default: none."""

    tolerations: NotRequired[list[dict[str, Any]]]
    """Taints that pods bear, as Kubernetes has them (camelCase). Default: none."""

    affinity: NotRequired[dict[str, Any]]
    """Affinity as Kubernetes has it (camelCase). Default: none."""

    priority_class: NotRequired[str]
    """Name of the PriorityClass. Default: the cluster's own."""

    topology_spread: NotRequired[list[str]]
    """Labels of nodes over whose values the collector's pods are spread where possible. Default
    `["kubernetes.io/hostname"]`; `[]` for none."""


class ZipkinCollectorArgs(TypedDict):
    """Zipkin on Kubernetes, for a mesh's spans."""

    namespace: NotRequired[str]
    """Where it runs; must exist. Default "default"."""

    service_name: NotRequired[str]
    """Name of the Service and of all that belongs to it, and so of Zipkin in DNS. Default "zipkin"."""

    image: NotRequired[str]
    """Zipkin's image, with a version or a digest. Default "openzipkin/zipkin-slim:3.6.1", the newest tested; with
    Cassandra "openzipkin/zipkin:3.6.1", since the slim one lacks it."""

    replicas: NotRequired[int]
    """Pods. Default 1; more need a storage that they share."""

    storage: NotRequired[StorageArgs]
    """Where spans are kept. Default `{"memory": {}}`."""

    resources: NotRequired[ResourcesArgs]
    """What each pod may use. Default: 250m of processor time and 512Mi of memory."""

    ingress: NotRequired[IngressArgs]
    """The interface for browsers outside the cluster. Default: none."""

    autoscaling: NotRequired[AutoscalingArgs]
    """Pods by load, in place of `replicas`. Default: none."""

    disruption_budget: NotRequired[DisruptionBudgetArgs]
    """Pods that a drain of nodes must leave. Default: none."""

    network_policy: NotRequired[NetworkPolicyArgs]
    """Who may reach it, and whom it may reach. Default: no policy."""

    service_monitor: NotRequired[ServiceMonitorArgs]
    """Scraping by the Prometheus operator. Default: none."""

    dependencies_job: NotRequired[DependenciesJobArgs]
    """Works out which service calls which. Default: none. Not with storage in memory."""

    scheduling: NotRequired[SchedulingArgs]
    """Where pods run. Default: anywhere, spread over nodes."""

    image_pull_secrets: NotRequired[list[str]]
    """Names of existing Secrets for the image's registry. Default: none."""

    labels: NotRequired[dict[str, str]]
    """Further labels on every object and pod. Default: none."""

    annotations: NotRequired[dict[str, str]]
    """Further annotations on every object and pod. Default: none."""

    environment: NotRequired[dict[str, str]]
    """Further variables of Zipkin, such as `{"QUERY_LOOKBACK": "604800000"}`. No credentials, and none that the
    component writes itself; further options for Java go into JAVA_TOOL_OPTIONS. Default: none."""
