"""Read custom resources of the mesh, and stack configurations for the tests."""

import json
from typing import Any

from testbed.kubernetes import Cluster

CLUSTERS = "envoy_extra_static_clusters_json"
TRACING = {"envoy_tracing_json", "envoy_listener_tracing_json", CLUSTERS}
ARGUMENTS: dict[str, Any] = {
    "target": "kubernetes",
    "namespace": "default",
    "collector": {"host": "zipkin.observability"},
    "services": {"web": {"protocol": "http"}},
}
STATSD = '{"name":"statsd","type":"STRICT_DNS"}'


def stack_config(cluster: Cluster, **args: Any) -> dict[str, object]:
    """Return a stack configuration with `ARGUMENTS` updated with `args`."""
    return {**cluster.configuration, "consul-tracing:mesh": {**ARGUMENTS, **args}}


def unmanaged_proxy_defaults(**spec: Any) -> dict[str, Any]:
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
    """Return the spec of the object without the empty fields that the consul-k8s controller adds."""
    return {field: value for field, value in object_of(cluster)["spec"].items() if value}


def cluster_names(text: str) -> set[str]:
    return {one["name"] for one in json.loads(f"[{text}]")}
