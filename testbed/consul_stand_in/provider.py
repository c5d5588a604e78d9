"""Pulumi's provider protocol. Calls that are not implemented are optional: the engine has a default for each."""

# ruff: noqa: N802 - calls are named as in the protocol

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from . import PLUGIN_VERSION, SCOPE, PluginError
from .config_entry import ConfigEntries, changes, program_inputs
from .consul_api import ConsulApi, consul_settings

RESOURCE_TYPE = "consul:index/configEntry:ConfigEntry"
LOOK_UPS: Mapping[str, Callable[[ConfigEntries, Mapping[str, Any]], Mapping[str, Any]]] = {
    "consul:index/getConfigEntry:getConfigEntry": ConfigEntries.look_up,
    "consul:index/getServices:getServices": ConfigEntries.services,
}

SIGNATURE = "4dabf18193072939515e22adb298388d"
"""Pulumi's key that marks special values, such as a secret `{SIGNATURE: …, "value": …}`."""


class ConsulProvider(ResourceProviderServicer):
    """Service for one provider resource of a Pulumi program.

    It does not accept secrets, so the engine sends plain values and marks the results as secret.
    """

    def __init__(self, introduce: Callable[[str], None]) -> None:
        """Take a function that receives the address of the engine."""
        self._introduce = introduce
        self._entries = ConfigEntries(ConsulApi(consul_settings({}, {})))

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Introduce this plugin to the user."""
        self._introduce(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, _request: Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Report the official version that this plugin reproduces."""
        return plugin_pb2.PluginInfo(version=PLUGIN_VERSION)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Read the address and the token. It sends no request, because a preview must work while Consul is down."""
        with failures_reported(context):
            self._entries = ConfigEntries(ConsulApi(consul_settings(plain(request.args), os.environ)))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Check the inputs of a resource. Every other call for the resource follows this one."""
        # The types before the last one in the URN are those of the parents.
        resource_type = request.urn.split("::")[2].rpartition("$")[2]
        with failures_reported(context):
            require_supported(resource_type, [RESOURCE_TYPE])
            return provider_pb2.CheckResponse(inputs=struct(program_inputs(plain(request.news))))

    def Diff(self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Compare state and program."""
        found = changes(plain(request.olds), plain(request.news), request.ignoreChanges)
        replaces = [key for key, change in found.items() if change.endswith("REPLACE")]
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=list(found),
            replaces=replaces,
            # Entries with the same name in two namespaces have the same id in Pulumi's state.
            deleteBeforeReplace=bool(replaces) and "name" not in replaces,
            hasDetailedDiff=True,
            detailedDiff={
                key: provider_pb2.PropertyDiff(kind=provider_pb2.PropertyDiff.Kind.Value(change))
                for key, change in found.items()
            },
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Write a new entry. An existing entry is overwritten."""
        if request.preview:
            return provider_pb2.CreateResponse(properties=request.properties)
        with failures_reported(context):
            created = self._entries.write(plain(request.properties))
        return provider_pb2.CreateResponse(id=created.resource_id, properties=struct(created.state))

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Write an entry again. Changes of other writers are overwritten."""
        if request.preview:
            return provider_pb2.UpdateResponse(properties=request.news)
        with failures_reported(context):
            updated = self._entries.write(plain(request.news))
        return provider_pb2.UpdateResponse(properties=struct(updated.state))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Refresh or import an entry. An empty response means that it does not exist."""
        with failures_reported(context):
            live = self._entries.read(request.id, plain(request.properties), plain(request.inputs))
        if live is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=live.resource_id, properties=struct(live.state), inputs=struct(live.inputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete an entry."""
        with failures_reported(context):
            self._entries.delete(plain(request.properties))
        return Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Serve a look-up, also in a preview."""
        with failures_reported(context, f"invoking {request.tok}: "):
            require_supported(request.tok, LOOK_UPS)
            found = LOOK_UPS[request.tok](self._entries, plain(request.args))
        response = provider_pb2.InvokeResponse()
        # `return` is a keyword in Python, so the field cannot be set by name.
        getattr(response, "return").CopyFrom(struct(found))
        return response


def require_supported(token: str, served: Mapping[str, object] | list[str]) -> None:
    """Raise PluginError for a resource or function that only the official plugin supports."""
    if token not in served:
        raise PluginError(f"{token} is not supported by this stand-in for the official plugin: {SCOPE}")


@contextmanager
def failures_reported(context: grpc.ServicerContext, before: str = "") -> Iterator[None]:
    """End the call with the text of a PluginError."""
    try:
        yield
    except PluginError as problem:
        context.abort(grpc.StatusCode.UNKNOWN, f"{before}{problem}")


def plain(properties: Struct) -> dict[str, Any]:
    """Return properties as plain data. Configuration contains secrets although this provider does not accept them."""
    return {
        key: value["value"] if isinstance(value, dict) and SIGNATURE in value else value
        for key, value in MessageToDict(properties).items()
    }


def struct(properties: Mapping[str, Any]) -> Struct:
    """Return plain data as properties."""
    sent = Struct()
    sent.update(dict(properties))
    return sent
