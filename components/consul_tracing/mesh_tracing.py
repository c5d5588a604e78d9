"""MeshTracing: the tracing of one Consul mesh as a Pulumi component."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

import pulumi

from .advice import advice, declares_http
from .args import MeshTracingArgs
from .claims import claim
from .consul_writer import ConsulWriter
from .entries import Entry, bootstrap_hash, canonical_json, proxy_defaults, service_defaults
from .envoy import HTTP_PROTOCOLS, collector_url, gateway_runtime
from .errors import InvalidInput, Unreadable, WrongOutput
from .extra import kubernetes_sdk
from .ownership import Policy, refuse_missing_cluster
from .plan_report import restart_text
from .planning import continue_in_previews, plan_entries, report
from .stack_config import single_machine
from .switch_over import candidates, gateways, switch_over_text, switches_over, undeclared
from .zipkin_collector import ZipkinCollector

if TYPE_CHECKING:
    from .fields import JsonObject
    from .settings import MeshSettings
    from .writers import Writer

Value = TypeVar("Value")

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
        if settings.target == "kubernetes":
            kubernetes_sdk("target: kubernetes")
        # The arguments are not given on: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        resolved = _resolved(name, settings, args)
        writer = self._writer(settings, waits_for_others=bool(opts and opts.depends_on))
        services = {f"{name}-service-{key}": entry for key, entry in service_defaults(settings).items()}
        mesh_name, mesh_entry = f"{name}-proxy-defaults", proxy_defaults(settings)
        entries = {mesh_name: mesh_entry, **services}
        claim(entries.values(), writer, name)

        planned = plan_entries(writer, entries)
        plans, live = planned.plans, planned.live
        if settings.enabled and settings.gateways == "skip" and live:
            refuse_missing_cluster(live[mesh_name])
        if isinstance(writer, ConsulWriter) and live and switches_over(settings, live[mesh_name]):
            self._tell_what_switches_over(writer, settings, services.values())
        report(writer, entries, planned, tracing=settings.enabled)
        http_elsewhere = bool(live) and self._http_elsewhere(writer, settings, entries.values(), live[mesh_name])

        # Nothing is declared before everything that can be refused has been.
        if settings.zipkin_collector is not None:
            ZipkinCollector(f"{name}-zipkin", args["zipkin_collector"], pulumi.ResourceOptions(parent=self))
        written = {
            resource_name: writer.write(
                resource_name,
                entry,
                plans[resource_name],
                writer.rendered(entry, plans[resource_name], resource_name),
            )
            for resource_name, entry in services.items()
        }
        mesh = resolved.apply(proxy_defaults)
        plan = plans[mesh_name]
        written[mesh_name] = writer.write(
            mesh_name,
            mesh_entry,
            plan,
            mesh.apply(lambda entry: writer.rendered(entry, plan, mesh_name)),
            after=[written[f"{name}-service-{service}"] for service in _before_the_mesh(settings)],
        )
        settled = writer.settled(list(written.values()))

        self.proxy_defaults = _after(settled, written[mesh_name].id)
        new_hash = mesh.apply(lambda entry: bootstrap_hash(plan.body(entry)))
        if live:
            new_hash = new_hash.apply(lambda new: self._log_restart(bootstrap_hash(live[mesh_name] or {}), new))
        self.bootstrap_hash = _after(settled, new_hash)
        self.collector_url = resolved.apply(collector_url)
        self.gateway_envoy_args = pulumi.Output.from_input(_gateway_envoy_args(settings))
        self.services = pulumi.Output.from_input(sorted({entry.name for entry in services.values()}))
        self.warnings = resolved.apply(lambda known: self._warn(known, http_elsewhere=http_elsewhere))
        self.register_outputs({output: getattr(self, output) for output in MeshTracing.__annotations__})

    def _writer(self, settings: "MeshSettings", *, waits_for_others: bool) -> "Writer":
        policy = _policy(settings)
        if settings.target == "consul":
            return ConsulWriter(self, policy)
        # Here, since only this target pays for it.
        from .kubernetes_writer import KubernetesWriter  # noqa: PLC0415

        return KubernetesWriter(
            self,
            policy,
            sync_timeout=settings.sync_timeout_seconds,
            migrate=settings.migrate_entries,
            waits_for_others=waits_for_others,
        )

    def _tell_what_switches_over(
        self, writer: ConsulWriter, settings: "MeshSettings", declared: Iterable[Entry]
    ) -> None:
        try:
            found = candidates(writer.catalogued_services(settings.partition), declared, settings)
            names = undeclared(dict(zip((entry.name for entry in found), writer.look(found), strict=True)))
            names = _without_gateways(names, writer, settings)
        except Unreadable as error:
            continue_in_previews(writer, error)
        else:
            if names:
                pulumi.log.warn(switch_over_text(names), self)

    def _http_elsewhere(
        self, writer: "Writer", settings: "MeshSettings", entries: Iterable[Entry], live: "JsonObject | None"
    ) -> bool:
        """Whether services that this component does not declare are HTTP. Asked only where it declares none that is."""
        if not settings.enabled or declares_http(settings):
            return False
        if ((live or {}).get("Config") or {}).get("protocol") in HTTP_PROTOCOLS:
            return True
        try:
            return writer.declares_http(list(entries), settings)
        except Unreadable:
            return False

    def _log_restart(self, old: str, new: str) -> str:
        if old != new:
            pulumi.log.info(restart_text(old, new), self)
        return new

    def _warn(self, settings: "MeshSettings", *, http_elsewhere: bool) -> list[str]:
        on_one_machine = settings.target == "consul" and single_machine()
        warnings = list(advice(settings, single_machine=on_one_machine, http_elsewhere=http_elsewhere))
        for warning in warnings:
            pulumi.log.warn(warning, self)
        # The collector logs its own.
        return [*warnings, *(settings.zipkin_collector.warnings() if settings.zipkin_collector else [])]


def _without_gateways(names: list[str], writer: ConsulWriter, settings: "MeshSettings") -> list[str]:
    found = gateways(names, settings)
    try:
        live = writer.look(found)
    except Unreadable:  # a provider or a token that knows services only
        return names
    there = {entry.name for entry, body in zip(found, live, strict=True) if body is not None}
    return [name for name in names if name not in there]


def _resolved(name: str, settings: "MeshSettings", args: MeshTracingArgs) -> "pulumi.Output[MeshSettings]":
    """The settings with the collector's host, which may be an Output."""
    host = args["collector"]["host"] if "collector" in args else None
    if not isinstance(host, pulumi.Output):
        return pulumi.Output.from_input(settings)

    def check(known: list[object]) -> "MeshSettings":
        value, secret = known
        try:
            return settings.at(name, value, secret=bool(secret))
        except InvalidInput as refusal:
            raise WrongOutput(str(refusal)) from None

    return pulumi.Output.all(host, host.is_secret()).apply(check)


def _after(settled: pulumi.Output[object], output: "pulumi.Output[Value]") -> "pulumi.Output[Value]":
    """`output`, once Consul has what was written: what is made from it finds the mesh as it says."""
    return pulumi.Output.all(output, settled).apply(lambda both: both[0])


def _before_the_mesh(settings: "MeshSettings") -> list[str]:
    """The services that must be tcp before the whole mesh is parsed as HTTP."""
    return list(settings.tcp_services or []) if settings.default_protocol in HTTP_PROTOCOLS else []


def _policy(settings: "MeshSettings") -> Policy:
    return Policy(settings.existing, settings.owner or _stack_name(), settings.renamed_from, settings.release)


def _stack_name() -> str:
    # Backends without organizations, and engines that tell none, have this one (Pulumi's name for it).
    return f"{pulumi.get_organization() or 'organization'}/{pulumi.get_project()}/{pulumi.get_stack()}"


def _gateway_envoy_args(settings: "MeshSettings") -> list[str]:
    if not settings.enabled or settings.gateways == "skip":
        return []
    return ["--config-yaml", canonical_json(gateway_runtime(settings.sampling))]
