"""Config entries over Consul's HTTP API, through the provider of the caller."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

import pulumi_consul

from consul_tracing.entries.bodies import config_json
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.metadata import managed_fields
from consul_tracing.entry_structs import DROPPED_BY_PROVIDER, GATEWAY_MODE, INHERITED
from consul_tracing.envoy_messages.json_values import at

from .base import Backend, Written
from .consul_api import ConsulApi
from .identity import CONFIG_ENTRY, type_of
from .live import Live
from .plan_messages import Wording
from .write_guard import WriteGuard

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pulumi

    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Identity
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.names import JsonObject

    from .live import Planned


def _release_command(entry: Entry, metadata: Sequence[str]) -> str:
    """`consul config` has no patch, so the entry is read, edited and written."""
    flags = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
    read = " ".join(f"-{flag} {value}" for flag, value in flags.items() if value)
    keys = ", ".join(f'.Meta["{key}"]' for key in metadata)
    return f"consul config read {read} | jq 'del({keys})' | consul config write -"


WORDING = Wording(
    server="Consul",
    title=lambda entry: entry.title,
    release_command=_release_command,
    # Pulumi compares with its own state, which may still have the entry as this stack wrote it.
    overwrite_steps=lambda *_: ["set existing: overwrite", "pulumi up --refresh"],
    dropped=DROPPED_BY_PROVIDER,
)


def inherited_mode(live: JsonObject | None) -> str | None:
    """Return the value of INHERITED unless the metadata says that an owner declares it."""
    is_declared = INHERITED in managed_fields((live or {}).get("Meta") or {})
    return None if is_declared else at(live, *INHERITED)


class ConsulBackend(Backend[Live]):
    """Backend for `target: consul`."""

    resource_type = CONFIG_ENTRY
    wording = WORDING
    unknown = Live(is_known=False)
    catalog: ConsulApi

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write entries as children of the component, with the owner of the policy."""
        super().__init__(component, policy)
        self.catalog = ConsulApi(component)

    def read(self, entries: Sequence[Entry]) -> list[Live]:
        """Return the live entries. Raises UnreadableError."""
        bodies = self.catalog.entries(entries)
        found = [inherited_mode(body) for body in bodies]
        mesh = at(self._mesh(entries, bodies), *GATEWAY_MODE) if any(found) else None
        live = [
            Live(body, inherited={INHERITED: mode} if mode and mode == (at(body, *GATEWAY_MODE) or mesh) else {})
            for body, mode in zip(bodies, found, strict=True)
        ]
        # Registered here: later, the registration of the hook would compete with those of the resources.
        _ = self._guard
        return live

    def _mesh(self, entries: Sequence[Entry], bodies: Sequence[JsonObject | None]) -> JsonObject | None:
        """Return the live `proxy-defaults`, which is read if it is not one of the entries."""
        for entry, body in zip(entries, bodies, strict=True):
            if entry.kind == "proxy-defaults":
                return body
        (mesh,) = self.catalog.entries([Entry("proxy-defaults", "global", {}, partition=entries[0].partition)])
        return mesh

    def _is_unchanged(self, planned: Planned[Live]) -> bool:
        """Return whether the live entry is what this stack would write, apart from inherited fields."""
        plan, meta = planned.plan, (planned.live.body or {}).get("Meta") or {}
        is_marked = plan.owner == "this stack" and planned.ownership(self.policy.owner).items() <= meta.items()
        return is_marked and plan.as_declared and not plan.removed

    @cached_property
    def _guard(self) -> WriteGuard:
        return WriteGuard(self.catalog, self.urn)

    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:
        """Return the live entries of a kind with the names of these services. Raises UnreadableError."""
        entries = [Entry(kind, name, {}, *place) for name, *place in sorted(services)]
        live = self.catalog.entries(entries)
        return [replace(entry, body=body) for entry, body in zip(entries, live, strict=True) if body is not None]

    def holders(self, entry: Entry, live: Live, declared: Mapping[str, Identity]) -> Mapping[str, bool]:  # noqa: ARG002 - for Kubernetes
        """Return the ConfigEntry resources of the state with this identity."""
        held = self.state.holders(entry)
        return {
            urn: False for urn, identity in held.items() if type_of(urn) == CONFIG_ENTRY and identity == entry.identity
        }

    def write(
        self,
        planned: Planned[Live],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> Written:
        """Declare the entry, after the resources in `after`.

        An entry with fields of other owners stays when its resource is deleted. It is read again immediately before
        the write, as is `proxy-defaults`, which all teams share.
        """
        name, entry, plan = planned.resource_name, planned.entry, planned.plan
        content = config_json(entry.kind, plan.body(entry), planned.ownership(self.policy.owner))
        options = self.options(planned, after)
        if planned.live.is_known and (plan.preserved or entry.kind == "proxy-defaults"):
            options.hooks = self._guard.hooks(name, entry, planned.live.body)
        if planned.live.inherited and self._is_unchanged(planned):
            # After a refresh, the state has the inherited fields. Consul would add them again after a write.
            options.ignore_changes = ["config_json"]
        resource = pulumi_consul.ConfigEntry(
            name,
            kind=entry.kind,
            # Without a name Pulumi generates one, for a service that does not exist.
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            config_json=used.apply(lambda _: content) if used is not None else content,
            opts=options,
        )
        return Written(entry, resource, lambda: resource.config_json.apply(lambda text: json.loads(text or "{}")))
