"""Entries as custom resources of consul-k8s, whose controller writes them into Consul."""

from __future__ import annotations

import shlex
from contextlib import suppress
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING

import pulumi

from consul_tracing.backends.access_logs import unknown_field_text
from consul_tracing.backends.base import Backend, Written
from consul_tracing.backends.consul_api import ConsulApi
from consul_tracing.backends.identity import CONFIG_ENTRY, is_child_of_component, object_type, patch_type, type_of
from consul_tracing.backends.plan_messages import Wording
from consul_tracing.backends.value_changes import listed
from consul_tracing.engine import not_known_yet, output_of
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
from consul_tracing.entries.metadata import is_of_consul_k8s
from consul_tracing.envoy_messages.json_values import at
from consul_tracing.errors import UnreadableError, fix, message
from consul_tracing.names import MIGRATE_ANNOTATION, UNRESOLVED
from consul_tracing.outputs import with_unknown
from consul_tracing.run_errors import ConflictError

from .access import MissingKindError, MissingPrerequisiteError, cluster_of, live_objects
from .objects import (
    LOGS_PATH,
    MIGRATION_STEPS,
    LiveObject,
    ObjectPatch,
    WholeObject,
    conflicting_entries,
    is_adopted,
    is_patched,
    knows_access_logs,
    reject_second_mesh,
    with_entry,
)
from .sdk import kubernetes_sdk
from .sync import with_synced_generation
from .waiting import wait_until_synced

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from consul_tracing.backends.live import Planned
    from consul_tracing.entries.dependants import Service
    from consul_tracing.entries.entry import Identity
    from consul_tracing.entries.ownership import Policy
    from consul_tracing.inputs.entry_settings import EntrySettings
    from consul_tracing.names import JsonObject

    from .access import Cluster


def _import_command(provider: str | None, entry: Entry, resource_name: str) -> str:
    """Return the command that imports the object into this stack: its id is namespace and name."""
    option = f" --provider 'kubernetes={provider}'" if provider else ""
    imported = f"{object_type(entry.kind)} {resource_name} {entry.namespace}/{entry.name}"
    return f"pulumi import --protect=false --generate-code=false{option} {imported}"


def _release_command(entry: Entry, metadata: Sequence[str]) -> str:
    """A hyphen behind an annotation removes it."""
    keys = " ".join(shlex.quote(f"{annotation(key)}-") for key in metadata)
    return f"kubectl annotate {PLURALS[entry.kind]} {entry.name} --namespace {entry.namespace} {keys}"


def _overwrite_steps(provider: str | None, entry: Entry, resource_name: str, repeated: Sequence[str]) -> list[str]:
    """The Kubernetes provider does not create an object that exists."""
    imports = [_import_command(provider, entry, resource_name), *repeated]
    return [*imports, "set existing: overwrite", "pulumi up"]


