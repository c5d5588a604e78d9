"""MeshTracing: the tracing of one Consul mesh as a Pulumi component."""

import pulumi

from .advice import advice
from .args import MeshTracingArgs
from .entries import bootstrap_hash, canonical_json, config_json, proxy_defaults, service_defaults
from .envoy import collector_url, gateway_runtime
from .errors import InvalidInput, Refused, WrongOutput
from .ownership import refuse_missing_cluster
from .settings import MeshSettings
from .stack_config import single_machine
from .writers import Unreadable, live_entry, write_entry

TYPE_TOKEN = "consul-tracing:index:MeshTracing"  # noqa: S105 - Pulumi calls a type's name a token


class MeshTracing(pulumi.ComponentResource):
    """Tracing for one Consul mesh: the global `proxy-defaults` and the `service-defaults` of each declared service.

    Raises InvalidInput, before anything is registered, for arguments that cannot work, and Refused, before anything is
    written, for a mesh that they would harm.
    """

    proxy_defaults: pulumi.Output[str]
    """The id of the `proxy-defaults` entry."""

    bootstrap_hash: pulumi.Output[str]
    """A short hash of what proxies read only when they start. In an annotation of pods it restarts them when needed."""

    collector_url: pulumi.Output[str]
    """Where proxies send spans."""

    gateway_envoy_args: pulumi.Output[list[str]]
    """Arguments for a gateway's Envoy, after `consul connect envoy … --`, with which it starts traces itself.

    Empty where a gateway has no tracer to start them with: `gateways: skip`, `enabled: false`.
    """

    services: pulumi.Output[list[str]]
    """The names of the declared services in Consul's catalogue, sorted."""

    warnings: pulumi.Output[list[str]]
    """What works and yet is worth knowing; also logged."""

    def __init__(self, name: str, args: MeshTracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the tracing of `args` under the resource name `name`."""
        settings = MeshSettings.of(name, args)
        # The arguments are not given on: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        resolved = _resolved(name, settings, args)
        services = service_defaults(settings)
        self._refuse_harm(settings)

        stack = _stack_name()
        mesh_body = resolved.apply(lambda known: config_json(proxy_defaults(known), stack))
        mesh_entry = write_entry(f"{name}-proxy-defaults", proxy_defaults(settings), mesh_body, self)
        for key, entry in services.items():
            write_entry(f"{name}-service-{key}", entry, config_json(entry, stack), self)

        self.proxy_defaults = mesh_entry.id
        self.bootstrap_hash = resolved.apply(bootstrap_hash)
        self.collector_url = resolved.apply(collector_url)
        self.gateway_envoy_args = pulumi.Output.from_input(_gateway_envoy_args(settings))
        self.services = pulumi.Output.from_input(sorted({entry.name for entry in services.values()}))
        self.warnings = resolved.apply(self._warn)
        self.register_outputs({output: getattr(self, output) for output in MeshTracing.__annotations__})

    def _refuse_harm(self, settings: MeshSettings) -> None:
        if settings.gateways != "skip" or not settings.enabled:
            return
        try:
            live = live_entry(proxy_defaults(settings), self)
        except Unreadable as error:
            told = f'gateways: "skip" needs a look at the live entry, and Consul cannot be read: {error}'
            if not pulumi.runtime.is_dry_run():
                raise Refused(told) from None
            pulumi.log.warn(f"{told}\nAn up would stop here.", self)
        else:
            refuse_missing_cluster(live)

    def _warn(self, settings: MeshSettings) -> list[str]:
        warnings = list(advice(settings, single_machine=single_machine()))
        for warning in warnings:
            pulumi.log.warn(warning, self)
        return warnings


def _resolved(name: str, settings: MeshSettings, args: MeshTracingArgs) -> pulumi.Output[MeshSettings]:
    """The settings with the collector's host, which may be an Output."""
    host = args["collector"]["host"]
    if not isinstance(host, pulumi.Output):
        return pulumi.Output.from_input(settings)

    def check(known: list[object]) -> MeshSettings:
        value, secret = known
        try:
            return settings.at(name, value, secret=bool(secret))
        except InvalidInput as refusal:
            raise WrongOutput(str(refusal)) from None

    return pulumi.Output.all(host, host.is_secret()).apply(check)


def _stack_name() -> str:
    # Backends without organizations, and engines that tell none, have this one (Pulumi's name for it).
    return f"{pulumi.get_organization() or 'organization'}/{pulumi.get_project()}/{pulumi.get_stack()}"


def _gateway_envoy_args(settings: MeshSettings) -> list[str]:
    if not settings.enabled or settings.gateways == "skip":
        return []
    return ["--config-yaml", canonical_json(gateway_runtime(settings.sampling))]
