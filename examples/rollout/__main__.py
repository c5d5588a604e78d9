"""Pods that restart if and only if their proxies must read a new bootstrap.

A sidecar reads the tracer and the collector at its start, and sampling and tags while it runs. `bootstrap_hash` covers
only the tracer and the collector. As an annotation of the pods it makes Kubernetes replace them in a rolling update.
The output resolves as soon as Consul has the new entry.
"""

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment

from consul_tracing import MeshTracing

config = pulumi.Config()

mesh = MeshTracing(
    "mesh",
    {
        "target": "kubernetes",
        "namespace": "default",
        "collector": {"host": config.get("collector") or "zipkin.observability.svc.cluster.local"},
        "sampling": {"random": 1.0 if (rate := config.get_float("sampling")) is None else rate},
        "services": {"web": {"protocol": "http"}},
    },
)

labels = {"app": "web"}
Deployment(
    "web",
    metadata={"name": "web", "namespace": "default"},
    spec={
        "selector": {"match_labels": labels},
        "template": {
            "metadata": {
                "labels": labels,
                "annotations": {
                    "consul.hashicorp.com/connect-inject": "true",
                    "consul-tracing/bootstrap-hash": mesh.bootstrap_hash,
                },
            },
            "spec": {"containers": [{"name": "web", "image": "nginx:1.29"}]},
        },
    },
)

pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
