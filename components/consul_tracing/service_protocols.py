"""ServiceProtocols: the protocols of services, for teams that do not manage the tracing of the mesh."""

from typing import Any, Unpack, overload

import pulumi

from .backends.base import output_after, synced_output
from .backends.kubernetes.sdk import kubernetes_sdk
from .backends.planning import accept, plan_entries
from .backends.selection import select_backend
from .component import NO_ARGS, EntryComponent
from .entries.bodies import service_resources
from .inputs.args import ServiceProtocolsArgs
from .inputs.entry_settings import ServiceProtocolsSettings
from .inputs.warnings import service_warnings
from .outputs import known

TYPE_TOKEN = "consul-tracing:index:ServiceProtocols"  # noqa: S105 - Pulumi calls the name of a type a token


class ServiceProtocols(EntryComponent):
    """The `service-defaults` of services in a mesh whose tracing another stack manages. Never writes `proxy-defaults`.

    Raises InvalidInputError before anything is registered, and ConflictError before anything is written.
    """

    services: pulumi.Output[list[str]]
    """The names of the declared services in Consul's catalog, sorted."""

    warnings: pulumi.Output[list[str]]
    """Side effects of valid inputs. They are also logged."""

    @overload
    def __init__(self, name: str, args: ServiceProtocolsArgs, opts: pulumi.ResourceOptions | None = None) -> None: ...

    @overload
    def __init__(
        self, name: str, *, opts: pulumi.ResourceOptions | None = None, **inputs: Unpack[ServiceProtocolsArgs]
    ) -> None: ...

    def __init__(
        self,
        name: str,
        args: ServiceProtocolsArgs = NO_ARGS,
        opts: pulumi.ResourceOptions | None = None,
        **inputs: Any,
    ) -> None:
        """Declare the services of a team. `name` is the name of the resource in Pulumi.

        The inputs are the map `args` or keyword arguments.
        """
        given = known(name, args, inputs)
        settings = ServiceProtocolsSettings.of(name, given.args)
        if settings.target == "kubernetes":
            kubernetes_sdk("target: kubernetes")
        # Without the arguments: Pulumi would read their `services` back as the output of that name.
        super().__init__(TYPE_TOKEN, name, None, opts)
        backend = select_backend(self, settings)
        planned = plan_entries(backend, service_resources(settings))
        accept(backend, list(planned.values()))
        written = {key: backend.write(one, used=given.used()) for key, one in planned.items()}
        self._entries = {key: one.resource for key, one in written.items()}
        synced = synced_output(backend, written.values())

        self.services = output_after(synced, pulumi.Output.from_input(sorted(settings.service_names)))
        self.warnings = pulumi.Output.from_input(self.logged(service_warnings(settings)))
        self.register_outputs({output: getattr(self, output) for output in ServiceProtocols.__annotations__})
