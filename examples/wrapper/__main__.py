"""A component of your own around MeshTracing: the defaults of a company, and two inputs for its teams."""

import pulumi

from consul_tracing import MeshTracing, ServiceArgs


class CompanyMesh(pulumi.ComponentResource):
    """Tracing with the collector and the sampling rate of an environment."""

    def __init__(
        self,
        name: str,
        environment: str,
        services: dict[str, ServiceArgs],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare the tracing of an environment."""
        super().__init__("company:index:Mesh", name, None, opts)
        tracing = MeshTracing(
            name,
            {
                "collector": {"host": f"zipkin.{environment}.example.com"},
                "sampling": {"random": 1.0 if environment == "prod" else 100.0},
                "services": services,
            },
            pulumi.ResourceOptions(parent=self),
        )
        self.bootstrap_hash = tracing.bootstrap_hash
        self.register_outputs({"bootstrap_hash": self.bootstrap_hash})


mesh = CompanyMesh("mesh", "prod", {"web": {"protocol": "http"}})
pulumi.export("bootstrap_hash", mesh.bootstrap_hash)
