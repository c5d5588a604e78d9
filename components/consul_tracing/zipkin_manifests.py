"""Settings to Kubernetes' objects: what `ZipkinCollector` deploys, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .collector_fields import bytes_of
from .collector_settings import INJECTION, MEBIBYTE, PORT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from .collector_settings import (
        Autoscaling,
        CassandraStorage,
        DependenciesJob,
        DisruptionBudget,
        ElasticsearchStorage,
        Ingress,
        NetworkPolicy,
        Peer,
        Resources,
        Scheduling,
        ServiceMonitor,
        TrustStore,
        ZipkinCollectorSettings,
    )
    from .fields import JsonObject

PORT_NAME = "http"
"""Name of Zipkin's port on pod and Service."""

LIVENESS_PATH = "/info"
"""Answers from Zipkin alone."""

READINESS_PATH = "/health"
"""Answers 503 while the storage is out of reach."""

METRICS_PATH = "/prometheus"

DNS_PORT = 53

USER = 1000
"""User and group of both images."""

LARGEST_CLIENT_MEMORY = 1792 * MEBIBYTE
"""Below this, Java by itself takes the serial collector: the concurrent ones have threads and tables of their own."""

TRUST_STORE_DIRECTORY = "/etc/zipkin/trust"
TRUST_STORE_PASSWORD = "TRUST_STORE_PASSWORD"  # noqa: S105 - the name of a variable

JOB_VARIABLES = frozenset(
    [
        "STORAGE_TYPE",
        "ES_HOSTS",
        "ES_INDEX",
        "CASSANDRA_CONTACT_POINTS",
        "CASSANDRA_KEYSPACE",
        "CASSANDRA_LOCAL_DC",
        "CASSANDRA_USE_SSL",
    ]
)
"""The storage's variables that the dependencies job reads as Zipkin does (its README)."""

NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Workload:
    """One of the two programs that run, by which objects and pods are told apart."""

    label: str
    """Its name as a label."""

    component: str
    """Its part, as a label."""

    suffix: str
    """The ending of its objects' names."""


COLLECTOR = Workload("zipkin", "collector", "")
DEPENDENCIES = Workload("zipkin-dependencies", "dependencies", "-dependencies")


def manifests(settings: ZipkinCollectorSettings) -> dict[str, JsonObject]:
    """Every object, under the ending of its resource's name."""
    objects = {
        "service-account": service_account(settings),
        "deployment": deployment(settings),
        "service": service(settings),
    }
    if settings.ingress is not None:
        objects["ingress"] = ingress(settings, settings.ingress)
    if settings.autoscaling is not None:
        objects["autoscaler"] = autoscaler(settings, settings.autoscaling)
    if settings.disruption_budget is not None:
        objects["disruption-budget"] = disruption_budget(settings, settings.disruption_budget)
    if settings.network_policy is not None:
        objects["network-policy"] = network_policy(settings, settings.network_policy)
    if settings.service_monitor is not None:
        objects["service-monitor"] = service_monitor(settings, settings.service_monitor)
    if settings.dependencies_job is not None:
        objects["dependencies"] = dependencies_job(settings, settings.dependencies_job)
        if settings.network_policy is not None:
            objects["dependencies-network-policy"] = dependencies_network_policy(settings, settings.network_policy)
    return objects


def service_account(settings: ZipkinCollectorSettings) -> JsonObject:
    """An account of its own without rights or token: Zipkin never asks Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(settings),
        "automountServiceAccountToken": False,
    }


def deployment(settings: ZipkinCollectorSettings) -> JsonObject:
    """Zipkin's pods."""
    spec: JsonObject = {
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": selector(settings)},
        # The new pod is ready before the old one goes: never none, and for a moment one more than wished for.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": pod_metadata(settings, COLLECTOR), "spec": zipkin_pod(settings)},
    }
    if settings.autoscaling is None:
        # Written beside an autoscaler, it would undo its work on each update.
        spec["replicas"] = settings.replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(settings), "spec": spec}


