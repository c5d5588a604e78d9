"""CronJob that aggregates the dependencies of services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .labels import DEPENDENCIES, metadata, pod_metadata
from .pod import container_security, java_options, mounts, pod, resources, variables
from .storage import credentials, storage_variables, trust_store

if TYPE_CHECKING:
    from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
    from consul_tracing.inputs.zipkin_deployment_settings import DependenciesJob
    from consul_tracing.names import JsonObject

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
"""Storage variables that zipkin-dependencies supports. Source: its README."""


def dependencies_job(settings: ZipkinCollectorSettings, job: DependenciesJob) -> JsonObject:
    """Build the CronJob."""
    plain = {
        "JAVA_OPTS": java_options(job.resources, trust_store(settings)),
        **job_variables(settings),
    }
    container = {
        "name": "dependencies",
        "image": job.image,
        "imagePullPolicy": "IfNotPresent",
        "env": variables(plain, credentials(settings)),
        "resources": resources(job.resources),
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
            "schedule": job.schedule,
            "timeZone": "Etc/UTC",
            # Concurrent runs would write the same day twice.
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            # Without a deadline, a run that hangs would block all later runs.
            "jobTemplate": {"spec": {"backoffLimit": 1, "activeDeadlineSeconds": 21600, "template": template}},
        },
    }


def job_variables(settings: ZipkinCollectorSettings) -> dict[str, str]:
    """Return the storage variables of the job. The job connects only to the configured Elasticsearch hosts."""
    shared = {name: value for name, value in storage_variables(settings).items() if name in JOB_VARIABLES}
    return {**shared, **({"ES_NODES_WAN_ONLY": "true"} if settings.storage.elasticsearch else {})}
