"""Services whose proxies trace differently from the mesh, on Kubernetes.

Config entries hold one tracer and one rate for the whole mesh. The pods carry the difference: consul-k8s writes the
annotation of the output `proxy_annotations` to the registration of each proxy.
"""

import pulumi
from pulumi_kubernetes.apps.v1 import Deployment

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "target": "kubernetes",
        "namespace": "default",
        "envoy_version": "1.36",
        "collector": {"host": "otel-collector.observability.svc.cluster.local"},
        "tracer": {"opentelemetry": {"service_name": "mesh"}},
        "sampling": {"random": 1.0},
        "services": {
            # The entrance of the mesh starts a trace for 10 % of its requests.
            "web": {"protocol": "http", "tracing": {"sampling": 10.0}},
            # Its spans have the name api, without a collector that sets it.
            "api": {"protocol": "http"},
            # Its proxies create no spans. They pass on the headers of callers.
            "batch": {"protocol": "http", "tracing": {"enabled": False}},
        },
    },
)

for service in ("web", "api", "batch"):
    labels = {"app": service}
    annotations = mesh.proxy_annotations[service].apply(
        lambda own: {"consul.hashicorp.com/connect-inject": "true", **own}
    )
    Deployment(
        service,
        metadata={"name": service, "namespace": "default"},
        spec={
            "selector": {"match_labels": labels},
            "template": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": {"containers": [{"name": service, "image": "nginx:1.29"}]},
            },
        },
    )

pulumi.export("proxy_annotations", mesh.proxy_annotations)
