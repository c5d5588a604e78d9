import subprocess
import sys
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from pulumi.runtime.proto.provider_pb2 import CheckRequest, ConfigureRequest, InvokeRequest
from pulumi.runtime.proto.provider_pb2_grpc import ResourceProviderStub

from toolchain.consul_resources import PLUGIN, STAND_IN

URN = "urn:pulumi:test::mesh::team:index:Mesh$consul:index/{type}::mesh-proxy-defaults"
CONFIG_ENTRY = URN.format(type="configEntry:ConfigEntry")


@pytest.fixture
def plugin() -> Iterator[ResourceProviderStub]:
    """The plugin as the engine starts it, without an engine."""
    with subprocess.Popen([sys.executable, STAND_IN / PLUGIN], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        try:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                yield ResourceProviderStub(channel)
        finally:
            process.kill()


def test_it_tells_the_version_that_it_stands_in_for(plugin: ResourceProviderStub) -> None:
    assert plugin.GetPluginInfo(Empty()).version == "3.15.2"


def test_it_serves_nothing_before_it_is_configured(plugin: ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="the provider has not been configured"):
        plugin.Check(CheckRequest(urn=CONFIG_ENTRY))


def test_other_resources_of_the_official_plugin_are_refused_by_name(plugin: ResourceProviderStub) -> None:
    with pytest.raises(grpc.RpcError, match="not consul:index/keys:Keys; the official plugin serves it"):
        plugin.Check(CheckRequest(urn=URN.format(type="keys:Keys")))
    with pytest.raises(grpc.RpcError, match="not consul:index/getKeys:getKeys; the official plugin serves it"):
        plugin.Invoke(InvokeRequest(tok="consul:index/getKeys:getKeys"))


def test_after_a_cancel_nothing_further_is_served(plugin: ResourceProviderStub) -> None:
    plugin.Configure(ConfigureRequest())
    plugin.Check(CheckRequest(urn=CONFIG_ENTRY))
    plugin.Cancel(Empty())
    with pytest.raises(grpc.RpcError, match="cancelled: the run was interrupted") as refused:
        plugin.Check(CheckRequest(urn=CONFIG_ENTRY))
    assert refused.value.code() is grpc.StatusCode.CANCELLED


def test_a_python_without_the_sdk_is_told_what_to_do() -> None:
    started = subprocess.run([sys.executable, "-S", STAND_IN / PLUGIN], check=False, capture_output=True, text=True)
    assert started.returncode != 0
    assert "has no pulumi\n  Put the bin directory of the environment" in started.stderr
