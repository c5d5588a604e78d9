"""Reads of Consul's config entries and catalog, through the provider of the caller."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from consul_tracing.engine import LookUp, look_ups, not_known_yet, wait_for
from consul_tracing.errors import UnreadableError

from .identity import CONFIG_ENTRY

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pulumi

    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject

ENTRY = "consul:index/getConfigEntry:getConfigEntry"
SERVICES = "consul:index/getServices:getServices"
"""The look-ups of pulumi-consul."""

SIDECAR_SUFFIX = "-sidecar-proxy"

REREAD_TIMEOUT_SECONDS = 15.0
"""Timeout of the read before a write. After a failed write, the engine may not respond while it waits for the hook."""

READERS = 8
"""Concurrent reads. The engine writes about as many entries concurrently."""


class ConsulApi:
    """Consul's HTTP API, as the provider of a component reads it. All methods raise UnreadableError."""

    def __init__(self, component: pulumi.Resource) -> None:
        """Read through the provider of the component."""
        self._component = component
        self._services: dict[tuple[tuple[str, str], ...], list[str]] = {}

    @cached_property
    def _look_up(self) -> LookUp:
        return look_ups(self._component.get_provider(CONFIG_ENTRY), version("pulumi_consul"))

    def service_names(self, namespace: str | None = None, partition: str | None = None) -> list[str]:
        """Return the names of the services in the catalog, without those of sidecars. They are read once."""
        place = _place(namespace, partition)
        key = tuple(place.items())
        if key not in self._services:
            options: dict[str, Any] = {"queryOptions": [place]} if place else {}
            names = wait_for(asyncio.to_thread(self._look_up, SERVICES, options)).get("names") or []
            self._services[key] = [name for name in names if not name.endswith(SIDECAR_SUFFIX)]
        return self._services[key]

    def entries(self, entries: Sequence[Entry]) -> list[JsonObject | None]:
        """Return the live bodies of the entries in normal form, None for a missing entry.

        The first entry is read alone, so that an unreachable Consul causes one attempt.
        """
        if not entries:
            return []
        look_up = self._look_up

        def read(part: Sequence[Entry]) -> list[JsonObject | None]:
            return [body_of(look_up, entry) for entry in part]

        async def read_all() -> list[JsonObject | None]:
            found = [*await asyncio.to_thread(read, entries[:1]), *[None] * (len(entries) - 1)]
            # One thread reads many entries: a task of the event loop for each entry would take longer than its look-up.
            parts = [entries[start::READERS] for start in range(1, READERS + 1)]
            answers = await asyncio.gather(*(asyncio.to_thread(read, part) for part in parts if part))
            for start, part in enumerate(answers, 1):
                found[start::READERS] = part
            return found

        return wait_for(read_all())

    def prepare(self) -> None:
        """Find the provider, so that a resource hook can read."""
        _ = self._look_up

    async def entry_in_hook(self, entry: Entry) -> JsonObject | None:
        """Return the live body of an entry. Registrations that wait for hooks occupy the threads of the event loop."""
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, lambda: body_of(self._look_up, entry, timeout=REREAD_TIMEOUT_SECONDS)
        )

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(READERS)


def body_of(look_up: LookUp, entry: Entry, **options: float) -> JsonObject | None:
    """Return the live body of an entry, None for a missing one. Raises UnreadableError."""
    asked = {"kind": entry.kind, "name": entry.name, **_place(entry.namespace, entry.partition)}
    try:
        fields = look_up(ENTRY, asked, **options)
    except UnreadableError as error:
        # Only the text distinguishes a missing entry from an unreachable Consul.
        if "404 (Config entry not found" in str(error):
            return None
        raise
    if not fields.get("configJson"):
        raise not_known_yet("provider")
    body: JsonObject = json.loads(fields["configJson"])
    return body


def _place(namespace: str | None, partition: str | None) -> dict[str, str]:
    """Return a namespace and partition without the default ones: Consul's community edition rejects their name."""
    place = {"namespace": namespace, "partition": partition}
    return {key: part for key, part in place.items() if part and part != "default"}
