"""Config entries over Consul's HTTP API, through the provider of the caller."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import grpc
import pulumi
import pulumi_consul

# `_sync_await` is a private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor
from pulumi.runtime.sync_await import _sync_await

from consul_tracing.entries.bodies import config_json
from consul_tracing.entries.field_paths import field_paths
from consul_tracing.entries.metadata import ownership_metadata
from consul_tracing.errors import ConflictError, UnreadableError, message
from consul_tracing.names import HTTP_PROTOCOLS
from consul_tracing.stack_config import single_machine

from .base import IMPORT, child_options, continue_in_previews, provider_urn, registered_urn
from .default_protocol import (
    enables_http_default,
    gateways,
    http_default_text,
    undeclared_services,
    without_protocol,
)
from .stack_state import StackState
from .urns import child_urn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from consul_tracing.entries.entry import Entry, Identity
    from consul_tracing.entries.ownership import Plan, Policy
    from consul_tracing.inputs.mesh_settings import MeshSettings
    from consul_tracing.names import FieldPath, JsonObject

    from .base import WhenDeleted

REREAD_TIMEOUT_SECONDS = 15.0
"""Timeout of the read before a write. After a failed write the engine may not answer, while it waits for the hook."""

READERS = 8
"""Concurrent reads before writes. The engine writes about as many entries concurrently."""

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
"""The type of pulumi-consul's resource."""

LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"


