from typing import Any

import grpc
import pulumi
import pulumi_consul
import pytest
from pulumi.runtime.proto import resource_pb2_grpc

from consul_tracing import InvalidInputError, MeshTracing
from consul_tracing.backends import duplicates
from consul_tracing.backends.identity import CONFIG_ENTRY
from tests.unit.mocked_engine import Engine


def connection(address: str) -> resource_pb2_grpc.ResourceMonitorStub:
    return resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(address))


def test_connections_to_one_address_identify_one_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = []
    for address in ("127.0.0.1:20001", "127.0.0.1:20001", "127.0.0.1:20002"):
        monkeypatch.setattr(duplicates, "get_monitor", lambda address=address: connection(address))
        engines.append(duplicates.engine())
    assert engines[0] == engines[1] != engines[2]


@pytest.mark.parametrize("is_same_mesh", [True, False])
def test_raw_resource_writes_to_the_mesh_of_its_parent(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, is_same_mesh: bool
) -> None:
    checks: list[Any] = []
    monkeypatch.setattr(duplicates, "get_root_resource", lambda: "the stack")
    monkeypatch.setattr(pulumi.runtime, "register_stack_transformation", checks.append)

    def program() -> None:
        provider = pulumi_consul.Provider("second", address="second.example.com:8500")
        second = pulumi.ResourceOptions(providers=[provider])
        MeshTracing("mesh", collector={"host": "zipkin"}, opts=second if is_same_mesh else None)
        group = pulumi.ComponentResource("acme:index:Group", "group", None, second)
        entry = {"kind": "proxy-defaults", "name": "global"}
        options = pulumi.ResourceOptions(parent=group)
        checks[0](pulumi.ResourceTransformationArgs(group, CONFIG_ENTRY, "raw", entry, options))

    if not is_same_mesh:
        engine.run(program)
        return
    with pytest.raises(InvalidInputError, match='conflicts with the resource "raw", which writes the same entry'):
        engine.run(program)
