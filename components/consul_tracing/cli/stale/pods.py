"""Proxies in pods, compared by the annotation of the pods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consul_tracing.entries.bodies import BOOTSTRAP_KEYS, bootstrap_hash
from consul_tracing.entries.custom_resources import body
from consul_tracing.entries.propagation import propagation
from consul_tracing.entries.tracing_keys import tracing_keys
from consul_tracing.names import ANNOTATIONS_PREFIX, JsonObject

from .proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.sources.http import HttpClient
    from consul_tracing.sources.pods import Pod, Pods

HASH_ANNOTATION = f"{ANNOTATIONS_PREFIX}bootstrap-hash"
"""Annotation of pods with the output `bootstrap_hash`."""


def annotated_proxies(found: Sequence[Pod], cluster: Pods, consul: HttpClient) -> dict[str, Proxy]:
    """Return the proxies of the pods with the annotation, compared with ProxyDefaults. Raises CommandError."""
    annotated = [pod for pod in found if HASH_ANNOTATION in pod.annotations]
    if not annotated:
        return {}
    entry = current_entry(cluster, consul)
    return {pod.name: proxy for pod in annotated if (proxy := proxy_of(pod, entry))}


def current_entry(pods: Pods, consul: HttpClient) -> JsonObject:
    """Return the live ProxyDefaults, or the entry in Consul if the cluster has no ProxyDefaults."""
    if live := pods.proxy_defaults():
        return body(live)
    entry = consul.get("/v1/config/proxy-defaults/global", JsonObject) or {}
    return {**entry, "Config": entry.get("Config") or {}}


def proxy_of(pod: Pod, entry: JsonObject) -> Proxy | None:
    """Return the proxy of a pod by its annotation. None if only its admin interface knows its bootstrap."""
    found, current, own = pod.annotations.get(HASH_ANNOTATION), bootstrap_hash(entry), pod.proxy_config
    # A restarted container has read a later bootstrap than the annotation describes, and a proxy with bootstrap keys of
    # its own has another one than ProxyDefaults describes.
    is_other = bool(pod.dataplane.get("restartCount")) or not own.keys().isdisjoint(BOOTSTRAP_KEYS)
    if not found or (found != current and is_other):
        return None
    differences = [] if found == current else [f"bootstrap hash: {found}, now {current}"]
    inherited = {key.lower(): value for key, value in (entry.get("Config") or {}).items()}
    tracer = None if differences else propagation(tracing_keys({**inherited, **own}))
    return Proxy(pod.name, pod.service, pod.since, differences, tracer, pod.restart)
