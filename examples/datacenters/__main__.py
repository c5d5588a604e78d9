"""Several datacenters: a provider and a component for each, with a common collector.

Each datacenter has its own `proxy-defaults`. Replicated entries belong to the primary datacenter only.
"""

import pulumi
import pulumi_consul

from consul_tracing import MeshTracing

addresses = pulumi.Config().require_object("addresses")

hashes = {}
for datacenter, address in sorted(addresses.items()):
    provider = pulumi_consul.Provider(datacenter, address=address)
    mesh = MeshTracing(
        datacenter,
        {
            "collector": {"host": "zipkin.example.com"},
            "tags": {"datacenter": {"literal": datacenter}},
            "services": {"web": {"protocol": "http"}},
        },
        pulumi.ResourceOptions(providers=[provider]),
    )
    hashes[datacenter] = mesh.bootstrap_hash

pulumi.export("bootstrap_hashes", hashes)