def zipkin_pod(settings: ZipkinCollectorSettings) -> JsonObject:
    """The specification of Zipkin's pods."""
    container = {
        "name": "zipkin",
        "image": settings.chosen_image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(settings),
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        **probes(),
        # The Service forgets a pod a moment after it was told to end; until then spans still come.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "resources": resources(settings.resources),
        "securityContext": container_security(),
        "volumeMounts": mounts(settings),
    }
    return {
        **pod(settings, container, "64Mi"),
        "terminationGracePeriodSeconds": 30,
        **topology_spread(settings),
    }


def probes() -> JsonObject:
    """When Zipkin is restarted, and when it gets requests.

    A storage that is slow or away makes it unready and never restarts it: a restart would not bring the storage back.
    """
    alive = {"httpGet": {"path": LIVENESS_PATH, "port": PORT_NAME}, "timeoutSeconds": 5}
    ready = {"httpGet": {"path": READINESS_PATH, "port": PORT_NAME}, "timeoutSeconds": 5}
    return {
        # Three minutes: with a quarter of a core Java starts slowly.
        "startupProbe": {**alive, "periodSeconds": 5, "failureThreshold": 36},
        "livenessProbe": {**alive, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**ready, "periodSeconds": 5, "failureThreshold": 3},
    }


def environment(settings: ZipkinCollectorSettings) -> list[JsonObject]:
    """Zipkin's variables, sorted by name."""
    plain = {
        "JAVA_OPTS": java_options(settings.resources, trust_store(settings)),
        "QUERY_PORT": str(PORT),
        **storage_variables(settings),
        **settings.environment,
    }
    return variables(plain, credentials(settings))


def storage_variables(settings: ZipkinCollectorSettings) -> dict[str, str]:
    """The variables that name the storage, credentials aside."""
    storage = settings.storage
    if storage.elasticsearch is not None:
        return elasticsearch_variables(storage.elasticsearch)
    if storage.cassandra is not None:
        return cassandra_variables(storage.cassandra)
    return {"STORAGE_TYPE": "mem", "MEM_MAX_SPANS": str(settings.max_spans)}


def elasticsearch_variables(storage: ElasticsearchStorage) -> dict[str, str]:
    """All written out, so that Zipkin's own defaults may change without moving anyone's spans."""
    named = {
        "STORAGE_TYPE": "elasticsearch",
        "ES_HOSTS": ",".join(storage.hosts),
        "ES_INDEX": storage.index,
        "ES_INDEX_SHARDS": str(storage.index_shards),
        "ES_INDEX_REPLICAS": str(storage.index_replicas),
        "ES_ENSURE_TEMPLATES": truth(is_true=storage.ensure_templates),
        "ES_TIMEOUT": str(storage.timeout_ms),
    }
    if storage.pipeline is not None:
        named["ES_PIPELINE"] = storage.pipeline
    if not storage.verify_certificate:
        named["ES_SSL_NO_VERIFY"] = "true"
    return named


def cassandra_variables(storage: CassandraStorage) -> dict[str, str]:
    """All written out, so that Zipkin's own defaults may change without moving anyone's spans."""
    named = {
        "STORAGE_TYPE": "cassandra3",
        "CASSANDRA_CONTACT_POINTS": ",".join(storage.contact_points),
        "CASSANDRA_KEYSPACE": storage.keyspace,
        "CASSANDRA_LOCAL_DC": storage.local_dc,
        "CASSANDRA_MAX_CONNECTIONS": str(storage.max_connections),
        "CASSANDRA_ENSURE_SCHEMA": truth(is_true=storage.ensure_schema),
        "CASSANDRA_USE_SSL": truth(is_true=storage.use_ssl),
    }
    if storage.use_ssl:
        named["CASSANDRA_SSL_HOSTNAME_VALIDATION"] = truth(is_true=storage.verify_hostname)
    return named


def truth(*, is_true: bool) -> str:
    """A truth value as a variable has it."""
    return "true" if is_true else "false"


