"""The resources in this stack's own state, as the engine's backend has them before the run changes anything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime.sync_await import _sync_await

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_STATE = "pulumi:pulumi:readStackResourceOutputs"
"""The engine's own look-up behind `listResourceOutputs` of Pulumi's Node SDK."""


def resources_in_state() -> Mapping[str, Mapping[str, Any]]:
    """The outputs of each resource by its URN. Reads the whole state, so only a run that needs it asks.

    Empty where the engine cannot read it: under mocks, and for a backend that has no state of this stack yet.
    """
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    try:
        answer: Any = _sync_await(pulumi.runtime.invoke_async(READ_STATE, {"stackName": stack}))
    except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
        pulumi.log.debug(f"consul-tracing: the state of {stack} cannot be read: {error}")
        return {}
    return {urn: one.get("outputs") or {} for urn, one in ((answer or {}).get("outputs") or {}).items()}
