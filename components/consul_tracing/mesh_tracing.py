"""MeshTracing: the tracing of one Consul mesh as a Pulumi component."""

from typing import TYPE_CHECKING, Any, Unpack

import pulumi

from .backends.base import output_after, synced_output
from .backends.default_protocol import default_of, is_http_elsewhere, warn_of_http_default
from .backends.kubernetes.sdk import kubernetes_sdk
from .backends.plan_messages import restart_text, sampler_text
from .backends.planning import accept, plan_entries
from .backends.selection import select_backend
from .component import NO_ARGS, EntryComponent
from .entries.bodies import bootstrap_hash, gateway_arguments, proxy_defaults, service_resources
from .entries.ownership import missing_cluster_text
from .entries.propagation import adds_sampler, broken_traces_text
from .entries.registrations import own_keys, proxy_annotations, proxy_environments
from .envoy import collector_url
from .inputs.args import MeshTracingArgs
from .inputs.mesh_settings import MeshSettings
from .inputs.warnings import declares_http, setting_warnings
from .names import HTTP_PROTOCOLS
from .outputs import known
from .run_errors import ConflictError
from .stack_config import single_machine
from .zipkin_collector import ZipkinCollector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .backends.base import Backend
    from .backends.live import Live
    from .entries.entry import Entry

TYPE_TOKEN = "consul-tracing:index:MeshTracing"  # noqa: S105 - Pulumi calls the name of a type a token

MESH = "proxy-defaults"
"""Name of the resource that writes the entry of the mesh, after that of the component."""

SERVICE_INPUTS = ("services", "namespace", "metadata")
"""The inputs that the entries of services contain."""

MESH_INPUTS = tuple(name for name in MeshTracingArgs.__annotations__ if name != "services")
"""The inputs that the entry of the mesh contains."""


