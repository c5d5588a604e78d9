"""Metadata of the objects: names, labels and annotations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from consul_tracing.inputs.zipkin_collector_settings import INJECTION, ZipkinCollectorSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consul_tracing.names import JsonObject

NONE: Mapping[str, str] = {}


@dataclass(frozen=True)
class Workload:
    """Program that the pods run: Zipkin or the dependencies job."""

    label: str
    """Value of the label `app.kubernetes.io/name`."""

    component: str
    """Value of the label `app.kubernetes.io/component`."""

    suffix: str
    """Suffix of the object names."""


COLLECTOR = Workload("zipkin", "collector", "")

DEPENDENCIES = Workload("zipkin-dependencies", "dependencies", "-dependencies")


def selector(settings: ZipkinCollectorSettings, workload: Workload = COLLECTOR) -> dict[str, str]:
    """Return the labels that select the pods. They must not change: the selector of a Deployment is immutable."""
    return {"app.kubernetes.io/name": workload.label, "app.kubernetes.io/instance": settings.service_name}


def labels(settings: ZipkinCollectorSettings, workload: Workload) -> dict[str, str]:
    """Return the labels of an object and its pods, with those of the inputs."""
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
    """Build the metadata of an object."""
    return {
        "name": f"{settings.service_name}{workload.suffix}",
        "namespace": settings.namespace,
        "labels": {**further_labels, **labels(settings, workload)},
        **annotated({**settings.annotations, **further_annotations}),
    }


def pod_metadata(settings: ZipkinCollectorSettings, workload: Workload) -> JsonObject:
    """Build the metadata of a pod without a sidecar, which would require mesh TLS from the proxies that post spans."""
    return {"labels": labels(settings, workload), **annotated({**settings.annotations, INJECTION: "false"})}


def annotated(annotations: dict[str, str]) -> JsonObject:
    """Return the annotations as metadata. Empty without annotations."""
    return {"annotations": annotations} if annotations else {}
