"""MeshTracing: the tracing of one Consul mesh as a Pulumi component."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import pulumi

from .advice import advice
from .args import MeshTracingArgs
from .claims import claim
from .entries import Entry, bootstrap_hash, canonical_json, config_json, proxy_defaults, service_defaults
from .envoy import collector_url, gateway_runtime
from .errors import InvalidInput, Refused, WrongOutput
from .ownership import Decision, Policy, decide, decide_all, kept_text, refuse_missing_cluster
from .stack_config import single_machine
from .switch_over import candidates, switch_over_text, switches_over, undeclared
from .writers import Unreadable, catalogued_services, live_entries, write_entry

if TYPE_CHECKING:
    from .fields import JsonObject
    from .settings import MeshSettings

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
        # Here, since it loads pydantic: a program that declares no mesh does not pay for it.
        from .settings import MeshSettings  # noqa: PLC0415

        settings = MeshSettings.of(name, args)
        # The arguments are not given on: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        resolved = _resolved(name, settings, args)
        policy = Policy(settings.existing, _stack_name(), settings.renamed_from)
        services = {f"{name}-service-{key}": entry for key, entry in service_defaults(settings).items()}
        mesh_name, mesh_entry = f"{name}-proxy-defaults", proxy_defaults(settings)
        entries = {mesh_name: mesh_entry, **services}
        claim(entries.values(), self, name)

        live = self._live_entries(entries)
        if settings.enabled and settings.gateways == "skip" and live:
            refuse_missing_cluster(live[mesh_name])
        decisions = decide_all(entries, live, policy)
        if live and switches_over(settings, live[mesh_name]):
            self._tell_what_switches_over(settings, services.values())
        self._tell_what_is_kept(entries, decisions)

        mesh_body = resolved.apply(
            lambda known: decide(proxy_defaults(known), live.get(mesh_name), policy, mesh_name).body
        )
        mesh_text = mesh_body.apply(lambda body: config_json(mesh_entry.kind, body, policy.marks(mesh_entry)))
        written = write_entry(mesh_name, mesh_entry, mesh_text, self, shared=decisions[mesh_name].is_shared)
        for resource_name, entry in services.items():
            decision = decisions[resource_name]
            text = config_json(entry.kind, decision.body, policy.marks(entry))
            write_entry(resource_name, entry, text, self, shared=decision.is_shared)

        self.proxy_defaults = written.id
        self.bootstrap_hash = mesh_body.apply(bootstrap_hash)
        self.collector_url = resolved.apply(collector_url)
        self.gateway_envoy_args = pulumi.Output.from_input(_gateway_envoy_args(settings))
        self.services = pulumi.Output.from_input(sorted({entry.name for entry in services.values()}))
        self.warnings = resolved.apply(self._warn)
        self.register_outputs({output: getattr(self, output) for output in MeshTracing.__annotations__})

    def _live_entries(self, entries: Mapping[str, Entry]) -> "dict[str, JsonObject | None]":
        """What Consul has now, by resource name; empty in a preview that cannot reach it."""
        try:
            return dict(zip(entries, live_entries(list(entries.values()), self), strict=True))
        except Unreadable as error:
            self._go_on_in_previews(error)
            return {}

    def _go_on_in_previews(self, error: Unreadable) -> None:
        if not pulumi.runtime.is_dry_run():
            raise Refused(
                f"Consul cannot be read, and nothing is written without a look at what others wrote: {error}"
            ) from None
        pulumi.log.warn(
            f"Consul cannot be read, so this preview knows nothing of what others wrote; an up would stop: {error}",
            self,
        )

    def _tell_what_switches_over(self, settings: "MeshSettings", declared: Iterable[Entry]) -> None:
        try:
            found = candidates(catalogued_services(settings.partition, self), declared, settings)
            names = undeclared(dict(zip((entry.name for entry in found), live_entries(found, self), strict=True)))
        except Unreadable as error:
            self._go_on_in_previews(error)
        else:
            if names:
                pulumi.log.warn(switch_over_text(names), self)

    def _tell_what_is_kept(self, entries: Mapping[str, Entry], decisions: Mapping[str, Decision]) -> None:
        for resource_name, entry in entries.items():
            if told := kept_text(entry, decisions[resource_name]):
                pulumi.log.info(told, self)

    def _warn(self, settings: "MeshSettings") -> list[str]:
        warnings = list(advice(settings, single_machine=single_machine()))
        for warning in warnings:
            pulumi.log.warn(warning, self)
        return warnings


def _resolved(name: str, settings: "MeshSettings", args: MeshTracingArgs) -> "pulumi.Output[MeshSettings]":
    """The settings with the collector's host, which may be an Output."""
    host = args["collector"]["host"]
    if not isinstance(host, pulumi.Output):
        return pulumi.Output.from_input(settings)

    def check(known: list[object]) -> "MeshSettings":
        value, secret = known
        try:
            return settings.at(name, value, secret=bool(secret))
        except InvalidInput as refusal:
            raise WrongOutput(str(refusal)) from None

    return pulumi.Output.all(host, host.is_secret()).apply(check)


def _stack_name() -> str:
    # Backends without organizations, and engines that tell none, have this one (Pulumi's name for it).
    return f"{pulumi.get_organization() or 'organization'}/{pulumi.get_project()}/{pulumi.get_stack()}"


def _gateway_envoy_args(settings: "MeshSettings") -> list[str]:
    if not settings.enabled or settings.gateways == "skip":
        return []
    return ["--config-yaml", canonical_json(gateway_runtime(settings.sampling))]
