"""A product team: the protocols of its services, in a mesh that the stack `platform` traces."""

import pulumi

from consul_tracing import ServiceProtocols, environment_of

config = pulumi.Config()
platform = pulumi.StackReference(config.get("platform") or "organization/platform/prod")

shop = ServiceProtocols("shop", {"services": {"web": {"protocol": "http"}}})


pulumi.export("services", shop.services)
# Restart the proxies of these services when it changes. Proxies read the tracer only at startup.
pulumi.export("bootstrap_hash", platform.require_output("bootstrap_hash"))
pulumi.export(
    "proxy_environment",
    pulumi.Output.all(shop.services, platform.require_output("proxy_environment")).apply(
        lambda known: {service: environment_of(service, known[1]) for service in known[0]}
    ),
)
