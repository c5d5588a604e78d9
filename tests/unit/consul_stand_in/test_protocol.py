import subprocess
import sys
from collections.abc import Iterator

import grpc
import psutil
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto.provider_pb2 import CheckRequest, ConfigureRequest, InvokeRequest
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from toolchain.consul_plugin import PLUGIN, STAND_IN

SECONDS_TO_END = 5.0

URN = "urn:pulumi:test::mesh::team:index:Mesh$consul:index/keys:Keys::mesh-keys"


@pytest.fixture
def plugin() -> Iterator[ResourceProviderStub]:
    """Start the plugin as the engine does, without an engine."""
    with subprocess.Popen([sys.executable, STAND_IN / PLUGIN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield ResourceProviderStub(channel)
        finally:
            process.kill()


def test_version_is_that_of_the_official_plugin(plugin: ResourceProviderStub) -> None:
    assert plugin.GetPluginInfo(Empty()).version == "3.15.2"


def test_unsupported_features_of_the_official_plugin_are_rejected(
    plugin: ResourceProviderStub,
) -> None:
    with pytest.raises(grpc.RpcError, match="consul:index/keys:Keys is not supported by this stand-in"):
        plugin.Check(CheckRequest(urn=URN))
    with pytest.raises(grpc.RpcError, match="consul:index/getKeys:getKeys is not supported by this stand-in"):
        plugin.Invoke(InvokeRequest(tok="consul:index/getKeys:getKeys"))
    with pytest.raises(grpc.RpcError, match="datacenter: not supported by this stand-in"):
        plugin.Configure(ConfigureRequest(args={"datacenter": "dc2"}))


def test_python_without_the_sdk_is_reported_with_the_fix() -> None:
    started = subprocess.run([sys.executable, "-S", STAND_IN / PLUGIN], check=False, capture_output=True, text=True)
    assert started.returncode != 0
    assert "has no pulumi\n  Put the bin directory of the environment" in started.stderr


def test_plugin_listens_on_loopback_and_exits_with_a_killed_engine() -> None:
    engine_script = '"$0" "$1" & echo $!; wait'
    command = ["/bin/sh", "-c", engine_script, sys.executable, STAND_IN / PLUGIN]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as engine:
        assert engine.stdout is not None
        plugin = psutil.Process(int(engine.stdout.readline()))
        try:
            port = int(engine.stdout.readline())
            # gRPC listens on IPv4 through an IPv6 socket.
            listening = {(one.laddr.ip.removeprefix("::ffff:"), one.laddr.port) for one in plugin.net_connections()}
            engine.kill()
            plugin.wait(SECONDS_TO_END)
        finally:
            if plugin.is_running():
                plugin.kill()
    assert listening == {("127.0.0.1", port)}