class MeshTracing(EntryComponent):
    """Tracing for one Consul mesh: the global `proxy-defaults` and the `service-defaults` of each declared service.

    Raises InvalidInputError before anything is registered, and ConflictError before anything is written.
    """

    proxy_defaults: pulumi.Output[str]
    """The id of the `proxy-defaults` entry."""

    bootstrap_hash: pulumi.Output[str]
    """A short hash of the configuration that proxies read at startup. As an annotation of pods it restarts them."""

    collector_url: pulumi.Output[str]
    """The URL to which proxies send spans."""

    gateway_envoy_args: pulumi.Output[list[str]]
    """Arguments with which a gateway's Envoy starts traces: `consul connect envoy … -- <arguments>`.

    Empty for `gateways: skip` and `enabled: false`, where a gateway has no tracer.
    """

    proxy_environment: pulumi.Output[dict[str, dict[str, str]]]
    """Environment variables for the proxies of each service, by the service's name in Consul's catalog.

    They set the service name of its spans: `OTEL_RESOURCE_ATTRIBUTES` or `DD_SERVICE`. The Zipkin tracer needs none.
    The key `*` is the template for services of other stacks, with `{service}` in place of the name. Services with the
    same name in several namespaces have their keys in `services`.
    """

    proxy_annotations: pulumi.Output[dict[str, dict[str, str]]]
    """Annotations for the pods of each service (consul-k8s), by the service's name in Consul's catalog.

    They set the service name of its spans with OpenTelemetry and Datadog, and what `services.<name>.tracing` sets. The
    keys are those of `proxy_environment`.
    """

    services: pulumi.Output[list[str]]
    """The names of the declared services in Consul's catalog, sorted."""

    warnings: pulumi.Output[list[str]]
    """Side effects of valid inputs. They are also logged."""

    def __init__(
        self,
        name: str,
        args: MeshTracingArgs = NO_ARGS,
        opts: pulumi.ResourceOptions | None = None,
        **inputs: Unpack[MeshTracingArgs],
    ) -> None:
        """Declare the tracing of a mesh. `name` is the name of the resource in Pulumi.

        The inputs are the map `args`, keyword arguments, or both.
        """
        resolved = known(name, _with_address(args), _with_address(inputs))
        settings = MeshSettings.of(name, resolved.args)
        if settings.target == "kubernetes":
            kubernetes_sdk("target: kubernetes")
        # Without the arguments: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        backend = select_backend(self, settings)
        planned = plan_entries(backend, {MESH: proxy_defaults(settings), **service_resources(settings)})
        mesh = planned[MESH]
        http_elsewhere = _check_live_mesh(backend, settings, mesh.live, [one.entry for one in planned.values()])
        accept(backend, list(planned.values()))

        # Nothing is registered before all checks have passed.
        if settings.zipkin_collector is not None:
            ZipkinCollector(f"{name}-zipkin", resolved.given["zipkin_collector"], pulumi.ResourceOptions(parent=self))
        in_services, in_mesh = resolved.used(*SERVICE_INPUTS), resolved.used(*MESH_INPUTS)
        written = {key: backend.write(one, used=in_services) for key, one in planned.items() if key != MESH}
        # The protocol of these services must be tcp before the default of the mesh becomes HTTP.
        first = (settings.tcp_services or ()) if settings.default_protocol in HTTP_PROTOCOLS else ()
        before = [written[f"service-{service}"].resource for service in first]
        written[MESH] = backend.write(mesh, before, in_mesh)
        self._entries = {key: one.resource for key, one in written.items()}
        synced = synced_output(backend, written.values())

        self.proxy_defaults = output_after(synced, written[MESH].resource.id)
        new_hash = written[MESH].body().apply(bootstrap_hash)
        if mesh.live.is_known:
            old_hash = bootstrap_hash(mesh.live.body or {})
            new_hash = new_hash.apply(lambda new: self._report_restart(old_hash, new, settings))
        self.bootstrap_hash = output_after(synced, new_hash)
        known_mesh = pulumi.Output.from_input(in_mesh)
        self.collector_url = known_mesh.apply(lambda _: collector_url(settings))
        self.gateway_envoy_args = pulumi.Output.from_input(gateway_arguments(settings))
        names = sorted(settings.service_names)
        self.proxy_environment = pulumi.Output.from_input(proxy_environments(settings))
        self.proxy_annotations = known_mesh.apply(lambda _: proxy_annotations(settings))
        self.services = output_after(synced, pulumi.Output.from_input(names))
        is_local = settings.target == "consul" and single_machine()
        warnings = self.logged(setting_warnings(settings, single_machine=is_local, http_elsewhere=http_elsewhere))
        # The collector logs its own warnings.
        warnings += settings.zipkin_collector.warnings() if settings.zipkin_collector else []
        self.warnings = known_mesh.apply(lambda _: warnings)
        self.register_outputs({output: getattr(self, output) for output in MeshTracing.__annotations__})

    def _report_restart(self, old: str, new: str, settings: MeshSettings) -> str:
        if old != new:
            text = restart_text(old, new, is_enabled=settings.enabled, own_keys=own_keys(settings))
            pulumi.log.info(text, self)
        return new


def _check_live_mesh(
    backend: "Backend[Any]", settings: MeshSettings, live: "Live", declared: "Sequence[Entry]"
) -> bool:
    """Reject or report the effects of the settings on running proxies. Raises ConflictError.

    Return whether a service that the component does not declare is HTTP. `declared`: the mesh is the first entry.
    """
    if not live.is_known:
        return False
    body = declared[0].body
    is_skipped = settings.enabled and settings.gateways == "skip"
    if text := missing_cluster_text(live.body) if is_skipped else "":
        raise ConflictError(text)
    if text := "" if settings.accept_broken_traces else broken_traces_text(live.body, body):
        raise ConflictError(text)
    if adds_sampler(live.body, body):
        pulumi.log.warn(sampler_text(), backend.component)
    warn_of_http_default(backend, settings, declared, live.body)
    if not settings.enabled or declares_http(settings):
        return False
    return default_of(live.body) in HTTP_PROTOCOLS or is_http_elsewhere(backend, declared, settings.partition)


def _with_address(args: Any) -> Any:  # noqa: ANN401 - not validated yet
    """Return the arguments with the address of a ZipkinCollector in place of the component."""
    match args:
        case {"collector": ZipkinCollector() as zipkin}:
            return {**args, "collector": {"host": zipkin.host, "port": zipkin.port}}
        case _:
            return args
