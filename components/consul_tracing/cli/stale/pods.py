"""Proxies in the pods of a Kubernetes cluster, compared by their annotation or through their admin interface."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import bootstrap_hash
from consul_tracing.entries.custom_resources import body
from consul_tracing.entries.propagation import propagation
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.errors import CommandError
from consul_tracing.names import ANNOTATIONS_PREFIX, JsonObject
from consul_tracing.sources.http import ServerError
from consul_tracing.sources.pods import Pod, Pods, pod_admin

from .proxies import Proxy, Report, compared

if TYPE_CHECKING:
    from consul_tracing.sources.http import HttpClient

HASH_ANNOTATION = f"{ANNOTATIONS_PREFIX}bootstrap-hash"
"""Annotation of pods with the output `bootstrap_hash`."""


def report_of_pods(namespace: str | None, consul: HttpClient) -> Report:
    """Compare the proxies of the pods in one or all namespaces. Raises CommandError.

    A pod with the annotation of the bootstrap hash is compared with ProxyDefaults. Other pods are compared with Consul
    through their admin interface.
    """
    pods = Pods()
    found = pods.with_proxies(namespace)
    if not found:
        raise CommandError(f"no pod with a proxy of consul-k8s runs in {namespace or 'the cluster'}")
    current = current_entry(pods, consul) if any(HASH_ANNOTATION in pod.annotations for pod in found) else {}
    report = Report()
    for pod in found:
        if (hashed := proxy_of(pod, current)) is not None:
            report.proxies.append(hashed)
            continue
        try:
            report.add(pod.name, compared(pod_admin(pods.core, pod), consul))
        except ServerError as error:
            report.add(pod.name, error)
    return report


def current_entry(pods: Pods, consul: HttpClient) -> JsonObject:
    """Return the live ProxyDefaults, or the entry in Consul if the cluster has no ProxyDefaults."""
    if live := pods.proxy_defaults():
        return body(live)
    entry = consul.get("/v1/config/proxy-defaults/global", JsonObject) or {}
    return {**entry, "Config": entry.get("Config") or {}}


def proxy_of(pod: Pod, entry: JsonObject) -> Proxy | None:
    """Return the proxy of a pod by its annotation. None if only its admin interface knows its bootstrap."""
    found, current = pod.annotations.get(HASH_ANNOTATION), bootstrap_hash(entry)
    # A restarted container has read a later bootstrap than the annotation describes.
    if not found or (found != current and pod.dataplane.get("restartCount")):
        return None
    differences = [] if found == current else [f"bootstrap hash: {found}, now {current}"]
    tracer = None if differences else propagation(tracing_keys(entry.get("Config")))
    return Proxy(pod.name, pod.service, pod.since, differences, tracer)
