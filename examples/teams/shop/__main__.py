"""A product team: the protocols of its services, in a mesh that the stack `platform` traces."""

from typing import Any

import pulumi

from consul_tracing import ServiceProtocols

config = pulumi.Config()
platform = pulumi.StackReference(config.get("platform") or "organization/platform/prod")

shop = ServiceProtocols("shop", {"services": {"web": {"protocol": "http"}}})


def environment(known: list[Any]) -> dict[str, dict[str, str]]:
    """Return the variables for the proxies of each service, from the template of the platform team."""
    services, template = known[0], known[1].get("*", {})
    return {
        service: {variable: value.replace("{service}", service) for variable, value in template.items()}
        for service in services
    }


pulumi.export("services", shop.services)
# Restart the proxies of these services when it changes. Proxies read the tracer only at startup.
pulumi.export("bootstrap_hash", platform.require_output("bootstrap_hash"))
pulumi.export(
    "proxy_environment",
    pulumi.Output.all(shop.services, platform.require_output("proxy_environment")).apply(environment),
)
