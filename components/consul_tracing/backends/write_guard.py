"""Guard that stops a write if the entry changed after the program had read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi

# A private name that every generated SDK imports. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await

from consul_tracing.errors import UnreadableError, message
from consul_tracing.run_errors import ConflictError

from .consul_api import independent_reader

if TYPE_CHECKING:
    from consul_tracing.entries.entry import Entry
    from consul_tracing.names import JsonObject


class WriteGuard:
    """Reads entries again immediately before their write, in a resource hook of the engine."""

    def __init__(self, component: pulumi.ComponentResource, urn: str) -> None:
        """Register the hook of the component with this URN."""
        self._expected: dict[str, tuple[Entry, JsonObject | None]] = {}
        self._read = independent_reader(component)
        hook = pulumi.ResourceHook(f"{urn}::unchanged", self._reject_changed)
        try:
            _sync_await(hook._registered)  # noqa: SLF001 - no public way to wait for it
            self._hooks = pulumi.ResourceHookBinding(before_create=[hook], before_update=[hook])
        except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
            pulumi.log.debug(f"consul-tracing: writes are not guarded: {error}", component)
            self._hooks = pulumi.ResourceHookBinding()

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
            unchanged = await self._read(entry) in (body, None)
        except UnreadableError as error:
            reason = f"cannot be read again before the write, so this up does not write it: {error}"
            raise _conflict(entry, reason) from None
        if not unchanged:
            raise _conflict(
                entry, "another writer changed the entry after this up read it, so this up does not write it"
            )


def _conflict(entry: Entry, reason: str) -> ConflictError:
    return ConflictError(message("CT206", f"{entry.title}: {reason}. Run pulumi up again."))
