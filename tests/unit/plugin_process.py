"""The plugin as a process, and a monitor in place of Pulumi's engine that records what components register."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from pulumi.runtime import rpc
from pulumi.runtime.proto import engine_pb2, engine_pb2_grpc, provider_pb2, resource_pb2, resource_pb2_grpc
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from testbed import CHECKOUT

SECONDS = 60.0
NOT_FOUND = 'Unexpected response code: 404 (Config entry not found for "x" / "y")'
OUTPUT = {rpc._special_sig_key: rpc._special_output_value_sig}  # noqa: SLF001 - the wire format has no public names
SECRET = {rpc._special_sig_key: rpc._special_secret_sig}  # noqa: SLF001


class Monitor(resource_pb2_grpc.ResourceMonitorServicer, engine_pb2_grpc.EngineServicer):
    """A Consul without entries behind an engine that accepts every registration."""

    def __init__(self) -> None:
        self.registered: dict[str, dict[str, Any]] = {}
        self.logged: list[str] = []

    def GetDeploymentInfo(self, _: Any, __: Any) -> Any:
        return resource_pb2.DeploymentInfo()

    def SupportsFeature(self, _: Any, __: Any) -> Any:
        return resource_pb2.SupportsFeatureResponse(hasSupport=False)

    def Invoke(self, request: Any, _: Any) -> Any:
        failure = provider_pb2.CheckFailure(reason=NOT_FOUND)
        is_look_up = request.tok.endswith("getConfigEntry")
        return provider_pb2.InvokeResponse(failures=[failure] if is_look_up else [])

    def RegisterResource(self, request: Any, _: Any) -> Any:
        self.registered[request.name] = MessageToDict(request.object)
        urn = f"urn:pulumi:test::mesh::{request.type}::{request.name}"
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{request.name}-id", object=request.object)

    def RegisterResourceOutputs(self, _: Any, __: Any) -> Any:
        return Empty()

    def Log(self, request: Any, _: Any) -> Any:
        self.logged.append(request.message)
        return Empty()

    def GetRootResource(self, _: Any, __: Any) -> Any:
        return engine_pb2.GetRootResourceResponse()

    def entry(self, name: str) -> dict[str, Any]:
        """Return the body of the config entry that was registered as the resource `name`."""
        body: dict[str, Any] = json.loads(self.registered[name]["configJson"])
        return body


class Plugin:
    """The running plugin."""

    def __init__(self, stub: ResourceProviderStub, monitor: Monitor, monitor_address: str) -> None:
        self.monitor = monitor
        self._stub = stub
        self._monitor_address = monitor_address

    def schema(self) -> dict[str, Any]:
        schema: dict[str, Any] = json.loads(
            self._stub.GetSchema(provider_pb2.GetSchemaRequest(), timeout=SECONDS).schema
        )
        return schema

    def construct(self, component: str, inputs: dict[str, Any], *, preview: bool = False) -> dict[str, Any]:
        """Create a component called `mesh` and return its outputs. Raises grpc.RpcError."""
        self.monitor.registered.clear()
        self.monitor.logged.clear()
        request = provider_pb2.ConstructRequest(
            project="mesh",
            stack="test",
            organization="acme",
            type=f"consul-tracing:index:{component}",
            name="mesh",
            monitorEndpoint=self._monitor_address,
            dryRun=preview,
        )
        request.inputs.CopyFrom(_struct(inputs))
        outputs: dict[str, Any] = MessageToDict(self._stub.Construct(request, timeout=SECONDS).state)
        return outputs


@contextmanager
def running_plugin(python: str | Path = sys.executable, folder: Path = CHECKOUT / "plugin") -> Iterator[Plugin]:
    """Start the plugin as the engine does, with the monitor as its engine."""
    monitor, server = Monitor(), grpc.server(ThreadPoolExecutor())
    resource_pb2_grpc.add_ResourceMonitorServicer_to_server(monitor, server)
    engine_pb2_grpc.add_EngineServicer_to_server(monitor, server)
    engine = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    command = [python, folder, engine]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
                yield Plugin(ResourceProviderStub(channel), monitor, engine)
        finally:
            process.kill()
            server.stop(grace=None)


def _struct(values: dict[str, Any]) -> Struct:
    struct = Struct()
    struct.update(values)
    return struct
