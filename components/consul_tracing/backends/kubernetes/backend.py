"""Entries as custom resources of consul-k8s, whose controller writes them into Consul."""

from __future__ import annotations

import asyncio
import shlex
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import pulumi

from consul_tracing.backends.base import Live, child_options, provider_urn, registered_urn
from consul_tracing.backends.consul_api import live_entries
from consul_tracing.backends.identity import CONFIG_ENTRY, custom_resource, identity_of
from consul_tracing.backends.stack_state import StackState
from consul_tracing.backends.urns import child_urn, is_child_of_component, type_of
from consul_tracing.entries.custom_resources import (
    API_VERSION,
    KINDS,
    PLURALS,
    annotation,
    body,
    in_consul,
    in_kubernetes,
    title,
)
from consul_tracing.entries.entry import Entry
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import is_of_consul_k8s, ownership_metadata
from consul_tracing.errors import UnreadableError, message, numbered
from consul_tracing.names import HTTP_PROTOCOLS, MIGRATE_ANNOTATION, UNRESOLVED
from consul_tracing.outputs import with_unknown
from consul_tracing.run_errors import ConflictError, SyncError

from .access import MissingKindError, MissingPrerequisiteError, cluster_of
from .managed_fields import would_be_pruned
from .objects import (
    ACCESS_LOGS,
    MIGRATION_STEPS,
    conflicting_entries,
    is_adopted,
    is_patched,
    knows_access_logs,
    metadata,
    object_path,
    preserves_clusters,
    reject_second_mesh,
    reject_unremovable,
    spec,
    value_at,
    with_entry,
)
from .sync import Sync, sync, sync_error_text, with_synced_generation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consul_tracing.backends.base import Planned, WhenDeleted
    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Identity
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.inputs.entry_settings import EntrySettings
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

    from .access import Cluster

REJECTION_SECONDS = 6.0
"""Seconds for which a rejection must last. The controller retries within 5 seconds."""

POLL_SECONDS, MAX_POLL_SECONDS = 0.25, 5.0
"""Seconds between the reads of the status: the first one, and the limit to which they grow."""

UNREADABLE = "Kubernetes cannot be read"

MAX_REPORTED = 5
"""Objects that a message describes. The rest is counted."""


@dataclass(frozen=True)
class LiveObject(Live):
    """A live entry as a custom resource."""

    object: JsonObject | None = None
    """The custom resource. None if it does not exist, or if the preview cannot read it."""

    is_patch: bool = False
    """Whether this stack writes a patch of an object of another owner, instead of a whole object."""

    is_whole_in_state: bool = False
    """Whether this stack's state holds the whole object of another owner: imported, declared raw, or released."""

    has_access_logs: bool = False
    """Whether the kind of the object has the field ACCESS_LOGS."""


