"""Entries written as custom resources of consul-k8s, whose controller brings them into Consul."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pulumi

from .cluster import NotThere, cluster_of
from .consul_writer import live_entries
from .custom_resources import (
    WAYS_ON,
    Sync,
    body,
    clusters_kept,
    in_the_way,
    is_adopted,
    is_patched,
    is_released,
    metadata,
    not_synced_text,
    noting_sync,
    path_of,
    refuse_remaining,
    refuse_second_mesh,
    spec,
    sync,
    would_go,
)
from .entries import Entry
from .envoy import HTTP_PROTOCOLS
from .errors import NotSynced, Refused, Unreadable, numbered
from .marks import marks
from .ownership import state_deletion
from .parts import parts_of
from .places import API_VERSION, CONFIG_ENTRY, CONSUL_API, KINDS, KUBERNETES_API, PROXY_DEFAULTS, resource_type
from .stack_state import StackState
from .urns import child_urn, type_of
from .writers import child_options, provider_urn, registered_urn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from .cluster import Cluster
    from .entries import Identity
    from .fields import JsonObject
    from .ownership import Plan, Policy
    from .parts import Part
    from .places import Place
    from .settings import MeshSettings
    from .writers import WhenDeleted

SECONDS_TO_CHANGE_ITS_MIND = 6.0
"""How long a refusal of the controller must stand: it tries again after 5 s at the latest."""

SECONDS_BETWEEN_LOOKS = 0.5

MOST_TOLD = 5
"""Objects whose trouble is told in full."""


class KubernetesWriter:
    """A cluster with consul-k8s as the place of the mesh's entries."""

    place: Place = KUBERNETES_API

    def __init__(
        self,
        component: pulumi.ComponentResource,
        policy: Policy,
        *,
        sync_timeout: float,
        migrate: bool,
        waits_for_others: bool,
    ) -> None:
        """Write as children of `component`, with the ownership metadata of `policy`.

        `sync_timeout`: seconds that the controller has. `migrate`: have it take over identical entries of Consul.
        `waits_for_others`: the component depends on what may install consul-k8s first.
        """
        self.component = component
        self.urn = registered_urn(component)
        self.policy = policy
        self.state = StackState()
        self._sync_timeout = sync_timeout
        self._migrate = migrate
        self._waits_for_others = waits_for_others
        self._cluster: Cluster | None = None
        self._live: dict[Identity, JsonObject] = {}
        self._whole: set[Identity] = set()
        self._written: list[Entry] = []

    def scope(self) -> object:
        """Which cluster is written to: the URN of the provider, None for the stack's own."""
        return provider_urn(self.component, PROXY_DEFAULTS)

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as the cluster has them.

        Raises Unreadable, and Refused for a cluster that cannot serve.
        """
        self._cluster = cluster_of(self.component)
        try:
            self._live = live_objects(self._cluster, entries)
            refuse_second_mesh(self._cluster.objects("proxy-defaults") or [], entries[0])
            self._cluster.refuse_missing_namespaces({entry.namespace or "" for entry in entries})
        except NotThere as missing:
            if self._waits_for_others and pulumi.runtime.is_dry_run():
                raise Unreadable(str(missing)) from None
            raise
        if self._migrate:
            refuse_own_config_entries(entries, self.state.resources, self.policy)
        else:
            self._look_for_entries_of_consuls_api(entries)
        bodies = {identity: body(live) for identity, live in self._live.items()}
        foreign = {
            identity
            for identity, live in self._live.items()
            if is_adopted(live) or self.policy.owner_of(bodies[identity]) != "this stack"
        }
        if self.policy.existing != "refuse" and foreign:
            self._whole = foreign & whole_objects(self.state.resources, released_only=self.policy.existing == "adopt")
        return [bodies.get(entry.identity) for entry in entries]

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """The body of the entry in a resource's outputs; None where they are those of another entry."""
        metadata = outputs.get("metadata") or {}
        is_the_entry = (metadata.get("name"), metadata.get("namespace")) == (entry.name, entry.namespace)
        return body(dict(outputs)) if is_the_entry else None

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:  # noqa: ARG002 - the same for all
        """Whether a ServiceDefaults of the cluster has an HTTP protocol. Raises Unreadable."""
        cluster = self._cluster
        found = (cluster.objects("service-defaults") or []) if cluster else []
        return any((live.get("spec") or {}).get("protocol") in HTTP_PROTOCOLS for live in found)

    def pruned(self, entry: Entry, parts: Sequence[Part]) -> tuple[Part, ...]:
        """Those that no other field manager holds: server-side apply removes only these."""
        live, patch = self._live.get(entry.identity), self._is_patch(entry)
        return tuple(part for part in parts if live is None or would_go(live, path_of(part), patch=patch))

    def _look_for_entries_of_consuls_api(self, entries: Sequence[Entry]) -> None:
        """Where the program knows a Consul too, ask it before anything is written.

        The Consul of the stack's configuration may be that of another mesh.
        """
        is_of_this_mesh = self.component.get_provider(CONFIG_ENTRY) is not None
        if not is_of_this_mesh and pulumi.Config("consul").get("address") is None:
            return
        there = [Entry(entry.kind, entry.name, {}) for entry in entries]
        try:
            live = live_entries(there, self.component)
        except Unreadable:
            return
        for text in in_the_way(dict(zip(map(CONSUL_API.title, there), live, strict=True))):
            if is_of_this_mesh:
                raise Refused(text, *WAYS_ON)
            lines = [f"{text}, if this is the Consul of this mesh (consul:address)", *WAYS_ON]
            pulumi.log.warn("\n  ".join(lines), self.component)

    def refuse_unwritable(self, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
        """Reject an object to overwrite that is not imported, and a field that server-side apply cannot remove."""
        missing = [
            name
            for name, entry in entries.items()
            if plans[name].owner in {"unmanaged", "another stack"}
            and self.policy.existing == "overwrite"
            and not self._is_patch(entry)
            and entry.identity not in self._whole
        ]
        if missing:
            titles = ", ".join(KUBERNETES_API.title(entries[name]) for name in missing[:MOST_TOLD])
            raise Refused(
                f"{titles}: existing is overwrite, and this stack's state does not hold the whole object",
                "The Kubernetes provider creates no object that exists. To import it first:",
                *numbered([*(KUBERNETES_API.import_command(entries[name], name) for name in missing), "pulumi up"]),
            )
        for resource_name, entry in entries.items():
            if live := self._live.get(entry.identity):
                title = KUBERNETES_API.title(entry)
                refuse_remaining(title, entry, plans[resource_name], live, patch=self._is_patch(entry))

    def when_deleted(self, entry: Entry, plan: Plan) -> WhenDeleted:
        """A deleted patch removes its own fields, and with them the one key of all static clusters."""
        patch = self._is_patch(entry)
        if plan.released or (clusters_kept(plan) if patch else plan.preserved):
            return "kept"
        return "fields removed" if patch else "deleted"

    def resource(self, entry: Entry, resource_name: str) -> str:
        """The URN of the resource that manages the object."""
        return child_urn(self.urn, resource_type(entry, patch=self._is_patch(entry)), resource_name)

    def rendered(self, entry: Entry, plan: Plan, resource_name: str) -> JsonObject:  # noqa: ARG002 - see `write`
        """The `spec` to apply."""
        return spec(entry, plan, self._live.get(entry.identity), patch=self._is_patch(entry))

    def write(
        self,
        resource_name: str,
        entry: Entry,
        plan: Plan,
        rendered: pulumi.Input[JsonObject],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """Declare the custom resource, or a patch of one that others made, written after the resources in `after`."""
        from pulumi_kubernetes.apiextensions import CustomResource, CustomResourcePatch  # noqa: PLC0415

        patch, own = self._is_patch(entry), resource_type(entry)
        live = self._live.get(entry.identity)
        urn = self.resource(entry, resource_name)
        owned = {} if plan.released else marks(parts_of(entry.body), self.policy.owner, urn)
        # The value of the collector's host may be unknown here; which fields are applied is not.
        applied = spec(entry, plan, live, patch=patch)
        options = child_options(
            self.component,
            [resource_type(entry, patch=patch), *([own] if patch else [])],
            resource_name,
            # The resource of a patch is deleted, which leaves what the imported object declares.
            "" if entry.identity in self._whole else plan.resource,
            retained=self.when_deleted(entry, plan) == "kept",
        )
        options.depends_on = list(after) or None
        options.custom_timeouts = pulumi.CustomTimeouts(delete=f"{self._sync_timeout:.3f}s")
        if patch:
            # An object of ours that somebody replaced by theirs: without the alias Pulumi would delete theirs.
            options.aliases = [*(options.aliases or []), pulumi.Alias(type_=own)]
        self._written.append(entry)
        return (CustomResourcePatch if patch else CustomResource)(
            resource_name,
            api_version=API_VERSION,
            kind=KINDS[entry.kind],
            metadata=noting_sync(metadata(entry, owned, live, patch=patch, migrate=self._migrate), applied, live),
            spec=rendered,
            opts=options,
        )

    def settled(self, written: Sequence[pulumi.CustomResource]) -> pulumi.Output[object]:
        """Resolves when the controller has brought all into Consul.

        Raises NotSynced with the controller's own reason, when it says no or nothing within the timeout.
        """
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(*(resource.id for resource in written)).apply(lambda _: self._synced())

    async def _synced(self) -> None:
        began = time.monotonic()
        while missing := await self._not_synced():
            waited = time.monotonic() - began
            final = all(told.state == "refused" for _, told in missing) and waited > SECONDS_TO_CHANGE_ITS_MIND
            if final or waited > self._sync_timeout:
                raise NotSynced(self._told(missing))
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    async def _not_synced(self) -> list[tuple[Entry, Sync]]:
        cluster = self._cluster
        if cluster is None:  # nothing was read, so nothing was written
            return []
        try:
            live = await asyncio.to_thread(live_objects, cluster, self._written)
        except Unreadable as error:
            return [(entry, Sync("waiting", "Kubernetes cannot be read", str(error))) for entry in self._written[:1]]
        told = [(entry, sync(live.get(entry.identity, {}))) for entry in self._written]
        return [(entry, one) for entry, one in told if one.state != "synced"]

    def _told(self, missing: list[tuple[Entry, Sync]]) -> str:
        told = [
            not_synced_text(KUBERNETES_API.title(entry), entry, one, self._sync_timeout)
            for entry, one in missing[:MOST_TOLD]
        ]
        if len(missing) > MOST_TOLD:
            told.append(f"consul-tracing: {len(missing) - MOST_TOLD} more are not synced")
        return "\n".join(told)

    def _is_patch(self, entry: Entry) -> bool:
        return is_patched(self._live.get(entry.identity), self.policy, whole=entry.identity in self._whole)


def refuse_own_config_entries(
    entries: Sequence[Entry], in_state: Mapping[str, Mapping[str, Any]], policy: Policy
) -> None:
    """Reject a move from Consul's API to Kubernetes while the stack's former resources would delete the entries."""
    declared = {(entry.kind, entry.name) for entry in entries}
    former = {
        urn: f"{outputs.get('kind')}/{outputs.get('name')}"
        for urn, outputs in in_state.items()
        if type_of(urn) == CONFIG_ENTRY and (outputs.get("kind"), outputs.get("name")) in declared
    }
    if former:
        # `proxy-defaults` first, since it may depend on the others.
        ordered = sorted(former, key=lambda urn: (former[urn], urn))
        raise Refused(
            f"{', '.join(former[urn] for urn in ordered)}: {policy.owner} manages them over Consul's API, and this run "
            "would delete them after consul-k8s has taken them over",
            "To keep the live entries and give up their former resources:",
            *numbered([*map(state_deletion, ordered), "pulumi up"]),
        )


def whole_objects(in_state: Mapping[str, Mapping[str, Any]], *, released_only: bool) -> set[Identity]:
    """The identities of the objects that the stack's state holds as a whole, and not as patches."""
    kinds = {resource_type(Entry(kind, "", {})): kind for kind in KINDS}
    return {
        Entry(kinds[type_of(urn)], metadata["name"], {}, metadata.get("namespace")).identity
        for urn, outputs in in_state.items()
        if type_of(urn) in kinds and (metadata := outputs.get("metadata") or {}).get("name")
        if not released_only or is_released(dict(outputs))
    }


def live_objects(cluster: Cluster, entries: Sequence[Entry]) -> dict[Identity, JsonObject]:
    """The objects of `entries` that are there, by the entry's identity: one request for each kind and namespace."""
    wanted = {entry.identity: entry for entry in entries}
    found: dict[Identity, JsonObject] = {}
    for kind, namespace in sorted({(entry.kind, entry.namespace or "") for entry in entries}):
        for live in cluster.objects(kind, namespace) or []:
            identity = Entry(kind, live["metadata"]["name"], {}, namespace).identity
            if identity in wanted:
                found[identity] = live
    return found
