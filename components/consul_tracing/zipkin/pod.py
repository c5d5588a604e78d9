"""Pods of Zipkin and of the dependencies job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.inputs.kubernetes_types import bytes_of
from consul_tracing.inputs.zipkin_collector_settings import PORT, ZipkinCollectorSettings
from consul_tracing.inputs.zipkin_deployment_settings import MEBIBYTE, Resources, Scheduling

from .labels import selector
from .storage import (
    TRUST_STORE_DIRECTORY,
    TRUST_STORE_PASSWORD,
    credentials,
    secret_key,
    storage_variables,
    trust_store,
)

if TYPE_CHECKING:
    from consul_tracing.inputs.zipkin_storage_settings import TrustStore
    from consul_tracing.names import JsonObject

PORT_NAME = "http"
"""Name of the port of pods and Service."""

LIVENESS_PATH = "/info"
"""Endpoint that does not depend on the storage."""

READINESS_PATH = "/health"
"""Endpoint that returns 503 while the storage is not reachable."""

LARGEST_CLIENT_MEMORY = 1792 * MEBIBYTE
"""Limit below which Java selects the serial garbage collector, which needs less memory than G1."""


def zipkin_pod(settings: ZipkinCollectorSettings) -> JsonObject:
    """Build the pod specification of Zipkin."""
    container = {
        "name": "zipkin",
        "image": settings.chosen_image,
        "imagePullPolicy": "IfNotPresent",
        "env": environment(settings),
        "ports": [{"name": PORT_NAME, "containerPort": PORT, "protocol": "TCP"}],
        **probes(),
        # Endpoints are updated after the pod starts to terminate. Zipkin accepts spans until then.
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
    """Build the probes of Zipkin.

    A failure of the storage makes the pod unready but does not restart it, because a restart does not fix the storage.
    """
    liveness = {"httpGet": {"path": LIVENESS_PATH, "port": PORT_NAME}, "timeoutSeconds": 5}
    readiness = {"httpGet": {"path": READINESS_PATH, "port": PORT_NAME}, "timeoutSeconds": 5}
    return {
        # Three minutes: Java starts slowly with a quarter of a core.
        "startupProbe": {**liveness, "periodSeconds": 5, "failureThreshold": 36},
        "livenessProbe": {**liveness, "periodSeconds": 10, "failureThreshold": 6},
        "readinessProbe": {**readiness, "periodSeconds": 5, "failureThreshold": 3},
    }


def environment(settings: ZipkinCollectorSettings) -> list[JsonObject]:
    """Build the environment variables of Zipkin."""
    plain = {
        "JAVA_OPTS": java_options(settings.resources, trust_store(settings)),
        "QUERY_PORT": str(PORT),
        **storage_variables(settings),
        **settings.environment,
    }
    further = {name: secret_key(one.secret, one.key) for name, one in settings.environment_secrets.items()}
    return variables(plain, {**credentials(settings), **further})


def variables(plain: dict[str, str], from_secrets: dict[str, JsonObject]) -> list[JsonObject]:
    """Build the environment variables.

    Variables from Secrets come first, because Kubernetes expands `$(NAME)` only for variables that are defined earlier.
    """
    return [
        *({"name": name, "valueFrom": source} for name, source in sorted(from_secrets.items())),
        *({"name": name, "value": value} for name, value in sorted(plain.items())),
    ]


def java_options(limits: Resources, store: TrustStore | None = None) -> str:
    """Return the options of Java: heap, garbage collector and trust store. They replace the options of the image.

    The default heap would be a quarter of the memory limit.
    """
    heap = limits.heap
    collector = "Serial" if bytes_of(limits.memory_limit) < LARGEST_CLIENT_MEMORY else "G1"
    options = [
        f"-Xms{heap}m",
        f"-Xmx{heap}m",
        # Network buffers. The default limit is the size of the heap.
        f"-XX:MaxDirectMemorySize={heap // 4}m",
        f"-XX:+Use{collector}GC",
        # A process without heap drops spans silently.
        "-XX:+ExitOnOutOfMemoryError",
    ]
    if store is not None:
        options += [
            f"-Djavax.net.ssl.trustStore={TRUST_STORE_DIRECTORY}/{store.key}",
            f"-Djavax.net.ssl.trustStorePassword=$({TRUST_STORE_PASSWORD})",
        ]
    return " ".join(options)


def resources(inputs: Resources) -> JsonObject:
    """Build the requests and limits of a container."""
    limits = {"memory": inputs.memory_limit, **({"cpu": inputs.cpu_limit} if inputs.cpu_limit else {})}
    return {"requests": {"cpu": inputs.cpu_request, "memory": inputs.memory_limit}, "limits": limits}


def pod(settings: ZipkinCollectorSettings, container: JsonObject, tmp_size: str) -> JsonObject:
    """Build the pod specification of a container, with the size limit of /tmp."""
    specification: JsonObject = {
        "serviceAccountName": settings.service_name,
        "automountServiceAccountToken": False,
        # A Service named "query" would set QUERY_PORT, which Zipkin reads as its port.
        "enableServiceLinks": False,
        "securityContext": pod_security(settings.run_as_user),
        "containers": [container],
        "volumes": volumes(settings, tmp_size),
        **placement(settings.scheduling),
    }
    if settings.image_pull_secrets:
        specification["imagePullSecrets"] = [{"name": name} for name in settings.image_pull_secrets]
    return specification


def pod_security(user: int | None) -> JsonObject:
    """Build the security context of a pod. None leaves the ids of user and group to the platform."""
    ids = {} if user is None else {"runAsUser": user, "runAsGroup": user}
    return {"runAsNonRoot": True, **ids, "seccompProfile": {"type": "RuntimeDefault"}}


def container_security() -> JsonObject:
    """Build the security context of the Pod Security Standard "restricted", with a read-only root file system."""
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def volumes(settings: ZipkinCollectorSettings, tmp_size: str) -> list[JsonObject]:
    """Build the volumes of a pod: /tmp and the trust store."""
    found: list[JsonObject] = [{"name": "tmp", "emptyDir": {"sizeLimit": tmp_size}}]
    if store := trust_store(settings):
        items = [{"key": store.key, "path": store.key}]
        found.append({"name": "trust", "secret": {"secretName": store.secret, "items": items}})
    return found


def mounts(settings: ZipkinCollectorSettings) -> list[JsonObject]:
    """Build the volume mounts of a container. Java extracts libraries and writes counters to /tmp."""
    found: list[JsonObject] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - in the container
    if trust_store(settings):
        found.append({"name": "trust", "mountPath": TRUST_STORE_DIRECTORY, "readOnly": True})
    return found


def placement(scheduling: Scheduling) -> JsonObject:
    """Build the scheduling fields of a pod."""
    fields = {
        "nodeSelector": scheduling.node_selector,
        "tolerations": scheduling.tolerations,
        "affinity": scheduling.affinity,
        "priorityClassName": scheduling.priority_class,
    }
    return {field: value for field, value in fields.items() if value}


def topology_spread(settings: ZipkinCollectorSettings) -> JsonObject:
    """Build the spread of Zipkin's pods over nodes, if possible."""
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
