"""Arguments of `ZipkinCollector`: plain data, with the units of Kubernetes.

No `from __future__ import annotations` here: Pulumi's schema inference reads the annotations. Credentials are not
supported here, only the names of Secrets that contain them.
"""

from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

import pulumi

if TYPE_CHECKING:
    ServiceType = Literal["ClusterIP", "NodePort", "LoadBalancer"]
else:
    ServiceType = str


class TrustStoreArgs(TypedDict):
    """Java trust store with the authorities of the storage's certificate, in an existing Secret."""

    secret: pulumi.Input[str]
    """Name of the Secret in the collector's namespace. Required."""

    key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the trust store (PKCS12 or JKS). Default: "truststore.p12"."""

    password_key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the password, which must not contain spaces. Default: "password"."""


class MemoryStorageArgs(TypedDict):
    """Storage in the memory of Zipkin. It needs no other program, and loses all spans on each restart."""

    max_spans: NotRequired[pulumi.Input[int]]
    """Maximum number of spans; Zipkin removes the oldest traces first. Default: the number that fits into the heap.

    With `memory_limit` 512Mi: 26,600, as measured in docs/collector.md. Zipkin's own default of 500,000 requires
    gigabytes of heap for spans of Envoy.
    """


class ElasticsearchStorageArgs(TypedDict):
    """Storage in Elasticsearch 7 or 8, or in OpenSearch. Zipkin detects the version."""

    hosts: list[pulumi.Input[str]]
    """URLs of the HTTP API with one scheme, such as `["https://elasticsearch.logging.svc:9200"]`. Required.

    The default port is that of the scheme, 80 or 443. User and password are not supported here.
    """

    index: NotRequired[pulumi.Input[str]]
    """Prefix of the daily indices. Default: "zipkin"."""

    index_shards: NotRequired[pulumi.Input[int]]
    """Shards of each new index. Default: 5, Zipkin's default."""

    index_replicas: NotRequired[pulumi.Input[int]]
    """Replicas of each shard. Default: 1, Zipkin's default. 0 loses spans with a node of Elasticsearch."""

    ensure_templates: NotRequired[bool]
    """Whether Zipkin writes its index templates at startup. Default: true. Set false if another tool manages them."""

    pipeline: NotRequired[pulumi.Input[str]]
    """Ingest pipeline of the spans. Default: none."""

    timeout_ms: NotRequired[pulumi.Input[int]]
    """Timeout of requests to Elasticsearch, in milliseconds. Default: 10000, Zipkin's default."""

    credentials_secret: NotRequired[pulumi.Input[str]]
    """Name of an existing Secret with user and password in the collector's namespace. Default: no credentials.

    Pods read the Secret at startup. Restart them after a change.
    """

    username_key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the user. Default: "username"."""

    password_key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the password. Default: "password"."""

    trust_store: NotRequired[TrustStoreArgs]
    """Trust store for https. Default: the public authorities of Java in the image."""

    verify_certificate: NotRequired[bool]
    """Whether the server's certificate is verified. Default: true. False is for tests only, and logs a warning."""


class CassandraStorageArgs(TypedDict):
    """Storage in Cassandra 3.11.3 or newer. The default image is openzipkin/zipkin: the slim image has no Cassandra."""

    contact_points: list[pulumi.Input[str]]
    """Nodes for the first connection, with or without a port (9042), such as `["cassandra.storage.svc"]`. Required."""

    keyspace: NotRequired[pulumi.Input[str]]
    """Keyspace of the spans. Default: "zipkin2", Zipkin's default."""

    local_dc: NotRequired[pulumi.Input[str]]
    """Data center to which Zipkin connects. Default: "datacenter1", the default of Zipkin and Cassandra."""

    max_connections: NotRequired[pulumi.Input[int]]
    """Connections to each node. Default: 8, Zipkin's default."""

    ensure_schema: NotRequired[bool]
    """Whether Zipkin creates and upgrades the schema at startup. Default: true, Zipkin's default."""

    credentials_secret: NotRequired[pulumi.Input[str]]
    """Name of an existing Secret with user and password in the collector's namespace. Default: no credentials.

    Pods read the Secret at startup. Restart them after a change.
    """

    username_key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the user. Default: "username"."""

    password_key: NotRequired[pulumi.Input[str]]
    """Key of the Secret with the password. Default: "password"."""

    use_ssl: NotRequired[bool]
    """Whether connections use TLS. Default: false. True requires `trust_store`."""

    verify_hostname: NotRequired[bool]
    """Whether the certificate of a node must contain its name, with `use_ssl`. Default: true."""

    trust_store: NotRequired[TrustStoreArgs]
    """Trust store for `use_ssl`. Default: none."""


class StorageArgs(TypedDict):
    """Storage of spans: exactly one field."""

    memory: NotRequired[MemoryStorageArgs]
    """Memory of Zipkin: one replica, spans are lost on each restart."""

    elasticsearch: NotRequired[ElasticsearchStorageArgs]
    """Elasticsearch or OpenSearch."""

    cassandra: NotRequired[CassandraStorageArgs]
    """Cassandra."""


class ResourcesArgs(TypedDict):
    """CPU and memory of each pod."""

    cpu_request: NotRequired[pulumi.Input[str]]
    """Requested CPU. Default: "250m", for the job "500m"."""

    cpu_limit: NotRequired[pulumi.Input[str]]
    """Limit of CPU. Default: none, because a limit slows down startup and garbage collection of Java."""

    memory_limit: NotRequired[pulumi.Input[str]]
    """Memory, as request and as limit, at least "256Mi". Default: "512Mi", for the job "1Gi".

    Request and limit are equal so that no node promises more memory than it has. The heap of Java is 75 % of the memory
    above 192Mi.
    """


class CollectorServiceArgs(TypedDict):
    """Service of Zipkin: the address to which proxies send spans."""

    type: NotRequired[ServiceType]
    """ "ClusterIP", "NodePort" or "LoadBalancer". Default: "ClusterIP", because Zipkin has no login.

    Proxies outside of the cluster, for example on VMs, cannot connect to "ClusterIP". The other types log a warning
    unless `network_policy` is set.
    """

    annotations: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional annotations of the Service, for example for an internal load balancer. Default: none."""


