"""Gateways that start traces, on VMs and Nomad: start their Envoy with the exported arguments."""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "collector": {"host": "zipkin.example.com"},
        "sampling": {"random": 1.0},
        "gateways": "join",
        "services": {"web": {"protocol": "http"}},
    },
)

# consul connect envoy -gateway=api -register -service my-gateway -- <arguments>
pulumi.export("gateway_envoy_args", mesh.gateway_envoy_args)