class KubernetesBackend(Backend[LiveObject]):
    """Backend for `target: kubernetes`."""

    resource_type = object_type("proxy-defaults")
    unknown = WholeObject(is_known=False)

    def __init__(self, component: pulumi.ComponentResource, policy: Policy, settings: EntrySettings) -> None:
        """Write objects as children of the component, with the owner of the policy."""
        super().__init__(component, policy)
        self.wording = Wording("Kubernetes", title, _release_command, partial(_overwrite_steps, self.provider.urn))
        self._settings = settings

    @cached_property
    def cluster(self) -> Cluster:
        """The cluster of the component's provider. Raises UnreadableError, and ConflictError if it is unsupported."""
        return cluster_of(self.component)

    def read(self, entries: Sequence[Entry]) -> list[LiveObject]:
        """Return the live objects of the entries.

        Raises UnreadableError, and ConflictError for a cluster that lacks a prerequisite.
        """
        if any(entry.namespace == UNRESOLVED for entry in entries):
            raise not_known_yet("namespace")
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
        schema = cache(self.cluster.spec_schema)
        if self._settings.migrate_entries:
            migrated = self._migrated(entries, schema)
        else:
            migrated = {}
            self._check_entries_of_consul(entries)
        return [self._live(one, objects.get(one.identity, {}), migrated.get(one.identity), schema) for one in entries]

    def _live(
        self, entry: Entry, live: JsonObject, migrated: JsonObject | None, schema: Callable[[str], JsonObject]
    ) -> LiveObject:
        own = body(live) if live else None
        is_whole = False
        if live and self.policy.existing != "refuse":
            is_foreign = is_adopted(live) or self.policy.owner_of(own) != "this stack"
            is_whole = is_foreign and self._is_whole(entry, live)
        found = with_entry(own, migrated)
        has_access_logs = entry.kind == "proxy-defaults" and knows_access_logs(live, schema)
        if is_patched(live, self.policy, whole=is_whole):
            return ObjectPatch(found, object=live, has_access_logs=has_access_logs)
        is_migrated = migrated is not None and not live
        return WholeObject(
            found, is_migrated=is_migrated, object=live, has_access_logs=has_access_logs, is_in_state=is_whole
        )

    def _migrated(self, entries: Sequence[Entry], schema: Callable[[str], JsonObject]) -> dict[Identity, JsonObject]:
        """Return the entries that consul-k8s is to take over from Consul, with the fields that an object can have.

        With `existing: overwrite` there are none: this stack writes only its own fields.
        """
        if self.policy.existing == "overwrite":
            return {}
        return {
            entry.identity: in_kubernetes(live, known)
            for entry, live in zip(entries, self._entries_of_consul(entries), strict=True)
            if live is not None and not is_of_consul_k8s(live.get("Meta") or {})
            if (known := schema(entry.kind))
        }

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
                return ConsulApi(self.component).entries([Entry(entry.kind, entry.name, {}) for entry in entries])
        return [None] * len(entries)

    def _is_whole(self, entry: Entry, live: JsonObject) -> bool:
        """Return whether the state holds the whole live object, and not only a patch."""
        own, uid = object_type(entry.kind), live["metadata"].get("uid")
        return any(type_of(urn) == own and self._uid(urn) == uid for urn in self.state.holders(entry))

    def _uid(self, urn: str) -> object:
        return (self.state.resources[urn].get("metadata") or {}).get("uid")

    def holders(self, entry: Entry, live: LiveObject, declared: Mapping[str, Identity]) -> Mapping[str, bool]:
        """Return the objects of the state with this identity; for a patch, those that this package patches too.

        The object keeps the fields that this package applies when a raw patch is deleted. With `migrate_entries`, the
        `ConfigEntry` resources that wrote the entry until now are holders too.
        """
        own, own_patch = object_type(entry.kind), patch_type(entry.kind)
        uid = live.object.get("metadata", {}).get("uid")
        held = self.state.holders(entry)
        undeclared = held.keys() - declared.keys()
        former = {urn for urn in undeclared if self._settings.migrate_entries and type_of(urn) == CONFIG_ENTRY}
        # consul-k8s writes objects of one name to one entry, whatever their namespaces.
        moved = set() if live.object else undeclared
        is_patch = isinstance(live, ObjectPatch)
        return dict.fromkeys(former, True) | {
            urn: uid is not None and self._uid(urn) == uid
            for urn, identity in held.items()
            if type_of(urn) == own or (is_patch and type_of(urn) == own_patch and is_child_of_component(urn))
            if identity == entry.identity or urn in moved
        }

    def service(self, entry: Entry) -> Service:
        """Return the name in Consul's default namespace: the namespace of the object is another one."""
        return Entry(entry.kind, entry.name, {}).identity[1:]

    def existing(self, kind: str, services: Collection[Service]) -> list[Entry]:  # noqa: ARG002 - all are read
        """Return the entries of all objects of a kind. Raises UnreadableError."""
        try:
            return [in_consul(kind, live) for live in self.cluster.objects(kind) or []]
        except MissingKindError:
            return []

    def reject_unwritable(self, planned: Sequence[Planned[LiveObject]]) -> None:
        """Reject an object to overwrite that is not imported, and fields that cannot be removed or are not known."""
        missing = [
            one
            for one in planned
            if one.plan.owner in {"unmanaged", "another stack"} and self.policy.existing == "overwrite"
            if isinstance(one.live, WholeObject) and not one.live.is_in_state
        ]
        if missing:
            titles = listed([title(one.entry) for one in missing])
            imports = [_import_command(self.provider.urn, one.entry, one.resource_name) for one in missing]
            raise ConflictError(
                message(
                    "CT212",
                    f"{titles}: existing is overwrite, and the state of this stack does not hold the whole object",
                    *fix(
                        "The Kubernetes provider does not create an object that exists. To import it first:",
                        *imports,
                        "pulumi up",
                    ),
                )
            )
        for one in planned:
            one.live.reject_unremovable(one.entry, one.plan)
            self._reject_unknown_access_logs(one)

    def _reject_unknown_access_logs(self, planned: Planned[LiveObject]) -> None:
        """Reject access logs that the API server would drop. A schema that cannot be read is assumed to have them."""
        declares = bool(planned.entry.body.get("AccessLogs"))
        if declares and not planned.live.has_access_logs and self.cluster.spec_schema("proxy-defaults"):
            raise ConflictError(unknown_field_text(title(planned.entry)))

    def write(
        self,
        planned: Planned[LiveObject],
        after: Sequence[pulumi.Resource] = (),
        used: pulumi.Output[object] | None = None,
    ) -> Written:
        """Declare the custom resource, or a patch of an adopted one, after the resources in `after`."""
        entry, live = planned.entry, replace(planned.live, has_access_logs=self._has_access_logs(planned))
        applied = live.spec(entry, planned.plan)
        annotations = {annotation(key): value for key, value in planned.ownership(self.policy.owner).items()}
        if self._settings.migrate_entries:
            annotations[MIGRATE_ANNOTATION] = "true"
        metadata = live.metadata(entry, annotations, self._settings.metadata)
        options = self.options(planned, after)
        options.custom_timeouts = pulumi.CustomTimeouts(delete=f"{self._settings.sync_timeout_seconds:.3f}s")
        sdk = kubernetes_sdk("target: kubernetes").apiextensions
        resource = (sdk.CustomResourcePatch if isinstance(live, ObjectPatch) else sdk.CustomResource)(
            planned.resource_name,
            api_version=API_VERSION,
            kind=KINDS[entry.kind],
            metadata=with_unknown(with_synced_generation(metadata, applied, live.object), used),
            spec=used.apply(lambda _: applied) if used is not None else applied,
            opts=options,
        )
        # The outputs of a patch too are those of the whole object.
        return Written(entry, resource, lambda: output_of(resource, "spec").apply(lambda spec: body({"spec": spec})))

    def _has_access_logs(self, planned: Planned[LiveObject]) -> bool:
        """Return whether the kind has the field ACCESS_LOGS. A preview that cannot read the cluster reads the state."""
        if planned.live.is_known:
            return planned.live.has_access_logs
        return at(dict(self.state.resources.get(planned.urn) or {}), *LOGS_PATH) is not None

    async def wait_until_synced(self, entries: Sequence[Entry]) -> None:
        """Wait until the controller has written all objects into Consul. Raises SyncError."""
        await wait_until_synced(self.cluster, entries, self._settings.sync_timeout_seconds)
