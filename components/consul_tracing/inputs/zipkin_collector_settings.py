"""Inputs of `ZipkinCollector`."""

from collections.abc import Iterator, Mapping
from typing import ClassVar

from pydantic import Field

from consul_tracing.errors import Problem, format_value, message

from .kubernetes_types import ClusterDomain, Image, PullSecret, UserId, VariableName, VariableValue, is_slim
from .types import Count, EnvironmentVariable, NamespaceName, Text
from .validation import Settings, groups_in
from .zipkin_deployment_settings import (
    UI_PATH,
    Autoscaling,
    CollectorService,
    DependenciesJob,
    DisruptionBudget,
    Ingress,
    NetworkPolicy,
    Resources,
    Scheduling,
    SecretKey,
    ServiceMonitor,
    managed_label_problems,
)
from .zipkin_storage_settings import MemoryStorage, Storage, variables_of

PORT = 9411
"""Zipkin's registered port. Fixed, because the defaults of all tracers use it."""

ZIPKIN_VERSION = "3.6.1"
SLIM_IMAGE = f"openzipkin/zipkin-slim:{ZIPKIN_VERSION}"
FULL_IMAGE = f"openzipkin/zipkin:{ZIPKIN_VERSION}"
INJECTION = "consul.hashicorp.com/connect-inject"

MANAGED_VARIABLES: Mapping[str, str] = {
    **{
        variable: f"storage.{kind}.{name}"
        for kind, field in Storage.model_fields.items()
        for storage in groups_in(field.annotation)
        for variable, name in variables_of(storage).items()
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

IMAGE_USER = 1000
"""Id of user and group in the official images."""


class ZipkinCollectorSettings(Settings):
    """Zipkin on Kubernetes, as the collector of a mesh."""

    component: ClassVar[str] = "ZipkinCollector"
    keeps_none: ClassVar[frozenset[str]] = frozenset({"run_as_user"})

    namespace: NamespaceName = "default"
    """Existing namespace of all objects."""

    service_name: Text = "zipkin"
    """Name of the Service and of all other objects."""

    service: CollectorService = CollectorService.model_construct()
    """Type and annotations of the Service. Default: "ClusterIP", without annotations."""

    cluster_domain: ClusterDomain = "cluster.local"
    """DNS domain of the cluster, part of `host` and `url`. Default: {default}, the default of Kubernetes."""

    image: Image | None = None
    """Image of Zipkin, with a version or a digest. Default: "openzipkin/zipkin-slim:3.6.1", the newest tested.

    With Cassandra: "openzipkin/zipkin:3.6.1", because the slim image does not support it.
    """

    replicas: Count = 1
    """Number of pods. Default: {default}. More require a storage that they share."""

    storage: Storage = Storage.model_construct(memory=MemoryStorage.model_construct())
    """Storage of spans. Default: `{"memory": {}}`, which needs no other program."""

    resources: Resources = Resources.model_construct()
    """CPU and memory of each pod. Default: "250m" and "512Mi"."""

    ingress: Ingress | None = None
    """Ingress for the user interface."""

    autoscaling: Autoscaling | None = None
    """HorizontalPodAutoscaler that replaces `replicas`."""

    disruption_budget: DisruptionBudget | None = None
    """PodDisruptionBudget for node drains."""

    network_policy: NetworkPolicy | None = None
    """Allowed connections to Zipkin and from Zipkin. Default: no policy."""

    service_monitor: ServiceMonitor | None = None
    """ServiceMonitor of the Prometheus operator."""

    dependencies_job: DependenciesJob | None = None
    """CronJob that aggregates the dependencies of services. Default: none. Not supported with storage in memory."""

    scheduling: Scheduling = Field(default_factory=Scheduling)
    """Scheduling of the pods. Default: any node, spread over nodes if possible."""

    image_pull_secrets: list[PullSecret] = Field(default_factory=list)
    """Names of existing Secrets for the registry of the image."""

    labels: dict[str, str] = Field(default_factory=dict)
    """Additional labels of every object and pod."""

    annotations: dict[str, str] = Field(default_factory=dict)
    """Additional annotations of every object and pod."""

    service_account_annotations: dict[str, str] = Field(default_factory=dict)
    """Additional annotations of the ServiceAccount only.

    They connect the pods to an identity of the cloud: IAM roles for service accounts (EKS), workload identity (GKE,
    AKS).
    """

    environment: dict[VariableName, VariableValue] = Field(default_factory=dict)
    """Additional environment variables of Zipkin, such as `{"QUERY_LOOKBACK": "604800000"}`.

    Credentials and variables that the component sets are rejected. Use JAVA_TOOL_OPTIONS for additional Java options,
    and `environment_secrets` for credentials.
    """

    environment_secrets: dict[EnvironmentVariable, SecretKey] = Field(default_factory=dict)
    """Additional environment variables of Zipkin from existing Secrets, by the name of the variable.

    For credentials, such as `{"RABBIT_PASSWORD": {"secret": "rabbitmq", "key": "password"}}`. Variables that the
    component sets are rejected. Pods read the Secrets at startup. Restart them after a change.
    """

    run_as_user: UserId | None = IMAGE_USER
    """Id of user and group of all pods, not 0. Default: {default}, the user of the official images.

    null (None) leaves both ids to the platform: on OpenShift, each namespace has its own range. Set it only there. On
    other clusters, pods do not start, because the images name their user instead of an id.
    """

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
        if self.ingress and not f"{self.ingress.path}/".startswith(f"{UI_PATH}/"):
            yield message(
                "CT524",
                f"ingress.path: {format_value(self.ingress.path)} exposes the endpoint for posting spans. "
                f"Set {UI_PATH} for the user interface only.",
            )
        if self.service.type != "ClusterIP" and self.network_policy is None:
            yield message(
                "CT526",
                f"service.type: everyone who can connect to the {self.service.type} can read and write spans, because "
                "Zipkin has no login. Set network_policy, or annotations for an internal load balancer.",
            )

    def _problems(self) -> Iterator[Problem]:
        if self.storage.durable is None:
            yield from self._memory_problems()
        elasticsearch = self.storage.elasticsearch
        if self.dependencies_job and elasticsearch and not elasticsearch.verify_certificate:
            yield Problem(
                "dependencies_job",
                "is not supported with storage.elasticsearch.verify_certificate: false. "
                "Set storage.elasticsearch.trust_store",
            )
        yield from self._replica_problems()
        if self.storage.cassandra and self.image and is_slim(self.image):
            reason = (
                f"must be an image with Cassandra, got {format_value(self.image)}. Remove image to use {FULL_IMAGE}"
            )
            yield Problem("image", reason)
        yield from managed_label_problems(self.labels)
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
