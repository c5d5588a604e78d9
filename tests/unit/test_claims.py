import grpc
import pytest
from pulumi.runtime.proto import resource_pb2_grpc

from consul_tracing import claims


def connection(address: str) -> resource_pb2_grpc.ResourceMonitorStub:
    return resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(address))


def test_the_components_of_a_plugin_share_an_engine_over_connections_of_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines = []
    for address in ("127.0.0.1:20001", "127.0.0.1:20001", "127.0.0.1:20002"):
        monkeypatch.setattr(claims, "get_monitor", lambda address=address: connection(address))
        engines.append(claims.engine())
    assert engines[0] == engines[1] != engines[2]
