"""The platform team: the tracing of the whole mesh, and the services that all teams use."""

import pulumi

from consul_tracing import MeshTracing

config = pulumi.Config()

mesh = MeshTracing(
    "mesh",
    {
        "collector": {
            "host": config.get("collector") or "otel-collector.example.com",
            "port": config.get_int("port") or 4317,
        },
        "tracer": {"opentelemetry": {"service_name": "mesh"}},
        "envoy_version": "1.35",
        "sampling": {"random": 1.0 if (rate := config.get_float("sampling")) is None else rate},
        "services": {"api": {"protocol": "http"}},
    },
)

pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
pulumi.export("proxy_environment", mesh.proxy_environment)
