"""Reads of Consul's config entries and catalog, through the provider of the caller."""

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

from consul_tracing.errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject

CONFIG_ENTRY = "consul:index/configEntry:ConfigEntry"
"""The type of pulumi-consul's resource."""

LOOK_UP = "consul:index/getConfigEntry:getConfigEntry"

REREAD_TIMEOUT_SECONDS = 15.0
"""Timeout of the read before a write. After a failed write the engine may not answer, while it waits for the hook."""

READERS = 8
"""Concurrent reads before writes. The engine writes about as many entries concurrently."""


def service_names(component: pulumi.ComponentResource, partition: str | None) -> list[str]:
    """Return the names of the services in Consul's catalog. Raises UnreadableError."""
    options = [pulumi_consul.GetServicesQueryOptionArgs(partition=partition)] if partition else None
    try:
        return list(pulumi_consul.get_services(options, pulumi.InvokeOptions(parent=component)).names or [])
    except Exception as error:  # the SDK has no narrower one
        raise UnreadableError(str(error)) from error


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
    return [body_of(answer) for answer in answers]


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
        return body_of(await asyncio.get_running_loop().run_in_executor(threads, answer, entry))

    return read


def body_of(answer: object) -> JsonObject | None:
    """Return the entry in the answer of a look-up, None for a missing entry. Raises UnreadableError."""
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