def credentials(settings: ZipkinCollectorSettings) -> dict[str, JsonObject]:
    """The variables whose values only Secrets hold, each with where it stands."""
    from_secrets: dict[str, JsonObject] = {}
    storage = settings.storage.durable
    if storage is not None and storage.credentials_secret is not None:
        prefix = "CASSANDRA" if settings.storage.cassandra else "ES"
        from_secrets[f"{prefix}_USERNAME"] = secret_key(storage.credentials_secret, storage.username_key)
        from_secrets[f"{prefix}_PASSWORD"] = secret_key(storage.credentials_secret, storage.password_key)
    if store := trust_store(settings):
        from_secrets[TRUST_STORE_PASSWORD] = secret_key(store.secret, store.password_key)
    return from_secrets


def secret_key(name: str, key: str) -> JsonObject:
    """Where a variable's value stands."""
    return {"secretKeyRef": {"name": name, "key": key}}


def trust_store(settings: ZipkinCollectorSettings) -> TrustStore | None:
    """The authorities of the storage's certificate, where they are given."""
    return settings.storage.durable.trust_store if settings.storage.durable else None


def variables(plain: dict[str, str], from_secrets: dict[str, JsonObject]) -> list[JsonObject]:
    """A container's variables, sorted by name; those of Secrets first, since others refer to them."""
    return [
        *({"name": name, "valueFrom": source} for name, source in sorted(from_secrets.items())),
        *({"name": name, "value": value} for name, value in sorted(plain.items())),
    ]


def java_options(given: Resources, store: TrustStore | None = None) -> str:
    """Java's options: a heap that the memory limit bears, written out, since Java's own would be a quarter of it.

    In place of the image's, of which the end at an exhausted heap is kept: half-dead it would drop spans in silence.
    """
    heap = given.heap
    collector = "Serial" if bytes_of(given.memory_limit) < LARGEST_CLIENT_MEMORY else "G1"
    options = [
        f"-Xms{heap}m",
        f"-Xmx{heap}m",
        # Network buffers; Java's own bound is as much again as the heap.
        f"-XX:MaxDirectMemorySize={heap // 4}m",
        f"-XX:+Use{collector}GC",
        "-XX:+ExitOnOutOfMemoryError",
    ]
    if store is not None:
        options += [
            f"-Djavax.net.ssl.trustStore={TRUST_STORE_DIRECTORY}/{store.key}",
            f"-Djavax.net.ssl.trustStorePassword=$({TRUST_STORE_PASSWORD})",
        ]
    return " ".join(options)


def resources(given: Resources) -> JsonObject:
    """What a container asks for and may use at most."""
    limits = {"memory": given.memory_limit, **({"cpu": given.cpu_limit} if given.cpu_limit else {})}
    return {"requests": {"cpu": given.cpu_request, "memory": given.memory_limit}, "limits": limits}


def pod(settings: ZipkinCollectorSettings, container: JsonObject, scratch: str) -> JsonObject:
    """What every pod has, with the space that it may fill in /tmp."""
    specification: JsonObject = {
        "serviceAccountName": settings.service_name,
        "automountServiceAccountToken": False,
        # A Service called "query" would set QUERY_PORT to tcp://…, which Zipkin would take for its port.
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": volumes(settings, scratch),
        **placement(settings.scheduling),
    }
    if settings.image_pull_secrets:
        specification["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return specification


def container_security() -> JsonObject:
    """What Kubernetes' Pod Security Standard "restricted" asks of a container, and a root file system read-only."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def volumes(settings: ZipkinCollectorSettings, scratch: str) -> list[JsonObject]:
    """Where a pod may write, and the trust store."""
    found: list[JsonObject] = [{"name": "tmp", "emptyDir": {"sizeLimit": scratch}}]
    if store := trust_store(settings):
        items = [{"key": store.key, "path": store.key}]
        found.append({"name": "trust", "secret": {"secretName": store.secret, "items": items}})
    return found


def mounts(settings: ZipkinCollectorSettings) -> list[JsonObject]:
    """Java unpacks libraries and keeps counters in /tmp; nothing else is written."""
    found: list[JsonObject] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the pod, and its own
    if trust_store(settings):
        found.append({"name": "trust", "mountPath": TRUST_STORE_DIRECTORY, "readOnly": True})
    return found


def placement(scheduling: Scheduling) -> JsonObject:
    """On which nodes a pod may run."""
    wishes = {
        "nodeSelector": scheduling.node_selector,
        "tolerations": scheduling.tolerations,
        "affinity": scheduling.affinity,
        "priorityClassName": scheduling.priority_class,
    }
    return {field: wish for field, wish in wishes.items() if wish}


def topology_spread(settings: ZipkinCollectorSettings) -> JsonObject:
    """Zipkin's pods spread where possible."""
    spread = [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": selector(settings)},
        }
        for key in settings.scheduling.topology_spread
    ]
    return {"topologySpreadConstraints": spread} if spread else {}


