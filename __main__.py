"""The program behind the stacks: a stack's configuration becomes the tracing of its mesh."""

import pulumi

from consul_tracing import MeshTracing, mesh_args, protected

mesh = MeshTracing("mesh", mesh_args(), pulumi.ResourceOptions(protect=protected()))

pulumi.export("proxy_defaults", mesh.proxy_defaults)
pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
pulumi.export("collector_url", mesh.collector_url)
pulumi.export("gateway_envoy_args", mesh.gateway_envoy_args)
pulumi.export("services", mesh.services)
pulumi.export("warnings", mesh.warnings)
