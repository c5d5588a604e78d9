"""Config entries over Consul's HTTP API, through the provider of the caller."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_consul

from consul_tracing.entries.bodies import config_json
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import ownership_metadata
from consul_tracing.errors import UnreadableError
from consul_tracing.names import HTTP_PROTOCOLS
from consul_tracing.stack_config import single_machine

from .base import Live, child_options, continue_in_previews, provider_urn, registered_urn
from .consul_api import live_entries, service_names
from .default_protocol import (
    SIDECAR_SUFFIX,
    enables_http_default,
    gateways,
    http_default_text,
    undeclared_services,
    without_protocol,
)
from .identity import CONFIG_ENTRY, identity_of
from .stack_state import StackState
from .urns import child_urn, type_of
from .write_guard import WriteGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Identity
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

    from .base import Planned, WhenDeleted


class ConsulBackend:
    """Backend for `target: consul`."""

    server: str = "Consul"
    provider_package: str = "consul"
    unknown = Live(is_known=False)

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write entries as children of the component, with the owner of the policy."""
        self.component = component
        self.urn = registered_urn(component)
        self.policy = policy
        self.state = StackState()
        self.is_local = single_machine()

    def title(self, entry: Entry) -> str:
        """`proxy-defaults/global`."""
        return entry.title

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """`consul config` has no patch, so the entry is read, edited and written."""
        flags = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
        read = " ".join(f"-{flag} {value}" for flag, value in flags.items() if value)
        keys = ", ".join(f'.Meta["{key}"]' for key in metadata)
        return f"consul config read {read} | jq 'del({keys})' | consul config write -"

    def overwrite_steps(self, entry: Entry, resource_name: str, repeated: Sequence[str]) -> list[str]:  # noqa: ARG002 - the same for all
        """Pulumi compares with its own state, which may still have the entry as this stack wrote it."""
        return ["set existing: overwrite", "pulumi up --refresh"]

    def scope(self) -> str | None:
        """Return the URN of the Consul provider, None for the default provider."""
        return provider_urn(self.component, CONFIG_ENTRY)

    def read(self, entries: Sequence[Entry]) -> list[Live]:
        """Return the live entries. Raises UnreadableError."""
        live = [Live(body) for body in live_entries(entries, self.component)]
        # Registered here: later, the registration of the hook would compete with those of the resources.
        _ = self._guard
        return live

    @cached_property
    def _guard(self) -> WriteGuard:
        return WriteGuard(self.component, self.urn)

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """Return the body of the entry in a resource's outputs, None if they are those of another entry."""
        if not outputs.get("configJson") or identity_of(CONFIG_ENTRY, outputs) != entry.identity:
            return None
        body: JsonObject = json.loads(outputs["configJson"])
        return body

    def holders(self, entry: Entry, live: Live, declared: Mapping[str, Identity]) -> Mapping[str, bool]:  # noqa: ARG002 - for Kubernetes
        """Return the ConfigEntry resources of the state with this identity."""
        held = self.state.holders(entry)
        return {
            urn: False for urn, identity in held.items() if type_of(urn) == CONFIG_ENTRY and identity == entry.identity
        }

    def service(self, entry: Entry) -> Service:
        """Return the name, the namespace and the partition of the entry."""
        return entry.identity[1:]

    def catalog(self, services: Collection[Service]) -> Collection[Service]:
        """Return the services, and those of the catalog in their namespaces if it can be read."""
        places = {(namespace, partition) for _, namespace, partition in services}
        try:
            names = {place: service_names(self.component, *map(_unless_default, place)) for place in places}
        except UnreadableError:
            return services
        found = {(name, *place) for place in places for name in names[place] if not name.endswith(SIDECAR_SUFFIX)}
        return found.union(services)

    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:
        """Return the live entries of a kind with the names of these services. Raises UnreadableError."""
        entries = [Entry(kind, name, {}, *map(_unless_default, place)) for name, *place in sorted(services)]
        live = live_entries(entries, self.component)
        return [replace(entry, body=body) for entry, body in zip(entries, live, strict=True) if body is not None]

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Return whether a service of the catalog outside of `entries` has an HTTP protocol. Raises UnreadableError."""
        found = undeclared_services(service_names(self.component, partition=settings.partition), entries, settings)
        return any((body or {}).get("Protocol") in HTTP_PROTOCOLS for body in live_entries(found, self.component))

    def warn_of_http_default(
        self, settings: MeshSettings, declared: Sequence[Entry], live_mesh: JsonObject | None
    ) -> None:
        """Warn of services in the catalog that an HTTP `default_protocol` affects and that no stack declares."""
        if not enables_http_default(settings, live_mesh):
            return
        try:
            found = undeclared_services(service_names(self.component, partition=settings.partition), declared, settings)
            live = live_entries(found, self.component)
            names = without_protocol(dict(zip((entry.name for entry in found), live, strict=True)))
            names = self._without_gateways(names, settings)
        except UnreadableError as error:
            continue_in_previews(self, error)
        else:
            if names:
                pulumi.log.warn(http_default_text(names), self.component)

    def _without_gateways(self, names: list[str], settings: MeshSettings) -> list[str]:
        found = gateways(names, settings)
        try:
            live = live_entries(found, self.component)
        except UnreadableError:  # the provider or the token does not support entries of gateways
            return names
        existing = {entry.name for entry, body in zip(found, live, strict=True) if body is not None}
        return [name for name in names if name not in existing]

    def resource(self, entry: Entry, resource_name: str, live: Live) -> str:  # noqa: ARG002 - the same type for all
        """Return the URN of the resource that manages the entry."""
        return child_urn(self.urn, CONFIG_ENTRY, resource_name)

    def pruned(self, live: Live, fields: Sequence[FieldPath]) -> tuple[FieldPath, ...]:  # noqa: ARG002 - the same for all
        """Return all fields: an entry is written as a whole."""
        return tuple(fields)

    def reject_unwritable(self, planned: Sequence[Planned[Live]]) -> None:
        """Every plan can be carried out: an entry is written as a whole."""

    def when_deleted(self, planned: Planned[Live]) -> WhenDeleted:
        """Return `kept` for an entry with fields of other owners: a deletion removes the whole entry."""
        return "kept" if planned.plan.preserved or planned.plan.released else "deleted"

    def write(
        self,
        planned: Planned[Live],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> pulumi.CustomResource:
        """Declare the entry, after the resources in `after`.

        An entry with fields of other owners stays when its resource is deleted. It is read again immediately before
        the write, as is `proxy-defaults`, which all teams share.
        """
        name, entry, plan = planned.resource_name, planned.entry, planned.plan
        metadata = {} if plan.released else ownership_metadata(field_paths(entry.body), self.policy.owner, planned.urn)
        content = config_json(entry.kind, plan.body(entry), metadata)
        retained = self.when_deleted(planned) == "kept"
        options = child_options(self.component, [CONFIG_ENTRY], name, planned.former, retained=retained)
        options.depends_on = list(after) or None
        if planned.live.is_known and (plan.preserved or entry.kind == "proxy-defaults"):
            options.hooks = self._guard.hooks(name, entry, planned.live.body)
        return pulumi_consul.ConfigEntry(
            name,
            kind=entry.kind,
            # Without a name Pulumi generates one, for a service that does not exist.
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            config_json=used.apply(lambda _: content) if used is not None else content,
            opts=options,
        )

    def written_body(self, written: pulumi.CustomResource) -> pulumi.Output[JsonObject]:
        """Return the body of the entry in the outputs of its resource."""
        config: pulumi.Output[str] = vars(written)["config_json"]
        return config.apply(json.loads)

    def synced_output(
        self,
        planned: Sequence[Planned[Live]],  # noqa: ARG002 - the same for all
        written: Sequence[pulumi.CustomResource],
    ) -> pulumi.Output[object]:
        """Consul answers a write as soon as the entry takes effect."""
        # A preview shows known outputs, and writes nothing.
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(*(resource.id for resource in written))


def _unless_default(part: str) -> str | None:
    """Return a namespace or partition, None for the default: Consul's community edition rejects its name."""
    return None if part == "default" else part
