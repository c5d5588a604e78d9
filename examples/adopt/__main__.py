"""Tracing for a mesh that already has config entries. Fields of other owners are preserved.

The preview lists the fields that are preserved and replaced.
"""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "existing": "adopt",
        "collector": {"host": "zipkin.example.com"},
        "services": {"web": {"protocol": "http"}},
    },
)

pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
pulumi.export("warnings", mesh.warnings)
