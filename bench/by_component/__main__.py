"""`bench:services` HTTP services, traced by the component."""

import pulumi

from consul_tracing import MeshTracing

services = pulumi.Config("bench").require_int("services")

MeshTracing(
    "mesh",
    {
        "collector": {"host": "zipkin.observability.svc.cluster.local"},
        "services": {f"service-{number:04}": {"protocol": "http"} for number in range(services)},
    },
)
