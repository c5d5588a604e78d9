"""Guard that stops a write if the entry changed after the program had read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

from consul_tracing.engine import hook
from consul_tracing.errors import UnreadableError, message
from consul_tracing.run_errors import ConflictError

if TYPE_CHECKING:
    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject

    from .consul_api import ConsulApi


class WriteGuard:
    """Reads entries again immediately before their write, in a resource hook of the engine."""

    def __init__(self, api: ConsulApi, urn: str) -> None:
        """Register the hook of the component with this URN."""
        self._expected: dict[str, tuple[Entry, JsonObject | None]] = {}
        self._api = api
        api.prepare()
        registered = hook(f"{urn}::unchanged", self._reject_changed)
        self._hooks = pulumi.ResourceHookBinding()
        if registered:
            self._hooks = pulumi.ResourceHookBinding(before_create=[registered], before_update=[registered])

    def hooks(self, resource_name: str, entry: Entry, body: JsonObject | None) -> pulumi.ResourceHookBinding:
        """Return the hooks of the resource, which stop its write if the live entry is neither `body` nor missing.

        A replaced entry is missing, because Pulumi deletes it before the write. The hooks are empty if the engine does
        not support them.
        """
        self._expected[resource_name] = entry, body
        return self._hooks

    async def _reject_changed(self, args: pulumi.ResourceHookArgs) -> None:
        entry, body = self._expected[args.name]
        try:
            if await self._api.entry_in_hook(entry) in (body, None):
                return
            text = changed_text(entry)
        except UnreadableError as error:
            text = changed_text(entry, str(error))
        raise ConflictError(text)


def changed_text(entry: Entry, error: str = "") -> str:
    """Return why an entry is not written: another writer changed it, or it cannot be read again."""
    changed, unreadable = (
        "another writer changed the entry after this up read it",
        "cannot be read again before the write",
    )
    reason, cause = (unreadable, f": {error}") if error else (changed, "")
    return message("CT206", f"{entry.title}: {reason}, so this up does not write it{cause}. Run pulumi up again.")
