"""The program behind the stacks: a stack's configuration becomes the tracing of its mesh."""

import pulumi

from consul_tracing import MeshTracing, args_from_config, protect_from_config

mesh = MeshTracing("mesh", args_from_config(), pulumi.ResourceOptions(protect=protect_from_config()))

pulumi.export("proxy_defaults", mesh.proxy_defaults)
pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
pulumi.export("collector_url", mesh.collector_url)
pulumi.export("gateway_envoy_args", mesh.gateway_envoy_args)
pulumi.export("proxy_environment", mesh.proxy_environment)
pulumi.export("proxy_annotations", mesh.proxy_annotations)
pulumi.export("services", mesh.services)
pulumi.export("warnings", mesh.warnings)
