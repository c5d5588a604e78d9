"""Config entries read and written over Consul's API, through the caller's own provider."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, cast

import grpc
import pulumi
import pulumi_consul

# The messages and the connection to the engine, and the way to wait in a program's own flow, where Pulumi shows errors
# without a traceback: `_sync_await` is private by its name, yet every generated SDK imports it.
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.settings import get_monitor
from pulumi.runtime.sync_await import _sync_await

from .entries import config_json
from .envoy import HTTP_PROTOCOLS
from .errors import Refused, Unreadable
from .marks import marks
from .parts import parts_of
from .places import CONFIG_ENTRY, CONSUL_API
from .stack_state import StackState
from .switch_over import candidates
from .urns import child_urn
from .writers import child_options, provider_urn, registered_urn

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from .entries import Entry, Identity
    from .fields import JsonObject
    from .ownership import Plan, Policy
    from .parts import Part
    from .places import Place
    from .settings import MeshSettings
    from .writers import WhenDeleted

SECONDS_TO_READ_AGAIN = 15.0
"""How long the engine may take to answer the read before a write. After another write has failed it may never answer,
and it waits for the hook that asks."""

READERS = 8
"""Entries that are read again at once; the engine writes about as many."""

LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"


class ConsulWriter:
    """Consul's HTTP API as the place of the mesh's entries."""

    place: Place = CONSUL_API

    def __init__(self, component: pulumi.ComponentResource, policy: Policy) -> None:
        """Write as children of `component`, with the ownership metadata of `policy`."""
        self.component = component
        self.urn = registered_urn(component)
        self.policy = policy
        self.state = StackState()
        self._live: dict[Identity, JsonObject | None] = {}
        self._guarded: dict[str, Entry] = {}
        self._hooks: pulumi.ResourceHookBinding | None = None
        self._read_now: Callable[[Entry], Awaitable[JsonObject | None]]

    def scope(self) -> object:
        """Which Consul is written to: the URN of the provider, None for the stack's own."""
        return provider_urn(self.component, CONFIG_ENTRY)

    def look(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """The bodies of `entries` as Consul has them. Raises Unreadable."""
        live = live_entries(entries, self.component)
        self._live |= {entry.identity: body for entry, body in zip(entries, live, strict=True)}
        if self._hooks is None:
            # Registered here: later, waiting for it would take turns with every resource that is being registered.
            self._hooks = self._registered_hooks()
        return live

    def recorded(self, entry: Entry, outputs: Mapping[str, Any]) -> JsonObject | None:
        """The body of the entry in a resource's outputs; None where they are those of another entry."""
        fields = ("kind", "name", "namespace", "partition")
        if not outputs.get("configJson") or any((outputs.get(one) or None) != getattr(entry, one) for one in fields):
            return None
        body: JsonObject = json.loads(outputs["configJson"])
        return body

    def declares_http(self, entries: Sequence[Entry], settings: MeshSettings) -> bool:
        """Whether a service of Consul's catalog that is not in `entries` has an HTTP protocol. Raises Unreadable."""
        found = candidates(self.catalogued_services(settings.partition), entries, settings)
        return any((body or {}).get("Protocol") in HTTP_PROTOCOLS for body in self.look(found))

    def pruned(self, entry: Entry, parts: Sequence[Part]) -> tuple[Part, ...]:  # noqa: ARG002 - the same for all
        """All of them: an entry is written as a whole."""
        return tuple(parts)

    def refuse_unwritable(self, entries: Mapping[str, Entry], plans: Mapping[str, Plan]) -> None:
        """Nothing to reject: an entry is written as a whole."""

    def resource(self, entry: Entry, resource_name: str) -> str:  # noqa: ARG002 - the same type for all
        """The URN of the resource that manages the entry."""
        return child_urn(self.urn, CONFIG_ENTRY, resource_name)

    def _registered_hooks(self) -> pulumi.ResourceHookBinding:
        """Stop a write whose entry has changed since it was read; empty where the engine has no resource hooks."""
        self._read_now = reader_beside_registrations(self.component)
        hook = pulumi.ResourceHook(f"{self.urn}::unchanged", self._refuse_changed)
        try:
            _sync_await(hook._registered)  # noqa: SLF001 - the only way to learn whether the engine took it
        except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
            pulumi.log.debug(f"consul-tracing: writes are not guarded: {error}", self.component)
            return pulumi.ResourceHookBinding()
        return pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])

    async def _refuse_changed(self, args: pulumi.ResourceHookArgs) -> None:
        entry = self._guarded[args.name]
        try:
            now = await self._read_now(entry)
        except Unreadable as error:
            raise Refused(
                f"{CONSUL_API.title(entry)} could not be read again before its write, so it was not written: {error}. "
                "Run pulumi up again."
            ) from None
        if now != self._live[entry.identity]:
            raise Refused(
                f"{CONSUL_API.title(entry)} was changed by another writer after this run had read it, so it was not "
                "written. Run pulumi up again."
            )

    def when_deleted(self, entry: Entry, plan: Plan) -> WhenDeleted:  # noqa: ARG002 - the same for all
        """An entry is one object: a deletion removes the fields of other owners too."""
        return "kept" if plan.preserved or plan.released else "deleted"

    def rendered(self, entry: Entry, plan: Plan, resource_name: str) -> str:
        """The entry as JSON, with ownership metadata."""
        urn = self.resource(entry, resource_name)
        metadata = {} if plan.released else marks(parts_of(entry.body), self.policy.owner, urn)
        return config_json(entry.kind, plan.body(entry), metadata)

    def write(
        self,
        resource_name: str,
        entry: Entry,
        plan: Plan,
        rendered: pulumi.Input[str],
        after: Sequence[pulumi.Resource] = (),
    ) -> pulumi.CustomResource:
        """Declare the entry, written after the resources in `after`.

        One that holds fields of other owners is left in Consul when the resource is deleted. It is read again right
        before it is written, and so is `proxy-defaults`, which every team of a company may write.
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
            # Without a name Pulumi would make one up, and configure a service that does not exist.
            name=entry.name,
            namespace=entry.namespace,
            partition=entry.partition,
            config_json=rendered,
            opts=options,
        )

    def settled(self, written: Sequence[pulumi.CustomResource]) -> pulumi.Output[object]:
        """What is written is in force: Consul answers after that."""
        # In a preview nothing is written, and what is known shall be shown.
        if pulumi.runtime.is_dry_run():
            return pulumi.Output.from_input(None)
        return pulumi.Output.all(*(resource.id for resource in written))

    def catalogued_services(self, partition: str | None) -> list[str]:
        """The names of the services in Consul's catalogue. Raises Unreadable."""
        options = [pulumi_consul.GetServicesQueryOptionArgs(partition=partition)] if partition else None
        try:
            return list(pulumi_consul.get_services(options, pulumi.InvokeOptions(parent=self.component)).names or [])
        except Exception as error:  # the SDK has no narrower one
            raise Unreadable(str(error)) from error


