"""All that this package takes from Pulumi's SDK and engine without a documented interface.

tests/unit/test_engine.py notices a change of the SDK, tests/mesh one of the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import grpc
import pulumi
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.rpc import UNKNOWN, deserialize_properties_unwrap_secrets
from pulumi.runtime.settings import get_monitor, grpc_error_to_exception

# Every generated SDK imports this name. It waits without a traceback in the output.
from pulumi.runtime.sync_await import _sync_await as wait_for

from .errors import UnreadableError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["LookUp", "address", "hook", "look_ups", "not_known_yet", "output_of", "provider_urn", "urn_of", "wait_for"]


def urn_of(resource: pulumi.Resource) -> str:
    """Return the URN of a resource. For a component, wait for the resources that it depends on, such as consul-k8s."""
    return str(wait_for(resource.urn.future()))


def provider_urn(component: pulumi.ComponentResource, resource_type: str) -> str | None:
    """Return the URN of the component's provider for a type, None for the default provider."""
    provider = component.get_provider(resource_type)
    return urn_of(provider) if provider else None


def output_of(resource: pulumi.Resource, name: str) -> pulumi.Output[Any]:
    """Return an output of a resource, also one that its class does not declare."""
    return pulumi.Output.from_input(vars(resource).get(name))


def not_known_yet(what: str) -> UnreadableError:
    """Return the error of a preview that needs a value of a resource that the update creates."""
    return UnreadableError(f"the {what} is not known yet, because this update creates it")


class LookUp(Protocol):
    """A function that sends a look-up to the engine, in any thread."""

    def __call__(self, token: str, arguments: Mapping[str, Any], **options: float) -> Mapping[str, Any]:
        """Return the result. Raises UnreadableError with the reason of the provider. `options`: those of gRPC."""


def look_ups(provider: pulumi.ProviderResource | None = None, plugin: str = "") -> LookUp:
    """Return a function for look-ups of a provider, by default the engine's own. `plugin`: the version of the plugin.

    `pulumi.runtime.invoke_async` logs four debug messages per look-up, each of them a blocking call of the engine, and
    reports a failure that the program handles again at the end of the program.
    """
    monitor: Any = get_monitor()
    used = wait_for(_reference(provider)) if provider else ""

    def look_up(token: str, arguments: Mapping[str, Any], **options: float) -> Mapping[str, Any]:
        request = resource_pb2.ResourceInvokeRequest(tok=token, provider=used, version=plugin)
        request.args.update(arguments)
        try:
            response = monitor.Invoke(request, **options)
        except grpc.RpcError as error:
            raise UnreadableError(str(grpc_error_to_exception(error))) from error
        except Exception as error:
            # Mocks may raise any exception.
            raise UnreadableError(str(error)) from error
        if response.failures:
            raise UnreadableError(response.failures[0].reason)
        # One secret anywhere in a state would make the whole result a secret.
        result, _ = deserialize_properties_unwrap_secrets(getattr(response, "return"))
        return result if isinstance(result, dict) else {}

    return look_up


async def _reference(provider: pulumi.ProviderResource) -> str:
    return f"{await provider.urn.future()}::{await provider.id.future() or UNKNOWN}"


def hook(name: str, run: Callable[[pulumi.ResourceHookArgs], Awaitable[None]]) -> pulumi.ResourceHook | None:
    """Register a resource hook. None if the engine does not support hooks."""
    registered = pulumi.ResourceHook(name, run)
    try:
        wait_for(registered._registered)  # noqa: SLF001 - no public way to wait for it
    except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
        pulumi.log.debug(f"consul-tracing: resource hooks are not supported: {error}")
        return None
    return registered


def address() -> object:
    """Return the address of the engine: in a component plugin, each component has its own connection to one engine."""
    monitor = get_monitor()
    try:
        return monitor.RegisterResource._channel.target()  # type: ignore[union-attr]  # noqa: SLF001 - no public name
    except AttributeError:  # mocks
        return monitor