def service(settings: ZipkinCollectorSettings) -> JsonObject:
    """Zipkin's name in the cluster."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(settings),
        "spec": {
            "type": "ClusterIP",
            "selector": selector(settings),
            "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }


def ingress(settings: ZipkinCollectorSettings, wish: Ingress) -> JsonObject:
    """Zipkin's interface for browsers outside the cluster."""
    backend = {"service": {"name": settings.service_name, "port": {"name": PORT_NAME}}}
    paths = [{"path": wish.path, "pathType": "Prefix", "backend": backend}]
    spec: JsonObject = {"rules": [{"host": wish.host, "http": {"paths": paths}}]}
    if wish.class_name is not None:
        spec["ingressClassName"] = wish.class_name
    if wish.tls_secret is not None:
        spec["tls"] = [{"hosts": [wish.host], "secretName": wish.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(settings, further_annotations=wish.annotations),
        "spec": spec,
    }


def autoscaler(settings: ZipkinCollectorSettings, wish: Autoscaling) -> JsonObject:
    """Pods by load."""
    target = {"type": "Utilization", "averageUtilization": wish.cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(settings),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": settings.service_name},
            "minReplicas": wish.min_replicas,
            "maxReplicas": wish.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def disruption_budget(settings: ZipkinCollectorSettings, wish: DisruptionBudget) -> JsonObject:
    """Pods that a drain of nodes must leave."""
    bounds = {"minAvailable": wish.min_available, "maxUnavailable": wish.max_unavailable}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(settings),
        "spec": {
            "selector": {"matchLabels": selector(settings)},
            # A pod without its storage is not ready; it must not hold up a drain on top.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            **{field: bound for field, bound in bounds.items() if bound is not None},
        },
    }


def network_policy(settings: ZipkinCollectorSettings, wish: NetworkPolicy) -> JsonObject:
    """Who may reach Zipkin, and whom it may reach."""
    peers = [peer(one) for one in wish.clients] if wish.clients else [{"namespaceSelector": {}}]
    return policy(
        metadata(settings),
        selector(settings),
        ingress_rules=[{"from": peers, "ports": [tcp(PORT)]}],
        egress_rules=list(storage_rules(settings, wish)),
    )


def dependencies_network_policy(settings: ZipkinCollectorSettings, wish: NetworkPolicy) -> JsonObject:
    """The job reaches the storage, and nobody reaches the job."""
    return policy(
        metadata(settings, DEPENDENCIES),
        selector(settings, DEPENDENCIES),
        ingress_rules=[],
        egress_rules=list(storage_rules(settings, wish)),
    )


def policy(
    named: JsonObject,
    pods: dict[str, str],
    *,
    ingress_rules: Sequence[JsonObject],
    egress_rules: Sequence[JsonObject],
) -> JsonObject:
    """A NetworkPolicy in both directions for the pods with these labels."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": named,
        "spec": {
            "podSelector": {"matchLabels": pods},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": list(ingress_rules),
            "egress": list(egress_rules),
        },
    }


def storage_rules(settings: ZipkinCollectorSettings, wish: NetworkPolicy) -> Iterator[JsonObject]:
    """DNS and the storage. DNS to anywhere: a cache on the node has an address that no label selects."""
    storage = settings.storage.durable
    if storage is None:
        return
    yield {"ports": [{"protocol": "UDP", "port": DNS_PORT}, tcp(DNS_PORT)]}
    to = {"to": [peer(one) for one in wish.storage]} if wish.storage else {}
    yield {**to, "ports": [tcp(port) for port in storage.ports]}


def tcp(port: int) -> JsonObject:
    """A TCP port of a NetworkPolicy."""
    return {"protocol": "TCP", "port": port}


def peer(wish: Peer) -> JsonObject:
    """A peer of a NetworkPolicy. Pods are of any namespace unless one is named; Kubernetes would take the policy's."""
    if wish.cidr is not None:
        return {"ipBlock": {"cidr": wish.cidr}}
    named = {"matchLabels": {"kubernetes.io/metadata.name": wish.namespace}} if wish.namespace else {}
    pods = {"podSelector": {"matchLabels": wish.pod_labels}} if wish.pod_labels else {}
    return {"namespaceSelector": named, **pods}


def service_monitor(settings: ZipkinCollectorSettings, wish: ServiceMonitor) -> JsonObject:
    """Scraping by the Prometheus operator."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(settings, further_labels=wish.labels),
        "spec": {
            "selector": {"matchLabels": selector(settings)},
            "endpoints": [{"port": PORT_NAME, "path": METRICS_PATH, "interval": wish.interval}],
        },
    }


def dependencies_job(settings: ZipkinCollectorSettings, wish: DependenciesJob) -> JsonObject:
    """Works out which service calls which, from the day's spans."""
    plain = {
        "JAVA_OPTS": java_options(wish.resources, trust_store(settings)),
        **job_variables(settings),
    }
    container = {
        "name": "dependencies",
        "image": wish.image,
        "imagePullPolicy": "IfNotPresent",
        "env": variables(plain, credentials(settings)),
        "resources": resources(wish.resources),
        "securityContext": container_security(),
        "volumeMounts": mounts(settings),
    }
    template = {
        "metadata": pod_metadata(settings, DEPENDENCIES),
        "spec": {**pod(settings, container, "1Gi"), "restartPolicy": "Never"},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(settings, DEPENDENCIES),
        "spec": {
            "schedule": wish.schedule,
            "timeZone": "Etc/UTC",
            # Two runs would write the same day twice.
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            # A run that hangs would, by Forbid, be the last one.
            "jobTemplate": {"spec": {"backoffLimit": 1, "activeDeadlineSeconds": 21600, "template": template}},
        },
    }


def job_variables(settings: ZipkinCollectorSettings) -> dict[str, str]:
    """What the job reads of the storage's variables, and that it must not look for nodes behind the given names."""
    shared = {name: value for name, value in storage_variables(settings).items() if name in JOB_VARIABLES}
    return {**shared, **({"ES_NODES_WAN_ONLY": "true"} if settings.storage.elasticsearch else {})}


def selector(settings: ZipkinCollectorSettings, workload: Workload = COLLECTOR) -> dict[str, str]:
    """The labels by which pods are found: two, for ever, since a Deployment's may never change."""
    return {"app.kubernetes.io/name": workload.label, "app.kubernetes.io/instance": settings.service_name}


def labels(settings: ZipkinCollectorSettings, workload: Workload) -> dict[str, str]:
    """The labels of an object and of its pods, the caller's among them."""
    return {
        **settings.labels,
        **selector(settings, workload),
        "app.kubernetes.io/component": workload.component,
        "app.kubernetes.io/part-of": "consul-tracing",
        "app.kubernetes.io/managed-by": "pulumi",
    }


def metadata(
    settings: ZipkinCollectorSettings,
    workload: Workload = COLLECTOR,
    *,
    further_labels: Mapping[str, str] = NONE,
    further_annotations: Mapping[str, str] = NONE,
) -> JsonObject:
    """Name, place and marks of an object."""
    return {
        "name": f"{settings.service_name}{workload.suffix}",
        "namespace": settings.namespace,
        "labels": {**further_labels, **labels(settings, workload)},
        **annotated({**settings.annotations, **further_annotations}),
    }


def pod_metadata(settings: ZipkinCollectorSettings, workload: Workload) -> JsonObject:
    """Marks of a pod. Without a sidecar: proxies post spans in plain HTTP, and one would ask for the mesh's TLS."""
    return {"labels": labels(settings, workload), **annotated({**settings.annotations, INJECTION: "false"})}


def annotated(annotations: dict[str, str]) -> JsonObject:
    """The annotations of an object that has any."""
    return {"annotations": annotations} if annotations else {}