class IngressArgs(TypedDict):
    """Ingress for Zipkin's user interface, which has no login. Configure one with the controller's annotations."""

    host: pulumi.Input[str]
    """DNS name of the user interface, such as "zipkin.example.com". Required."""

    class_name: NotRequired[pulumi.Input[str]]
    """Name of the IngressClass. Default: the default class of the cluster."""

    tls_secret: NotRequired[pulumi.Input[str]]
    """Name of the Secret with certificate and key, existing or from cert-manager. Required, unless `tls: false`."""

    tls: NotRequired[bool]
    """Whether the Ingress has a certificate. Default: true.

    False explicitly allows plain HTTP, or a controller with its own certificate.
    """

    annotations: NotRequired[dict[str, pulumi.Input[str]]]
    """Annotations for the controller. Default: none."""

    path: NotRequired[pulumi.Input[str]]
    """Exposed URL path. Default: "/zipkin", the user interface and its queries.

    "/" also exposes the endpoint for posting spans, and logs a warning.
    """


class AutoscalingArgs(TypedDict):
    """HorizontalPodAutoscaler that replaces `replicas`. Not supported with storage in memory."""

    max_replicas: pulumi.Input[int]
    """Maximum number of pods. Required: the load on the storage and the costs depend on it."""

    min_replicas: NotRequired[pulumi.Input[int]]
    """Minimum number of pods. Default: 2, so that spans arrive while one pod is missing."""

    cpu_percent: NotRequired[pulumi.Input[int]]
    """Target CPU utilization of all pods, in percent of `cpu_request`. Default: 70."""


class DisruptionBudgetArgs(TypedDict):
    """PodDisruptionBudget for node drains: exactly one field."""

    min_available: NotRequired[pulumi.Input[int]]
    """Minimum number of available pods. Must be less than the number of pods, or no node can be drained."""

    max_unavailable: NotRequired[pulumi.Input[int]]
    """Maximum number of unavailable pods, at least 1."""


class PeerArgs(TypedDict):
    """Peer of a connection: pods of a namespace, pods with labels, both, or an address range."""

    namespace: NotRequired[pulumi.Input[str]]
    """Name of the pods' namespace. Default: any namespace."""

    pod_labels: NotRequired[dict[str, pulumi.Input[str]]]
    """Labels of the pods. Default: any pod."""

    cidr: NotRequired[pulumi.Input[str]]
    """Address range outside of the cluster, such as "10.20.0.0/16". Conflicts with the other fields. Default: none."""


class NetworkPolicyArgs(TypedDict):
    """NetworkPolicy of Zipkin. Outgoing connections are limited to DNS and the storage.

    Requires a network plugin that enforces policies. With storage in memory, no outgoing connection is allowed.
    """

    clients: NotRequired[list[PeerArgs]]
    """Peers that can connect to port 9411: proxies, ingress controller, Prometheus. Default: all pods."""

    storage: NotRequired[list[PeerArgs]]
    """Peers of the storage. Default: any address, on the ports of the storage."""


class ServiceMonitorArgs(TypedDict):
    """ServiceMonitor of the Prometheus operator. Its CRD must exist."""

    interval: NotRequired[pulumi.Input[str]]
    """Scrape interval. Default: "30s"."""

    labels: NotRequired[dict[str, pulumi.Input[str]]]
    """Labels that the Prometheus selects, such as `{"release": "prometheus"}`. Default: none."""


class DependenciesJobArgs(TypedDict):
    """CronJob that aggregates the dependencies of services for Zipkin's dependencies page.

    Without the job the page is empty. Storage in memory needs no job.
    """

    schedule: NotRequired[pulumi.Input[str]]
    """Cron schedule in UTC. Default: "55 * * * *".

    Each run reads the spans of the day. The last run starts five minutes before the end of the day in UTC.
    """

    image: NotRequired[pulumi.Input[str]]
    """Image of the job, with a version or a digest. Default: "openzipkin/zipkin-dependencies:3.2.0", as tested."""

    resources: NotRequired[ResourcesArgs]
    """CPU and memory of a run, which loads the traces of the day. Default: "500m" and "1Gi"."""


