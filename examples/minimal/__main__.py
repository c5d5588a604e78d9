"""The smallest mesh: a Zipkin collector and the protocols of two services."""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "collector": {"host": "zipkin.example.com"},
        "services": {"web": {"protocol": "http"}, "payments": {"protocol": "grpc"}},
    },
)

pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
