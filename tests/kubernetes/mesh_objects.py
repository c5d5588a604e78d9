"""The mesh's custom resources, as the tests write and read them."""

import json
from typing import Any

from testbed.kubernetes import Cluster

CLUSTERS = "envoy_extra_static_clusters_json"
TRACING = {"envoy_tracing_json", "envoy_listener_tracing_json", CLUSTERS}
ARGUMENTS: dict[str, Any] = {
    "target": "kubernetes",
    "namespace": "default",
    "collector": {"host": "zipkin"},
    "services": {"web": {"protocol": "http"}},
}
STATSD = '{"name":"statsd","type":"STRICT_DNS"}'


def on(cluster: Cluster, **args: Any) -> dict[str, object]:
    """A stack's configuration: `args` beside or instead of `ARGUMENTS`."""
    return {**cluster.configuration, "consul-tracing:mesh": {**ARGUMENTS, **args}}


def by_hand(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "consul.hashicorp.com/v1alpha1",
        "kind": "ProxyDefaults",
        "metadata": {"name": "global", "namespace": "default"},
        "spec": spec,
    }


def object_of(cluster: Cluster, kind: str = "ProxyDefaults", name: str = "global") -> dict[str, Any]:
    found = cluster.get(kind, name)
    assert found is not None
    return found


def spec_of(cluster: Cluster) -> dict[str, Any]:
    """The object's spec without the empty fields that consul-k8s' controller writes into it."""
    return {field: value for field, value in object_of(cluster)["spec"].items() if value}


def cluster_names(text: str) -> set[str]:
    return {one["name"] for one in json.loads(f"[{text}]")}
