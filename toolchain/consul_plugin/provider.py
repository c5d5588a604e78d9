"""Pulumi's provider protocol: every message is turned into plain data, handed on, and its result sent back."""

# ruff: noqa: N802 - calls are named as the protocol names them

import json
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, TypeVar

import grpc
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderServicer

from . import PLUGIN_VERSION
from .catalogue import services
from .config_entry import (
    Change,
    ConfigEntries,
    EntryDiff,
    EntryFailure,
    checked_inputs,
    entry_diff,
    planned_state,
)
from .consul_api import ConsulApi
from .consul_settings import UnusableSettings, consul_settings
from .package_schema import LOOK_UP, RESOURCE_TYPE, SERVICES, package_schema
from .property_values import properties, struct

Result = TypeVar("Result")

ONLY_CONFIG_ENTRIES = (
    f"this stand-in for pulumi-resource-consul {PLUGIN_VERSION} serves {RESOURCE_TYPE}, {LOOK_UP} and {SERVICES} only, "
    "not {asked}; the official plugin serves it"
)
CANCELLED = "cancelled: the run was interrupted, so nothing further is asked of Consul"
PROPERTY_DIFF_KINDS = {
    (Change.ADD, False): provider_pb2.PropertyDiff.ADD,
    (Change.ADD, True): provider_pb2.PropertyDiff.ADD_REPLACE,
    (Change.UPDATE, False): provider_pb2.PropertyDiff.UPDATE,
    (Change.UPDATE, True): provider_pb2.PropertyDiff.UPDATE_REPLACE,
    (Change.DELETE, False): provider_pb2.PropertyDiff.DELETE,
    (Change.DELETE, True): provider_pb2.PropertyDiff.DELETE_REPLACE,
}


