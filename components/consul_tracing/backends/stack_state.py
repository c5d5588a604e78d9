"""The resources in the stack's state before the update."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import deserialize_properties
from pulumi.runtime.settings import get_monitor

if TYPE_CHECKING:
    from collections.abc import Mapping

READ_STATE = "pulumi:pulumi:readStackResourceOutputs"
"""The look-up of the engine behind `listResourceOutputs` of Pulumi's Node SDK."""


class StackState:
    """The state of the program's stack. It is read at most once, and only if needed."""

    @cached_property
    def resources(self) -> Mapping[str, Mapping[str, Any]]:
        """The outputs of each resource by its URN. Empty under mocks, and if the stack has no state yet."""
        return _resources()


def _resources() -> dict[str, Mapping[str, Any]]:
    stack = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    request = resource_pb2.ResourceInvokeRequest(tok=READ_STATE)
    request.args.update({"stackName": stack})
    try:
        # `pulumi.runtime.invoke_async` would report a failure again at the end of the program.
        monitor: Any = get_monitor()
        answer: Any = deserialize_properties(getattr(monitor.Invoke(request), "return"))
    except Exception as error:  # noqa: BLE001 - mocks may raise any exception
        pulumi.log.debug(f"consul-tracing: the state of {stack} cannot be read: {error}")
        return {}
    return {urn: one.get("outputs") or {} for urn, one in ((answer or {}).get("outputs") or {}).items()}
