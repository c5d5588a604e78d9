"""Reads of Consul's config entries and catalog, through the provider of the caller."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import grpc
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import UNKNOWN, deserialize_properties_unwrap_secrets
from pulumi.runtime.settings import get_monitor, grpc_error_to_exception

# A private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await

from consul_tracing.errors import UnreadableError

from .identity import CONFIG_ENTRY

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    import pulumi

    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject

ENTRY = "consul:index/getConfigEntry:getConfigEntry"
SERVICES = "consul:index/getServices:getServices"
"""The look-ups of pulumi-consul."""

REREAD_TIMEOUT_SECONDS = 15.0
"""Timeout of the read before a write. After a failed write, the engine may not respond while it waits for the hook."""

READERS = 8
"""Concurrent reads. The engine writes about as many entries concurrently."""


def service_names(
    component: pulumi.ComponentResource, namespace: str | None = None, partition: str | None = None
) -> list[str]:
    """Return the names of the services in Consul's catalog. Raises UnreadableError."""
    place = {key: part for key, part in (("namespace", namespace), ("partition", partition)) if part}
    request = look_up_requests(component)(SERVICES, {"queryOptions": [place]} if place else {})
    monitor: Any = get_monitor()

    async def read() -> object:
        return await asyncio.to_thread(answer_of, monitor.Invoke, request)

    answer = _sync_await(read())
    if isinstance(answer, BaseException):
        raise UnreadableError(str(answer)) from answer
    return list(answer.get("names") or []) if isinstance(answer, dict) else []


def live_entries(entries: Sequence[Entry], parent: pulumi.Resource) -> list[JsonObject | None]:
    """Return the live bodies of the entries in normal form, None for a missing entry. Raises UnreadableError.

    The first entry is read alone, so that an unreachable Consul causes one attempt.
    """
    if not entries:
        return []
    monitor: Any = get_monitor()
    request = look_up_requests(parent)

    def read(part: Sequence[Entry]) -> list[JsonObject | None]:
        return [body_of(answer_of(monitor.Invoke, request(ENTRY, address(entry)))) for entry in part]

    async def read_all() -> list[JsonObject | None]:
        found = [*await asyncio.to_thread(read, entries[:1]), *[None] * (len(entries) - 1)]
        # One thread reads many entries: a task of the event loop for each entry would take longer than its look-up.
        parts = [entries[start::READERS] for start in range(1, READERS + 1)]
        answers = await asyncio.gather(*(asyncio.to_thread(read, part) for part in parts if part))
        for start, part in enumerate(answers, 1):
            found[start::READERS] = part
        return found

    return _sync_await(read_all())


def independent_reader(component: pulumi.ComponentResource) -> Callable[[Entry], Awaitable[JsonObject | None]]:
    """Return a function that reads one entry in a resource hook. It raises UnreadableError.

    It has its own threads: registrations that wait for their hooks occupy those of the event loop.
    """
    monitor: Any = get_monitor()
    request = look_up_requests(component)
    threads = ThreadPoolExecutor(READERS)

    def read_now(entry: Entry) -> JsonObject | None:
        return body_of(
            answer_of(partial(monitor.Invoke, timeout=REREAD_TIMEOUT_SECONDS), request(ENTRY, address(entry)))
        )

    async def read(entry: Entry) -> JsonObject | None:
        return await asyncio.get_running_loop().run_in_executor(threads, read_now, entry)

    return read


def address(entry: Entry) -> dict[str, str]:
    """Return the arguments of the look-up of an entry."""
    asked = {"kind": entry.kind, "name": entry.name, "namespace": entry.namespace, "partition": entry.partition}
    return {name: value for name, value in asked.items() if value}


def look_up_requests(
    parent: pulumi.Resource,
) -> Callable[[str, Mapping[str, Any]], resource_pb2.ResourceInvokeRequest]:
    """Return a function that builds the request of a look-up from its token and arguments, through `parent`'s provider.

    The requests are sent without `pulumi.runtime.invoke_async`, which logs four debug messages per look-up, each of
    them a blocking call of the engine. `get_config_entry_output` is not an alternative either: the SDK reports a
    missing entry again at the end of the program.
    """
    provider = parent.get_provider(CONFIG_ENTRY)
    release = version("pulumi_consul")

    async def reference() -> str:
        if provider is None:
            return ""
        return f"{await provider.urn.future()}::{await provider.id.future() or UNKNOWN}"

    used = _sync_await(reference())

    def request(token: str, arguments: Mapping[str, Any]) -> resource_pb2.ResourceInvokeRequest:
        built = resource_pb2.ResourceInvokeRequest(tok=token, provider=used, version=release)
        built.args.update(arguments)
        return built

    return request


def answer_of(invoke: Callable[[Any], Any], request: resource_pb2.ResourceInvokeRequest) -> object:
    """Return the outputs of a look-up, or the exception with which it failed."""
    try:
        response = invoke(request)
    except grpc.RpcError as error:
        return grpc_error_to_exception(error)
    except Exception as error:  # noqa: BLE001 - mocks may raise any exception
        return error
    if response.failures:
        return Exception(response.failures[0].reason)
    outputs, _ = deserialize_properties_unwrap_secrets(getattr(response, "return"))
    return outputs


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