class SecretKeyArgs(TypedDict):
    """Reference to a key of an existing Secret."""

    secret: pulumi.Input[str]
    """Name of the Secret in the collector's namespace. Required."""

    key: pulumi.Input[str]
    """Key of the Secret. Required."""


class SchedulingArgs(TypedDict):
    """Scheduling of the pods of Zipkin and of the job."""

    node_selector: NotRequired[dict[str, pulumi.Input[str]]]
    """Labels of the nodes. Default: none."""

    tolerations: NotRequired[list[dict[str, Any]]]
    """Tolerations in the format of Kubernetes (camelCase). Default: none."""

    affinity: NotRequired[dict[str, Any]]
    """Affinity in the format of Kubernetes (camelCase). Default: none."""

    priority_class: NotRequired[pulumi.Input[str]]
    """Name of the PriorityClass. Default: the default class of the cluster."""

    topology_spread: NotRequired[list[pulumi.Input[str]]]
    """Node labels over which Zipkin's pods are spread if possible. Default: `["kubernetes.io/hostname"]`."""


class ZipkinCollectorArgs(TypedDict):
    """Zipkin on Kubernetes, as the collector of a mesh."""

    namespace: NotRequired[pulumi.Input[str]]
    """Existing namespace of all objects. Default: "default"."""

    service_name: NotRequired[pulumi.Input[str]]
    """Name of the Service and of all other objects. Default: "zipkin"."""

    service: NotRequired[CollectorServiceArgs]
    """Type and annotations of the Service. Default: "ClusterIP", without annotations."""

    cluster_domain: NotRequired[pulumi.Input[str]]
    """DNS domain of the cluster, part of `host` and `url`. Default: "cluster.local", the default of Kubernetes."""

    image: NotRequired[pulumi.Input[str]]
    """Image of Zipkin, with a version or a digest. Default: "openzipkin/zipkin-slim:3.6.1", the newest tested.

    With Cassandra: "openzipkin/zipkin:3.6.1", because the slim image does not support it.
    """

    replicas: NotRequired[pulumi.Input[int]]
    """Number of pods. Default: 1. More require a storage that they share."""

    storage: NotRequired[StorageArgs]
    """Storage of spans. Default: `{"memory": {}}`, which needs no other program."""

    resources: NotRequired[ResourcesArgs]
    """CPU and memory of each pod. Default: "250m" and "512Mi"."""

    ingress: NotRequired[IngressArgs]
    """Ingress for the user interface. Default: none."""

    autoscaling: NotRequired[AutoscalingArgs]
    """HorizontalPodAutoscaler that replaces `replicas`. Default: none."""

    disruption_budget: NotRequired[DisruptionBudgetArgs]
    """PodDisruptionBudget for node drains. Default: none."""

    network_policy: NotRequired[NetworkPolicyArgs]
    """Allowed connections to Zipkin and from Zipkin. Default: no policy."""

    service_monitor: NotRequired[ServiceMonitorArgs]
    """ServiceMonitor of the Prometheus operator. Default: none."""

    dependencies_job: NotRequired[DependenciesJobArgs]
    """CronJob that aggregates the dependencies of services. Default: none. Not supported with storage in memory."""

    scheduling: NotRequired[SchedulingArgs]
    """Scheduling of the pods. Default: any node, spread over nodes if possible."""

    image_pull_secrets: NotRequired[list[pulumi.Input[str]]]
    """Names of existing Secrets for the registry of the image. Default: none."""

    labels: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional labels of every object and pod. Default: none."""

    annotations: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional annotations of every object and pod. Default: none."""

    service_account_annotations: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional annotations of the ServiceAccount only. Default: none.

    They connect the pods to an identity of the cloud: IAM roles for service accounts (EKS), workload identity (GKE,
    AKS).
    """

    environment: NotRequired[dict[str, pulumi.Input[str]]]
    """Additional environment variables of Zipkin, such as `{"QUERY_LOOKBACK": "604800000"}`. Default: none.

    Credentials and variables that the component sets are rejected. Use JAVA_TOOL_OPTIONS for additional Java options,
    and `environment_secrets` for credentials.
    """

    environment_secrets: NotRequired[dict[str, SecretKeyArgs]]
    """Additional environment variables of Zipkin from existing Secrets, by the name of the variable. Default: none.

    For credentials, such as `{"RABBIT_PASSWORD": {"secret": "rabbitmq", "key": "password"}}`. Variables that the
    component sets are rejected. Pods read the Secrets at startup. Restart them after a change.
    """

    run_as_user: NotRequired[int | None]
    """Id of user and group of all pods, not 0. Default: 1000, the user of the official images.

    null (None) leaves both ids to the platform: on OpenShift, each namespace has its own range. Set it only there. On
    other clusters, pods do not start, because the images name their user instead of an id.
    """