class KubernetesBackend:
    """Backend for `target: kubernetes`."""

    server: str = "Kubernetes"
    provider_package: str = "kubernetes"
    unknown = LiveObject(is_known=False)

    def __init__(self, component: pulumi.ComponentResource, policy: Policy, settings: EntrySettings) -> None:
        """Write objects as children of the component, with the owner of the policy."""
        self.component = component
        self.urn = registered_urn(component)
        self.policy = policy
        self.state = StackState()
        self.is_local = False
        self._sync_timeout = settings.sync_timeout_seconds
        self._migrate = settings.migrate_entries
        self._metadata = settings.metadata

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster of the component's provider. Raises UnreadableError, and ConflictError if it is unsupported."""
        return cluster_of(self.component)

    def title(self, entry: Entry) -> str:
        """`ProxyDefaults consul/global`: kind, namespace, name."""
        return title(entry)

    def _import_command(self, entry: Entry, resource_name: str) -> str:
        """Return the command that imports the object into this stack: its id is namespace and name."""
        provider = f" --provider 'kubernetes={urn}'" if (urn := self.scope()) else ""
        imported = f"{custom_resource(entry.kind)} {resource_name} {entry.namespace}/{entry.name}"
        return f"pulumi import --protect=false --generate-code=false{provider} {imported}"

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """A hyphen behind an annotation removes it."""
        keys = " ".join(shlex.quote(f"{annotation(key)}-") for key in metadata)
        return f"kubectl annotate {PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace} {keys}"

    def overwrite_steps(self, entry: Entry, resource_name: str, repeated: Sequence[str]) -> list[str]:
        """The Kubernetes provider does not create an object that exists."""
        return [self._import_command(entry, resource_name), *repeated, "set existing: overwrite", "pulumi up"]

    def scope(self) -> str | None:
        """Return the URN of the Kubernetes provider, None for the default provider."""
        return provider_urn(self.component, custom_resource("proxy-defaults"))

    def read(self, entries: Sequence[Entry]) -> list[LiveObject]:
        """Return the live objects of the entries.

        Raises UnreadableError, and ConflictError for a cluster that lacks a prerequisite.
        """
        if any(entry.namespace == UNRESOLVED for entry in entries):
            raise UnreadableError("the namespace is not known yet, because this update creates it")
        try:
            objects = live_objects(self.cluster, entries)
            for mesh in (entry for entry in entries if entry.kind == "proxy-defaults"):
                reject_second_mesh(self.cluster.objects("proxy-defaults") or [], mesh.namespace)
            self.cluster.reject_missing_namespaces({entry.namespace or "" for entry in entries})
        except MissingPrerequisiteError as missing:
            # The update may install it, or a resource on which the component or one of its parents depends.
            if pulumi.runtime.is_dry_run():
                raise UnreadableError(str(missing)) from None
            raise
        if not self._migrate:
            self._check_entries_of_consul(entries)
        return self._live(entries, objects)

    def _live(self, entries: Sequence[Entry], objects: Mapping[Identity, JsonObject]) -> list[LiveObject]:
        bodies = {identity: body(live) for identity, live in objects.items()}
        schema = cache(self.cluster.spec_schema)
        migrated = self._migrated(entries, schema)
        foreign = {
            identity
            for identity, live in objects.items()
            if is_adopted(live) or self.policy.owner_of(bodies[identity]) != "this stack"
        }
        whole: set[Identity] = set()
        if self.policy.existing != "refuse":
            whole = {one.identity for one in entries if one.identity in foreign and self._is_whole(one, objects)}
        return [
            LiveObject(
                with_entry(bodies.get(identity), migrated.get(identity)),
                is_migrated=identity in migrated and identity not in objects,
                object=(live := objects.get(identity)),
                is_patch=is_patched(live, self.policy, whole=identity in whole),
                is_whole_in_state=identity in whole,
                has_access_logs=entry.kind == "proxy-defaults" and knows_access_logs(live or {}, schema),
            )
            for entry, identity in ((entry, entry.identity) for entry in entries)
        ]

    def _migrated(self, entries: Sequence[Entry], schema: Callable[[str], JsonObject]) -> dict[Identity, JsonObject]:
        """Return the entries that consul-k8s is to take over from Consul, with the fields that an object can have.

        With `existing: overwrite` there are none: this stack writes only its own fields.
        """
        if not self._migrate or self.policy.existing == "overwrite":
            return {}
        return {
            entry.identity: in_kubernetes(live, known)
            for entry, live in zip(entries, self._entries_of_consul(entries), strict=True)
            if live is not None and not is_of_consul_k8s(live.get("Meta") or {})
            if (known := schema(entry.kind))
        }

    def _is_whole(self, entry: Entry, objects: Mapping[Identity, JsonObject]) -> bool:
        """Return whether the state holds the whole live object, and not only a patch."""
        own, uid = custom_resource(entry.kind), objects[entry.identity]["metadata"].get("uid")
        return any(type_of(urn) == own and self._uid(urn) == uid for urn in self.state.holders(entry))

    def _uid(self, urn: str) -> object:
        return (self.state.resources[urn].get("metadata") or {}).get("uid")

    def holders(self, entry: Entry, live: LiveObject, declared: Mapping[str, Identity]) -> Mapping[str, bool]:
        """Return the objects of the state with this identity; for a patch, those that this package patches too.

        The object keeps the fields that this package applies when a raw patch is deleted. With `migrate_entries`, the
        `ConfigEntry` resources that wrote the entry until now are holders too.
        """
        own, own_patch = (custom_resource(entry.kind, patch=patch) for patch in (False, True))
        uid = (live.object or {}).get("metadata", {}).get("uid")
        held = self.state.holders(entry)
        former = {urn for urn in held.keys() - declared.keys() if self._migrate and type_of(urn) == CONFIG_ENTRY}
        # consul-k8s writes objects of one name to one entry, whatever their namespaces.
        moved = held.keys() - declared.keys() if live.object is None else set()
        return dict.fromkeys(former, True) | {
            urn: uid is not None and self._uid(urn) == uid
            for urn, identity in held.items()
            if type_of(urn) == own or (live.is_patch and type_of(urn) == own_patch and is_child_of_component(urn))
            if identity == entry.identity or urn in moved
        }

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """Return the body of the entry in a resource's outputs, None if they are those of another entry."""
        return body(dict(outputs)) if identity_of(custom_resource(entry.kind), outputs) == entry.identity else None

    def service(self, entry: Entry) -> Service:
        """Return the name in Consul's default namespace: the namespace of the object is another one."""
        return Entry(entry.kind, entry.name, {}).identity[1:]

    def catalog(self, services: Collection[Service]) -> Collection[Service]:
        """Return the services: all objects of a kind are read."""
        return services

    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:  # noqa: ARG002 - all are read
        """Return the entries of all objects of a kind. Raises UnreadableError."""
        try:
            return [in_consul(kind, live) for live in self.cluster.objects(kind) or []]
        except MissingKindError:
            return []

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:  # noqa: ARG002 - the same for all
        """Return whether a ServiceDefaults of the cluster has an HTTP protocol. Raises UnreadableError."""
        found = self.cluster.objects("service-defaults") or []
        return any((live.get("spec") or {}).get("protocol") in HTTP_PROTOCOLS for live in found)

    def warn_of_http_default(
        self, settings: MeshSettings, declared: Sequence[Entry], live_mesh: JsonObject | None
    ) -> None:
        """Not supported: the services are in Consul's catalog, which this backend does not read."""

    def _check_entries_of_consul(self, entries: Sequence[Entry]) -> None:
        """Reject entries of Consul's API if the component has a Consul provider.

        The Consul of `consul:address` may belong to another mesh, so that it only causes a warning.
        """
        titles = [entry.title for entry in entries]
        for text in conflicting_entries(dict(zip(titles, self._entries_of_consul(entries), strict=True))):
            if self.component.get_provider(CONFIG_ENTRY) is not None:
                raise ConflictError(message("CT209", text, *MIGRATION_STEPS))
            condition = "if consul:address is the Consul of this mesh"
            pulumi.log.warn(message("CT209", f"{text}, {condition}", *MIGRATION_STEPS), self.component)

    def _entries_of_consul(self, entries: Sequence[Entry]) -> Sequence[JsonObject | None]:
        """Return the entries of Consul's API, None for a missing one and if the stack does not connect to Consul."""
        if self.component.get_provider(CONFIG_ENTRY) is not None or pulumi.Config("consul").get("address") is not None:
            with suppress(UnreadableError):
                return live_entries([Entry(entry.kind, entry.name, {}) for entry in entries], self.component)
        return [None] * len(entries)

    def resource(self, entry: Entry, resource_name: str, live: LiveObject) -> str:
        """Return the URN of the resource that manages the object."""
        return child_urn(self.urn, custom_resource(entry.kind, patch=live.is_patch), resource_name)

    def pruned(self, live: LiveObject, fields: Sequence[FieldPath]) -> tuple[FieldPath, ...]:
        """Return the fields that no other field manager holds: server-side apply removes only these."""
        return tuple(
            field
            for field in fields
            if live.object is None or would_be_pruned(live.object, object_path(field), patch=live.is_patch)
        )

    def reject_unwritable(self, planned: Sequence[Planned[LiveObject]]) -> None:
        """Reject an object to overwrite that is not imported, and a field that server-side apply cannot remove."""
        missing = [
            one
            for one in planned
            if one.plan.owner in {"unmanaged", "another stack"}
            and self.policy.existing == "overwrite"
            and not one.live.is_patch
            and not one.live.is_whole_in_state
        ]
        if missing:
            titles = ", ".join(title(one.entry) for one in missing[:MAX_REPORTED])
            raise ConflictError(
                message(
                    "CT212",
                    f"{titles}: existing is overwrite, and the state of this stack does not hold the whole object",
                    "The Kubernetes provider does not create an object that exists. To import it first:",
                    *numbered([*(self._import_command(one.entry, one.resource_name) for one in missing), "pulumi up"]),
                )
            )
        for one in planned:
            if one.live.object:
                reject_unremovable(title(one.entry), one.entry, one.plan, one.live.object, patch=one.live.is_patch)

    def when_deleted(self, planned: Planned[LiveObject]) -> WhenDeleted:
        """Return the effect of deleting the resource. A deleted patch removes the key of all static clusters."""
        plan, patch = planned.plan, planned.live.is_patch
        if plan.released or (preserves_clusters(plan) if patch else plan.preserved):
            return "kept"
        return "fields removed" if patch else "deleted"

    def write(
        self,
        planned: Planned[LiveObject],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> pulumi.CustomResource:
        """Declare the custom resource, or a patch of an adopted one, after the resources in `after`."""
        from pulumi_kubernetes.apiextensions import CustomResource, CustomResourcePatch  # noqa: PLC0415

        entry, live, plan = planned.entry, planned.live, planned.plan
        patch, own = live.is_patch, custom_resource(entry.kind)
        applied = spec(entry, plan, live.object, patch=patch, has_access_logs=self._has_access_logs(planned))
        owned = {} if plan.released else ownership_metadata(field_paths(entry.body), self.policy.owner, planned.urn)
        annotations = {annotation(key): value for key, value in owned.items()}
        if self._migrate:
            annotations[MIGRATE_ANNOTATION] = "true"
        options = child_options(
            self.component,
            [custom_resource(entry.kind, patch=patch), *([own] if patch else [])],
            planned.resource_name,
            planned.former,
            retained=self.when_deleted(planned) == "kept",
        )
        options.depends_on = list(after) or None
        options.custom_timeouts = pulumi.CustomTimeouts(delete=f"{self._sync_timeout:.3f}s")
        return (CustomResourcePatch if patch else CustomResource)(
            planned.resource_name,
            api_version=API_VERSION,
            kind=KINDS[entry.kind],
            metadata=with_unknown(
                with_synced_generation(
                    metadata(entry, annotations, self._metadata, live.object, patch=patch), applied, live.object
                ),
                used,
            ),
            spec=used.apply(lambda _: applied) if used is not None else applied,
            opts=options,
        )

    def _has_access_logs(self, planned: Planned[LiveObject]) -> bool:
        """Return whether the kind has the field ACCESS_LOGS. A preview that cannot read the cluster reads the state."""
        if planned.live.is_known:
            return planned.live.has_access_logs
        recorded = self.state.resources.get(planned.urn) or {}
        return value_at(dict(recorded), ("spec", ACCESS_LOGS)) is not None

    def written_body(self, written: pulumi.CustomResource) -> pulumi.Output[JsonObject]:
        """Return the body of the object in the outputs of its resource, which for a patch too are the whole object."""
        written_spec: pulumi.Output[JsonObject] = vars(written)["spec"]
        return written_spec.apply(lambda spec: body({"spec": spec}))

    def synced_output(
        self, planned: Sequence[Planned[LiveObject]], written: Sequence[pulumi.CustomResource]
    ) -> pulumi.Output[object]:
        """Return an Output that resolves as soon as the controller has written all objects into Consul.

        It raises SyncError with the reason of the controller if it rejects an object or exceeds the timeout.
        """
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(None)
        entries = [one.entry for one in planned]
        return pulumi.Output.all(*(resource.id for resource in written)).apply(lambda _: self._synced(entries))

    async def _synced(self, entries: Sequence[Entry]) -> None:
        began = time.monotonic()
        while missing := await self._not_synced(entries):
            waited = time.monotonic() - began
            final = all(status.state == "rejected" for _, status in missing) and waited > REJECTION_SECONDS
            if final or waited >= self._sync_timeout:
                raise SyncError(self._sync_errors(missing))
            if missing[0][1].reason != UNREADABLE:
                entries = [entry for entry, _ in missing]
            await asyncio.sleep(min(POLL_SECONDS + waited / 2, MAX_POLL_SECONDS, self._sync_timeout - waited))

    async def _not_synced(self, entries: Sequence[Entry]) -> list[tuple[Entry, Sync]]:
        try:
            live = await asyncio.to_thread(live_objects, self.cluster, entries)
        except UnreadableError as error:
            return [(entry, Sync("waiting", UNREADABLE, str(error))) for entry in entries[:1]]
        states = [(entry, sync(live.get(entry.identity, {}))) for entry in entries]
        return [(entry, one) for entry, one in states if one.state != "synced"]

    def _sync_errors(self, missing: list[tuple[Entry, Sync]]) -> str:
        texts = [sync_error_text(title(entry), entry, one, self._sync_timeout) for entry, one in missing[:MAX_REPORTED]]
        if len(missing) > MAX_REPORTED:
            texts.append(f"{len(missing) - MAX_REPORTED} more are not synced")
        return "\n".join(texts)


def live_objects(cluster: Cluster, entries: Sequence[Entry]) -> dict[Identity, JsonObject]:
    """Return the live objects of the entries by identity, with one request for each kind and namespace."""
    wanted = {entry.identity: entry for entry in entries}
    found: dict[Identity, JsonObject] = {}
    for kind, namespace in sorted({(entry.kind, entry.namespace or "") for entry in entries}):
        for live in cluster.objects(kind, namespace) or []:
            identity = Entry(kind, live["metadata"]["name"], {}, namespace).identity
            if identity in wanted:
                found[identity] = live
    return found