class ConsulBackend:
    """Backend for `target: consul`."""

    server: str = "Consul"

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write entries as children of the component, with the owner of the policy."""
        self.component = component
        self.urn = registered_urn(component)
        self.policy = policy
        self.state = StackState()
        self.is_local = single_machine()
        self._live: dict[Identity, JsonObject | None] = {}
        self._guarded: dict[str, Entry] = {}
        self._hooks: pulumi.ResourceHookBinding | None = None
        self._read_now: Callable[[Entry], Awaitable[JsonObject | None]]

    def title(self, entry: Entry) -> str:
        """`proxy-defaults/global`."""
        return title(entry)

    def import_command(self, entry: Entry, resource_name: str) -> str:
        """With the id that pulumi-consul requires."""
        scoped = entry.partition or entry.namespace
        scope = f"{entry.partition or 'default'}/{entry.namespace or 'default'}/" if scoped else ""
        return f"{IMPORT} {CONFIG_ENTRY} {resource_name} {scope}{title(entry)}"

    def release_command(self, entry: Entry, metadata: Sequence[str]) -> str:
        """`consul config` has no patch, so the entry is read, edited and written."""
        flags = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
        read = " ".join(f"-{flag} {value}" for flag, value in flags.items() if value)
        keys = ", ".join(f'.Meta["{key}"]' for key in metadata)
        return f"consul config read {read} | jq 'del({keys})' | consul config write -"

    def overwrite_steps(self, entry: Entry, resource_name: str) -> tuple[str, ...]:  # noqa: ARG002 - the same for all
        """Pulumi compares with its own state, which may still have the entry as this stack wrote it."""
        return ("set existing: overwrite", "pulumi up --refresh")

    def scope(self) -> object:
        """Return the URN of the Consul provider, None for the default provider."""
        return provider_urn(self.component, CONFIG_ENTRY)

    def read(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """Return the live bodies of the entries. Raises UnreadableError."""
        live = live_entries(entries, self.component)
        self._live |= {entry.identity: body for entry, body in zip(entries, live, strict=True)}
        if self._hooks is None:
            # Later, the registration would compete with those of the resources.
            self._hooks = self._registered_hooks()
        return live

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """Return the body of the entry in a resource's outputs, None if they are those of another entry."""
        fields = ("kind", "name", "namespace", "partition")
        if not outputs.get("configJson") or any((outputs.get(one) or None) != getattr(entry, one) for one in fields):
            return None
        body: JsonObject = json.loads(outputs["configJson"])
        return body

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Return whether a service of the catalog outside of `entries` has an HTTP protocol. Raises UnreadableError."""
        found = undeclared_services(self.catalog(settings.partition), entries, settings)
        return any((body or {}).get("Protocol") in HTTP_PROTOCOLS for body in self.read(found))

    def pruned(self, entry: Entry, parts: Sequence[FieldPath]) -> tuple[FieldPath, ...]:  # noqa: ARG002 - the same for all
        """Return all fields: an entry is written as a whole."""
        return tuple(parts)

    def reject_unwritable(self, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
        """Every plan can be carried out: an entry is written as a whole."""

    def resource(self, entry: Entry, resource_name: str) -> str:  # noqa: ARG002 - the same type for all
        """Return the URN of the resource that manages the entry."""
        return child_urn(self.urn, CONFIG_ENTRY, resource_name)

    def _registered_hooks(self) -> pulumi.ResourceHookBinding:
        """Return hooks that stop a write whose entry changed after the read. Empty if the engine has no hooks."""
        self._read_now = independent_reader(self.component)
        hook = pulumi.ResourceHook(f"{self.urn}::unchanged", self._reject_changed)
        try:
            _sync_await(hook._registered)  # noqa: SLF001 - no public way to wait for it
        except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
            pulumi.log.debug(f"consul-tracing: writes are not guarded: {error}", self.component)
            return pulumi.ResourceHookBinding()
        return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])

    async def _reject_changed(self, args: pulumi.ResourceHookArgs) -> None:
        entry = self._guarded[args.name]
        try:
            now = await self._read_now(entry)
        except UnreadableError as error:
            raise ConflictError(
                message(
                    "CT206",
                    f"{self.title(entry)} could not be read again before its write, so it was not written: {error}. "
                    "Run pulumi up again.",
                )
            ) from None
        if now != self._live[entry.identity]:
            raise ConflictError(
                message(
                    "CT206",
                    f"{self.title(entry)} was changed by another writer after this run had read it, so it was not "
                    "written. Run pulumi up again.",
                )
            )

    def warn_of_http_default(
        self, settings: MeshSettings, declared: Iterable[Entry], live_mesh: JsonObject | None
    ) -> None:
        """Warn of services in the catalog that an HTTP `default_protocol` affects and that no stack declares."""
        if not enables_http_default(settings, live_mesh):
            return
        try:
            found = undeclared_services(self.catalog(settings.partition), declared, settings)
            names = without_protocol(dict(zip((entry.name for entry in found), self.read(found), strict=True)))
            names = self._without_gateways(names, settings)
        except UnreadableError as error:
            continue_in_previews(self, error)
        else:
            if names:
                pulumi.log.warn(http_default_text(names), self.component)

    def _without_gateways(self, names: list[str], settings: MeshSettings) -> list[str]:
        found = gateways(names, settings)
        try:
            live = self.read(found)
        except UnreadableError:  # the provider or the token does not support entries of gateways
            return names
        existing = {entry.name for entry, body in zip(found, live, strict=True) if body is not None}
        return [name for name in names if name not in existing]

    def when_deleted(self, entry: Entry, plan: Plan) -> WhenDeleted:  # noqa: ARG002 - the same for all
        """Return `kept` for an entry with fields of other owners: a deletion removes the whole entry."""
        return "kept" if plan.preserved or plan.released else "deleted"

    def rendered(self, entry: Entry, plan: Plan, resource_name: str) -> str:
        """Return the entry as JSON, with ownership metadata."""
        urn = self.resource(entry, resource_name)
        metadata = {} if plan.released else ownership_metadata(field_paths(entry.body), self.policy.owner, urn)
        return config_json(entry.kind, plan.body(entry), metadata)

    def write(
        self,
        resource_name: str,
        entry: Entry,
        plan: Plan,
        rendered: pulumi.Input[str],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """Declare the entry, after the resources in `after`.

        An entry with fields of other owners stays when its resource is deleted. It is read again immediately before
        the write, as is `proxy-defaults`, which all teams share.
        """
        retained = self.when_deleted(entry, plan) == "kept"
        options = child_options(self.component, [CONFIG_ENTRY], resource_name, plan.resource, retained=retained)
        options.depends_on = list(after) or None
        if self._live and (plan.preserved or entry.kind == "proxy-defaults"):
            self._guarded[resource_name] = entry
            options.hooks = self._hooks
        return pulumi_consul.ConfigEntry(
            resource_name,
            kind=entry.kind,
            # Without a name Pulumi generates one, for a service that does not exist.
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            config_json=rendered,
            opts=options,
        )

    def synced_output(self, written: Sequence[pulumi.CustomResource]) -> pulumi.Output[object]:
        """Consul answers a write as soon as the entry takes effect."""
        # A preview shows known outputs, and writes nothing.
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(*(resource.id for resource in written))

    def catalog(self, partition: str | None) -> list[str]:
        """Return the names of the services in Consul's catalog. Raises UnreadableError."""
        options = [pulumi_consul.GetServicesQueryOptionArgs(partition=partition)] if partition else None
        try:
            return list(pulumi_consul.get_services(options, pulumi.InvokeOptions(parent=self.component)).names or [])
        except Exception as error:  # the SDK has no narrower one
            raise UnreadableError(str(error)) from error


