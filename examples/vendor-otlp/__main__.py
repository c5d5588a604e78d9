"""Spans over OTLP to the endpoint of a vendor. Each proxy reads the credential from a file on its host."""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "collector": {
            "host": "otlp.vendor.example",
            "port": 443,
            "tls": {"ca_file": "/etc/ssl/certs/ca-certificates.crt"},
            # The file contains the value of the header in one line.
            "auth": {"header": "x-api-key", "file": "/etc/consul-tracing/token"},
        },
        "tracer": {"opentelemetry": {"transport": "http", "service_name": "mesh"}},
        # The oldest Envoy in the mesh.
        "envoy_version": "1.36",
        "services": {"web": {"protocol": "http"}},
    },
)

# The environment variables that give each proxy its own service name.
pulumi.export("proxy_environment", mesh.proxy_environment)
