"""Spans over OTLP and gRPC to an OpenTelemetry Collector with TLS. The files are on the hosts of the proxies."""

import pulumi

from consul_tracing import MeshTracing

mesh = MeshTracing(
    "mesh",
    {
        "collector": {
            "host": "otel-collector.example.com",
            "port": 4317,
            "tls": {
                "ca_file": "/etc/consul-tracing/ca.pem",
                "certificate_file": "/etc/consul-tracing/proxy.pem",
                "key_file": "/etc/consul-tracing/proxy-key.pem",
            },
        },
        "tracer": {
            "opentelemetry": {
                "service_name": "mesh",
                "resource_attributes": {"deployment.environment.name": "prod"},
            }
        },
        # The oldest Envoy in the mesh. From 1.35 on the sampling rate is in the tracer.
        "envoy_version": "1.35",
        "services": {"web": {"protocol": "http"}},
    },
)

# The environment variables that give each proxy its own service name.
pulumi.export("proxy_environment", mesh.proxy_environment)
