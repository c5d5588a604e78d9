"""Network objects: Service, Ingress, NetworkPolicy and ServiceMonitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.inputs.zipkin_collector_settings import PORT, ZipkinCollectorSettings

from .labels import DEPENDENCIES, metadata, selector
from .pod import PORT_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from consul_tracing.inputs.zipkin_deployment_settings import Ingress, NetworkPolicy, Peer, ServiceMonitor
    from consul_tracing.names import JsonObject

METRICS_PATH = "/prometheus"

DNS_PORT = 53


def service(settings: ZipkinCollectorSettings) -> JsonObject:
    """Build the Service."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(settings, further_annotations=settings.service.annotations),
        "spec": {
            "type": settings.service.type,
            "selector": selector(settings),
            "ports": [{"name": PORT_NAME, "port": PORT, "targetPort": PORT_NAME, "protocol": "TCP"}],
        },
    }


def ingress(settings: ZipkinCollectorSettings, inputs: Ingress) -> JsonObject:
    """Build the Ingress for the user interface."""
    backend = {"service": {"name": settings.service_name, "port": {"name": PORT_NAME}}}
    paths = [{"path": inputs.path, "pathType": "Prefix", "backend": backend}]
    spec: JsonObject = {"rules": [{"host": inputs.host, "http": {"paths": paths}}]}
    if inputs.class_name is not None:
        spec["ingressClassName"] = inputs.class_name
    if inputs.tls_secret is not None:
        spec["tls"] = [{"hosts": [inputs.host], "secretName": inputs.tls_secret}]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": metadata(settings, further_annotations=inputs.annotations),
        "spec": spec,
    }


def network_policy(settings: ZipkinCollectorSettings, inputs: NetworkPolicy) -> JsonObject:
    """Build the NetworkPolicy of Zipkin."""
    peers = [peer(client) for client in inputs.clients] if inputs.clients else [{"namespaceSelector": {}}]
    return policy(
        metadata(settings),
        selector(settings),
        ingress_rules=[{"from": peers, "ports": [tcp(PORT)]}],
        egress_rules=list(storage_rules(settings, inputs)),
    )


def dependencies_network_policy(settings: ZipkinCollectorSettings, inputs: NetworkPolicy) -> JsonObject:
    """Build the NetworkPolicy of the job, which allows connections to the storage only."""
    return policy(
        metadata(settings, DEPENDENCIES),
        selector(settings, DEPENDENCIES),
        ingress_rules=[],
        egress_rules=list(storage_rules(settings, inputs)),
    )


def policy(
    object_metadata: JsonObject,
    pod_labels: dict[str, str],
    *,
    ingress_rules: Sequence[JsonObject],
    egress_rules: Sequence[JsonObject],
) -> JsonObject:
    """Build a NetworkPolicy in both directions for the pods with the labels."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": object_metadata,
        "spec": {
            "podSelector": {"matchLabels": pod_labels},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": list(ingress_rules),
            "egress": list(egress_rules),
        },
    }


def storage_rules(settings: ZipkinCollectorSettings, inputs: NetworkPolicy) -> Iterator[JsonObject]:
    """Return the rules for DNS and the storage. DNS caches on nodes have no labels, so DNS is allowed everywhere."""
    storage = settings.storage.durable
    if storage is None:
        return
    yield {"ports": [{"protocol": "UDP", "port": DNS_PORT}, tcp(DNS_PORT)]}
    to = {"to": [peer(client) for client in inputs.storage]} if inputs.storage else {}
    yield {**to, "ports": [tcp(port) for port in storage.ports]}


def tcp(port: int | str) -> JsonObject:
    """Build a TCP port of a NetworkPolicy."""
    return {"protocol": "TCP", "port": port}


def peer(inputs: Peer) -> JsonObject:
    """Build a peer of a NetworkPolicy. Without a namespace it selects all, unlike the default of Kubernetes."""
    if inputs.cidr is not None:
        return {"ipBlock": {"cidr": inputs.cidr}}
    namespace = {"matchLabels": {"kubernetes.io/metadata.name": inputs.namespace}} if inputs.namespace else {}
    pods = {"podSelector": {"matchLabels": inputs.pod_labels}} if inputs.pod_labels else {}
    return {"namespaceSelector": namespace, **pods}


def service_monitor(settings: ZipkinCollectorSettings, inputs: ServiceMonitor) -> JsonObject:
    """Build the ServiceMonitor."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "ServiceMonitor",
        "metadata": metadata(settings, further_labels=inputs.labels),
        "spec": {
            "selector": {"matchLabels": selector(settings)},
            "endpoints": [{"port": PORT_NAME, "path": METRICS_PATH, "interval": inputs.interval}],
        },
    }
