"""Spans to the Datadog agent on the host of each proxy."""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "collector": {"host": "127.0.0.1", "per_host": True},
        "tracer": {"datadog": {"service_name": "mesh"}},
        "tags": {"env": {"literal": "prod"}},
        "services": {"web": {"protocol": "http"}},
    },
)

# DD_SERVICE for the proxies of each service.
pulumi.export("proxy_environment", mesh.proxy_environment)
