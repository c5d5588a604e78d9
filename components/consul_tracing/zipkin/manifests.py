"""Manifests of all Kubernetes objects of `ZipkinCollector`, as plain data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .dependencies_job import dependencies_job
from .labels import COLLECTOR, metadata, pod_metadata, selector
from .network import dependencies_network_policy, ingress, network_policy, service, service_monitor
from .pod import zipkin_pod

if TYPE_CHECKING:
    from collections.abc import Callable

    from consul_tracing.inputs.zipkin_collector_settings import ZipkinCollectorSettings
    from consul_tracing.inputs.zipkin_deployment_settings import Autoscaling, DisruptionBudget
    from consul_tracing.names import JsonObject


def manifests(settings: ZipkinCollectorSettings) -> dict[str, JsonObject]:
    """Build all objects, by the suffix of their resource names."""
    required = {
        "service-account": service_account(settings),
        "deployment": deployment(settings),
        "service": service(settings),
    }
    optional: dict[str, tuple[object, Callable[..., JsonObject]]] = {
        "ingress": (settings.ingress, ingress),
        "autoscaler": (settings.autoscaling, autoscaler),
        "disruption-budget": (settings.disruption_budget, disruption_budget),
        "network-policy": (settings.network_policy, network_policy),
        "service-monitor": (settings.service_monitor, service_monitor),
        "dependencies": (settings.dependencies_job, dependencies_job),
        "dependencies-network-policy": (
            settings.network_policy if settings.dependencies_job else None,
            dependencies_network_policy,
        ),
    }
    return required | {
        suffix: build(settings, inputs) for suffix, (inputs, build) in optional.items() if inputs is not None
    }


def service_account(settings: ZipkinCollectorSettings) -> JsonObject:
    """Build a ServiceAccount without permissions and token: Zipkin does not use the API of Kubernetes."""
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": metadata(settings, further_annotations=settings.service_account_annotations),
        "automountServiceAccountToken": False,
    }


def deployment(settings: ZipkinCollectorSettings) -> JsonObject:
    """Build the Deployment of Zipkin."""
    spec: JsonObject = {
        "revisionHistoryLimit": 3,
        "selector": {"matchLabels": selector(settings)},
        # A new pod is ready before an old one stops, so that spans are accepted during a rollout.
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "template": {"metadata": pod_metadata(settings, COLLECTOR), "spec": zipkin_pod(settings)},
    }
    if settings.autoscaling is None:
        # With an autoscaler, each update would reset the number of pods.
        spec["replicas"] = settings.replicas
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata(settings), "spec": spec}


def autoscaler(settings: ZipkinCollectorSettings, autoscaling: Autoscaling) -> JsonObject:
    """Build the HorizontalPodAutoscaler."""
    target = {"type": "Utilization", "averageUtilization": autoscaling.cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": metadata(settings),
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": settings.service_name},
            "minReplicas": autoscaling.min_replicas,
            "maxReplicas": autoscaling.max_replicas,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
        },
    }


def disruption_budget(settings: ZipkinCollectorSettings, budget: DisruptionBudget) -> JsonObject:
    """Build the PodDisruptionBudget."""
    limits = {"minAvailable": budget.min_available, "maxUnavailable": budget.max_unavailable}
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": metadata(settings),
        "spec": {
            "selector": {"matchLabels": selector(settings)},
            # A pod that is not ready, for example without its storage, must not block a drain.
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
            **{field: limit for field, limit in limits.items() if limit is not None},
        },
    }
