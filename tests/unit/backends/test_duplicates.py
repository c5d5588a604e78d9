import grpc
import pytest
from pulumi.runtime.proto import resource_pb2_grpc

from consul_tracing.backends import duplicates


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
