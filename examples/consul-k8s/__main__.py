"""consul-k8s from its Helm chart, and the tracing of its mesh, in one program."""

import pulumi
from pulumi_kubernetes.helm.v3 import Release

from consul_tracing import MeshTracing

consul = Release(
    "consul",
    name="consul",
    chart="consul",
    namespace="consul",
    create_namespace=True,
    repository_opts={"repo": "https://helm.releases.hashicorp.com"},
    values={"global": {"name": "consul"}, "connectInject": {"enabled": True}},
)

mesh = MeshTracing(
    "mesh",
    {
        "target": "kubernetes",
        "zipkin_collector": {"namespace": "consul"},
        "services": {"web": {"protocol": "http"}},
    },
    # The first preview runs before the chart has installed the custom resource definitions.
    pulumi.ResourceOptions(depends_on=[consul]),
)

pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
