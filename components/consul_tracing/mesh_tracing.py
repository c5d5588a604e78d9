"""MeshTracing: the tracing of one Consul mesh as a Pulumi component."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

import pulumi

from .backends.consul import ConsulBackend
from .backends.duplicates import reject_duplicates
from .backends.kubernetes.sdk import kubernetes_sdk
from .backends.messages import restart_text
from .backends.planning import plan_entries, report
from .entries.bodies import bootstrap_hash, canonical_json, proxy_defaults, service_defaults
from .entries.entry import Entry
from .entries.ownership import Policy, reject_missing_cluster
from .envoy import collector_url, gateway_runtime
from .errors import InvalidInputError, InvalidOutputError, UnreadableError
from .inputs.mesh_args import MeshTracingArgs
from .inputs.warnings import declares_http, setting_warnings
from .names import HTTP_PROTOCOLS
from .zipkin_collector import ZipkinCollector

if TYPE_CHECKING:
    from .backends.base import Backend
    from .inputs.mesh_settings import MeshSettings
    from .names import JsonObject

Value = TypeVar("Value")

TYPE_TOKEN = "consul-tracing:index:MeshTracing"  # noqa: S105 - Pulumi calls the name of a type a token


class MeshTracing(pulumi.ComponentResource):
    """Tracing for one Consul mesh: the global `proxy-defaults` and the `service-defaults` of each declared service.

    Raises InvalidInputError before anything is registered, and ConflictError before anything is written.
    """

    proxy_defaults: pulumi.Output[str]
    """The id of the `proxy-defaults` entry."""

    bootstrap_hash: pulumi.Output[str]
    """A short hash of the configuration that proxies read at their start. As an annotation of pods it restarts them."""

    collector_url: pulumi.Output[str]
    """The URL to which proxies send spans."""

    gateway_envoy_args: pulumi.Output[list[str]]
    """Arguments with which a gateway's Envoy starts traces: `consul connect envoy … -- <arguments>`.

    Empty for `gateways: skip` and `enabled: false`, where a gateway has no tracer.
    """

    services: pulumi.Output[list[str]]
    """The names of the declared services in Consul's catalog, sorted."""

    warnings: pulumi.Output[list[str]]
    """Side effects of valid inputs. They are also logged."""

    def __init__(self, name: str, args: MeshTracingArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        """Declare the tracing of `args` under the resource name `name`."""
        # Imported here because pydantic is slow to import: programs without a mesh do not need it.
        from .inputs.mesh_settings import MeshSettings  # noqa: PLC0415

        settings = MeshSettings.of(name, args)
        if settings.target == "kubernetes":
            kubernetes_sdk("target: kubernetes")
        # Without the arguments: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        resolved = _resolved(name, settings, args)
        backend = self._backend(settings, has_dependencies=bool(opts and opts.depends_on))
        services = {f"{name}-service-{key}": entry for key, entry in service_defaults(settings).items()}
        mesh_name, mesh_entry = f"{name}-proxy-defaults", proxy_defaults(settings)
        entries = {mesh_name: mesh_entry, **services}
        reject_duplicates(entries.values(), backend, name)

        planned = plan_entries(backend, entries)
        plans, live = planned.plans, planned.live
        http_elsewhere = False
        if live:
            if settings.enabled and settings.gateways == "skip":
                reject_missing_cluster(live[mesh_name])
            backend.warn_of_http_default(settings, services.values(), live[mesh_name])
            http_elsewhere = _http_elsewhere(backend, settings, entries.values(), live[mesh_name])
        report(backend, entries, planned, tracing=settings.enabled)

        # Nothing is registered before all checks have passed.
        if settings.zipkin_collector is not None:
            ZipkinCollector(f"{name}-zipkin", args["zipkin_collector"], pulumi.ResourceOptions(parent=self))
        written = {
            resource_name: backend.write(
                resource_name,
                entry,
                plans[resource_name],
                backend.rendered(entry, plans[resource_name], resource_name),
            )
            for resource_name, entry in services.items()
        }
        mesh = resolved.apply(proxy_defaults)
        plan = plans[mesh_name]
        written[mesh_name] = backend.write(
            mesh_name,
            mesh_entry,
            plan,
            mesh.apply(lambda entry: backend.rendered(entry, plan, mesh_name)),
            after=[written[f"{name}-service-{service}"] for service in _services_before_mesh(settings)],
        )
        synced = backend.synced_output(list(written.values()))

        self.proxy_defaults = _after(synced, written[mesh_name].id)
        new_hash = mesh.apply(lambda entry: bootstrap_hash(plan.body(entry)))
        if live:
            new_hash = new_hash.apply(lambda new: self._report_restart(bootstrap_hash(live[mesh_name] or {}), new))
        self.bootstrap_hash = _after(synced, new_hash)
        self.collector_url = resolved.apply(collector_url)
        self.gateway_envoy_args = pulumi.Output.from_input(_gateway_envoy_args(settings))
        self.services = pulumi.Output.from_input(sorted({entry.name for entry in services.values()}))
        self.warnings = resolved.apply(
            lambda known: self._warn(known, single_machine=backend.is_local, http_elsewhere=http_elsewhere)
        )
        self.register_outputs({output: getattr(self, output) for output in MeshTracing.__annotations__})

    def _backend(self, settings: "MeshSettings", *, has_dependencies: bool) -> "Backend":
        policy = Policy(settings.existing, settings.owner or _stack_name(), settings.renamed_from, settings.release)
        if settings.target == "consul":
            return ConsulBackend(self, policy)
        # Imported here because the Kubernetes SDK is slow to import: only this backend needs it.
        from .backends.kubernetes.backend import KubernetesBackend  # noqa: PLC0415

        return KubernetesBackend(
            self,
            policy,
            sync_timeout=settings.sync_timeout_seconds,
            migrate=settings.migrate_entries,
            has_dependencies=has_dependencies,
        )

    def _report_restart(self, old: str, new: str) -> str:
        if old != new:
            pulumi.log.info(restart_text(old, new), self)
        return new

    def _warn(self, settings: "MeshSettings", *, single_machine: bool, http_elsewhere: bool) -> list[str]:
        warnings = list(setting_warnings(settings, single_machine=single_machine, http_elsewhere=http_elsewhere))
        for warning in warnings:
            pulumi.log.warn(warning, self)
        # The collector logs its own warnings.
        return [*warnings, *(settings.zipkin_collector.warnings() if settings.zipkin_collector else [])]


def _http_elsewhere(
    backend: "Backend", settings: "MeshSettings", entries: Iterable[Entry], live: "JsonObject | None"
) -> bool:
    """Return whether a service that the component does not declare is HTTP. Reads only if it declares none itself."""
    if not settings.enabled or declares_http(settings):
        return False
    if ((live or {}).get("Config") or {}).get("protocol") in HTTP_PROTOCOLS:
        return True
    try:
        return backend.declares_http(list(entries), settings)
    except UnreadableError:
        return False


def _resolved(name: str, settings: "MeshSettings", args: MeshTracingArgs) -> "pulumi.Output[MeshSettings]":
    """Return the settings with the collector's host, which may be an Output."""
    host = args["collector"]["host"] if "collector" in args else None
    if not isinstance(host, pulumi.Output):
        return pulumi.Output.from_input(settings)

    def check(known: list[object]) -> "MeshSettings":
        value, secret = known
        try:
            return settings.at(name, value, secret=bool(secret))
        except InvalidInputError as error:
            raise InvalidOutputError(name, error.problems) from None

    return pulumi.Output.all(host, host.is_secret()).apply(check)


def _after(synced: pulumi.Output[object], output: "pulumi.Output[Value]") -> "pulumi.Output[Value]":
    """Return the output as soon as Consul has the entries, for resources that depend on them."""
    return pulumi.Output.all(output, synced).apply(lambda both: both[0])


def _services_before_mesh(settings: "MeshSettings") -> list[str]:
    """Return the services whose protocol must be tcp before the default of the mesh becomes HTTP."""
    return list(settings.tcp_services or []) if settings.default_protocol in HTTP_PROTOCOLS else []


def _stack_name() -> str:
    # Pulumi's name for the organization of state backends without organizations.
    return f"{pulumi.get_organization() or 'organization'}/{pulumi.get_project()}/{pulumi.get_stack()}"


def _gateway_envoy_args(settings: "MeshSettings") -> list[str]:
    if not settings.enabled or settings.gateways == "skip":
        return []
    return ["--config-yaml", canonical_json(gateway_runtime(settings.sampling))]