def title(entry: Entry) -> str:
    """Return the name of an entry in messages: `proxy-defaults/global`."""
    return f"{entry.kind}/{entry.name}"


def live_entries(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """Return the live bodies of the entries in normal form, None for a missing entry. Raises UnreadableError.

    The first entry is read alone, so that an unreachable Consul causes one attempt. The rest is read concurrently,
    which is three times as fast as one after another.
    """
    return [*_sync_await(_look_up(entries[:1], parent)), *_sync_await(_look_up(entries[1:], parent))]


async def _look_up(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """Read the entries concurrently. Raises UnreadableError.

    `get_config_entry_output` is not an alternative: the SDK reports a missing entry again at the end of the program.
    """
    release = version("pulumi_consul")

    async def look_up(entry: Entry) -> object:
        scope = {"namespace": entry.namespace, "partition": entry.partition}
        # The SDK writes the provider into the options, so each look-up has its own.
        options = pulumi.InvokeOptions(parent=parent, version=release)
        return await pulumi.runtime.invoke_async(LOOK_UP, {"kind": entry.kind, "name": entry.name, **scope}, options)

    answers = await asyncio.gather(*(look_up(entry) for entry in entries), return_exceptions=True)
    return [_body(answer) for answer in answers]


def independent_reader(component: pulumi.ComponentResource) -> Callable[[Entry], Awaitable[JsonObject | None]]:
    """Return a function that reads one entry in a resource hook. It raises UnreadableError.

    The look-up of the SDK would wait for a thread of the pool in which registrations wait for their hooks.
    """
    monitor: Any = get_monitor()
    provider = component.get_provider(CONFIG_ENTRY)
    release = version("pulumi_consul")
    threads = ThreadPoolExecutor(READERS)

    async def reference() -> str:
        return "" if provider is None else f"{await provider.urn.future()}::{await provider.id.future()}"

    used = _sync_await(reference())

    def answer(entry: Entry) -> object:
        asked = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
        request = resource_pb2.ResourceInvokeRequest(tok=LOOK_UP, provider=used, version=release)
        request.args.update({name: value for name, value in asked.items() if value})
        try:
            response = monitor.Invoke(request, timeout=REREAD_TIMEOUT_SECONDS)
        except grpc.RpcError as error:
            return Exception(cast("grpc.Call", error).details())
        if response.failures:
            return Exception(response.failures[0].reason)
        return dict(getattr(response, "return"))

    async def read(entry: Entry) -> JsonObject | None:
        return _body(await asyncio.get_running_loop().run_in_executor(threads, answer, entry))

    return read


def _body(answer: object) -> JsonObject | None:
    # The text distinguishes a missing entry from an unreachable Consul: the exception has the same type.
    if isinstance(answer, Exception) and "404 (Config entry not found" in str(answer):
        return None
    if isinstance(answer, BaseException):
        raise UnreadableError(str(answer)) from answer
    fields: dict[str, Any] = answer if isinstance(answer, dict) else {}
    if not fields.get("configJson"):
        raise UnreadableError("the provider is not known yet, because this update creates it")
    body: JsonObject = json.loads(fields["configJson"])
    return body