def live_entries(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """The bodies of `entries` as Consul has them now, in normal form; None where there is none.

    The first is read alone, so that an unreachable Consul costs one attempt; the rest concurrently, which is three
    times as fast as one by one. Raises Unreadable.
    """
    return [*_sync_await(_look_up(entries[:1], parent)), *_sync_await(_look_up(entries[1:], parent))]


async def _look_up(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """The bodies of `entries`, read concurrently. Raises Unreadable.

    Not by `get_config_entry_output`: for it the SDK reports a missing entry, which is no error here, once more at the
    end of the program.
    """
    release = version("pulumi_consul")

    async def look_up(entry: Entry) -> object:
        place = {"namespace": entry.namespace, "partition": entry.partition}
        # One of its own for each: the SDK writes the provider into it.
        options = pulumi.InvokeOptions(parent=parent, version=release)
        return await pulumi.runtime.invoke_async(LOOK_UP, {"kind": entry.kind, "name": entry.name, **place}, options)

    answers = await asyncio.gather(*(look_up(entry) for entry in entries), return_exceptions=True)
    return [_body(answer) for answer in answers]


def reader_beside_registrations(component: pulumi.ComponentResource) -> Callable[[Entry], Awaitable[JsonObject | None]]:
    """A reader of one entry for a resource hook: it returns the body, or None, and raises Unreadable.

    The SDK's own look-up would wait for a thread of the pool in which each registration waits for its hook to return.
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
            response = monitor.Invoke(request, timeout=SECONDS_TO_READ_AGAIN)
        except grpc.RpcError as error:
            return Exception(cast("grpc.Call", error).details())
        if response.failures:
            return Exception(response.failures[0].reason)
        return dict(getattr(response, "return"))

    async def read(entry: Entry) -> JsonObject | None:
        return _body(await asyncio.get_running_loop().run_in_executor(threads, answer, entry))

    return read


def _body(answer: object) -> JsonObject | None:
    # The provider tells a missing entry and an unreachable Consul by the text of one and the same exception.
    if isinstance(answer, Exception) and "404 (Config entry not found" in str(answer):
        return None
    if isinstance(answer, BaseException):
        raise Unreadable(str(answer)) from answer
    fields: dict[str, Any] = answer if isinstance(answer, dict) else {}
    if not fields.get("configJson"):
        raise Unreadable("the provider is not known yet, since this run creates it")
    body: JsonObject = json.loads(fields["configJson"])
    return body