class ConsulProvider(ResourceProviderServicer):
    """Serves one provider resource of a Pulumi program.

    Secrets are not asked for: Pulumi then sends bare values and itself marks what comes back under the same names.
    """

    def __init__(self, met_engine: Callable[[str], None]) -> None:
        """Call `met_engine` with the engine's address whenever it is told."""
        self._met_engine = met_engine
        self._entries: ConfigEntries | None = None
        self._cancelled = threading.Event()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        """Say what this plugin understands."""
        if request.engine_address:
            self._met_engine(request.engine_address)
        return provider_pb2.ProviderHandshakeResponse()

    def Attach(self, request: plugin_pb2.PluginAttach, _context: grpc.ServicerContext) -> Empty:
        """Learn the engine's address when started by hand."""
        self._met_engine(request.address)
        return Empty()

    def GetPluginInfo(self, _request: Empty, _context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        """Tell the official version that is stood in for."""
        return plugin_pb2.PluginInfo(version=PLUGIN_VERSION)

    def GetSchema(
        self, _request: provider_pb2.GetSchemaRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        """Describe the package."""
        return provider_pb2.GetSchemaResponse(schema=json.dumps(package_schema()))

    def Cancel(self, _request: Empty, _context: grpc.ServicerContext) -> Empty:
        """Refuse everything from now on; what is under way ends by itself."""
        self._cancelled.set()
        return Empty()

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        """Take the provider's configuration as it is; `Configure` knows whether it can be used."""
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(
        self, request: provider_pb2.DiffRequest, _context: grpc.ServicerContext
    ) -> provider_pb2.DiffResponse:
        """Tell whether the configuration changed; no entry is replaced because of it."""
        same = properties(request.olds) == properties(request.news)
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_NONE if same else provider_pb2.DiffResponse.DIFF_SOME
        )

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        """Learn where Consul is. Nothing is asked of it yet: a preview must work while it is down."""
        try:
            settings = consul_settings(properties(request.args), os.environ)
        except UnusableSettings as unusable:
            fail(context, grpc.StatusCode.INVALID_ARGUMENT, str(unusable))
        self._entries = ConfigEntries(ConsulApi(settings))
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        """Check a resource's inputs and fill in what is left out."""
        self._must_serve(resource_type(request.urn), context)
        inputs, failures = checked_inputs(
            properties(request.news), properties(request.olds), resource_name(request.urn), request.randomSeed
        )
        return provider_pb2.CheckResponse(
            inputs=struct(inputs),
            failures=[provider_pb2.CheckFailure(property=unfit.property, reason=unfit.reason) for unfit in failures],
        )

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        """Compare state with program."""
        self._must_serve(resource_type(request.urn), context)
        return diff_response(
            entry_diff(properties(request.olds), properties(request.news), ignored=tuple(request.ignoreChanges))
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        """Write a new entry, over an existing one too."""
        entries = self._must_serve(resource_type(request.urn), context)
        program = properties(request.properties)
        if request.preview:
            return provider_pb2.CreateResponse(properties=struct(planned_state(program)))
        created = attempt(context, lambda: entries.write(program))
        return provider_pb2.CreateResponse(id=created.resource_id, properties=struct(created.state))

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        """Write an entry again, over changes that others made since."""
        entries = self._must_serve(resource_type(request.urn), context)
        program = properties(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=struct({**planned_state(program), "id": request.id}))
        updated = attempt(context, lambda: entries.write(program))
        return provider_pb2.UpdateResponse(properties=struct(updated.state))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        """Refresh or import an entry; an empty answer says that it is gone."""
        entries = self._must_serve(resource_type(request.urn), context)
        state, inputs = properties(request.properties), properties(request.inputs)
        live = attempt(context, lambda: entries.read(request.id, state, inputs))
        if live is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=live.resource_id, properties=struct(live.state), inputs=struct(live.inputs))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> Empty:
        """Delete an entry."""
        entries = self._must_serve(resource_type(request.urn), context)
        attempt(context, lambda: entries.delete(properties(request.properties)))
        return Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        """Look an entry, or the catalogue's services, up; in previews too."""
        entries = self._must_serve(request.tok, context)
        arguments = properties(request.args)

        def look_up() -> Mapping[str, Any]:
            return services(entries.consul, arguments) if request.tok == SERVICES else entries.look_up(arguments)

        found = attempt(context, look_up, f"invoking {request.tok}: ")
        response = provider_pb2.InvokeResponse()
        # `return` is a keyword in Python, so the field cannot be named in the call above.
        getattr(response, "return").CopyFrom(struct(found))
        return response

    def _must_serve(self, asked: str, context: grpc.ServicerContext) -> ConfigEntries:
        """Return the entries to work on; fail the call where this plugin cannot or may not serve it."""
        if self._cancelled.is_set():
            fail(context, grpc.StatusCode.CANCELLED, CANCELLED)
        if asked not in {RESOURCE_TYPE, LOOK_UP, SERVICES}:
            fail(context, grpc.StatusCode.UNIMPLEMENTED, ONLY_CONFIG_ENTRIES.format(asked=asked))
        if self._entries is None:
            fail(context, grpc.StatusCode.FAILED_PRECONDITION, "the provider has not been configured")
        return self._entries


def resource_type(urn: str) -> str:
    """Return the resource's own type: the last of the types in its URN, which name its parents too."""
    return urn.split("::")[2].rpartition("$")[2]


def resource_name(urn: str) -> str:
    """Return the name that the program gave to the resource."""
    return urn.split("::", 3)[3]


def attempt(context: grpc.ServicerContext, step: Callable[[], Result], before_failure: str = "") -> Result:
    """Take a step; its failure is the call's."""
    try:
        return step()
    except EntryFailure as failure:
        fail(context, grpc.StatusCode.UNKNOWN, f"{before_failure}{failure}")


def fail(context: grpc.ServicerContext, code: grpc.StatusCode, text: str) -> NoReturn:
    """End the call with a text for the user."""
    context.abort(code, text)
    raise AssertionError


def diff_response(diff: EntryDiff) -> provider_pb2.DiffResponse:
    """Put a difference into Pulumi's terms."""
    some = provider_pb2.DiffResponse.DIFF_SOME if diff.changes else provider_pb2.DiffResponse.DIFF_NONE
    return provider_pb2.DiffResponse(
        changes=some,
        diffs=list(diff.changes),
        replaces=list(diff.replaced_by),
        deleteBeforeReplace=bool(diff.replaced_by) and diff.same_name,
        hasDetailedDiff=True,
        detailedDiff={
            key: provider_pb2.PropertyDiff(kind=PROPERTY_DIFF_KINDS[change, key in diff.replaced_by])
            for key, change in diff.changes.items()
        },
    )
