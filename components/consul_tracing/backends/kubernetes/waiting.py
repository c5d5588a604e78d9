"""Wait until the controller of consul-k8s has written objects into Consul."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consul_tracing.entries.custom_resources import title
from consul_tracing.errors import UnreadableError
from consul_tracing.run_errors import SyncError

from .access import live_objects
from .sync import Sync, sync, sync_error_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consul_tracing.entries.entry import Entry

    from .access import Cluster

REJECTION_SECONDS = 6.0
"""Seconds for which a rejection must last. The controller retries within 5 seconds."""

POLL_SECONDS, MAX_POLL_SECONDS = 0.25, 5.0
"""Seconds between the reads of the status: the first one, and the limit to which they grow."""

UNREADABLE = "Kubernetes cannot be read"

MAX_REPORTED = 5
"""Objects that a message describes. The rest is counted."""


async def wait_until_synced(cluster: Cluster, entries: Sequence[Entry], seconds: float) -> None:
    """Wait for the status of all objects. Raises SyncError for a rejection by the controller, and after the timeout."""
    began = time.monotonic()
    while missing := await _not_synced(cluster, entries):
        waited = time.monotonic() - began
        is_final = all(status.state == "rejected" for _, status in missing) and waited > REJECTION_SECONDS
        if is_final or waited >= seconds:
            raise SyncError(_text(missing, seconds))
        if missing[0][1].reason != UNREADABLE:
            entries = [entry for entry, _ in missing]
        await asyncio.sleep(min(POLL_SECONDS + waited / 2, MAX_POLL_SECONDS, seconds - waited))


async def _not_synced(cluster: Cluster, entries: Sequence[Entry]) -> list[tuple[Entry, Sync]]:
    try:
        live = await asyncio.to_thread(live_objects, cluster, entries)
    except UnreadableError as error:
        return [(entry, Sync("waiting", UNREADABLE, str(error))) for entry in entries[:1]]
    states = [(entry, sync(live.get(entry.identity, {}))) for entry in entries]
    return [(entry, one) for entry, one in states if one.state != "synced"]


def _text(missing: Sequence[tuple[Entry, Sync]], seconds: float) -> str:
    texts = [sync_error_text(title(entry), entry, one, seconds) for entry, one in missing[:MAX_REPORTED]]
    more = [f"{len(missing) - MAX_REPORTED} more are not synced"] if len(missing) > MAX_REPORTED else []
    return "\n".join([*texts, *more])
