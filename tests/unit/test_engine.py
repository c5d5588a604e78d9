"""The names of Pulumi's SDK that have no documented interface. A failure here is a change of the SDK."""

import asyncio
from typing import Any

import grpc
import pulumi
import pulumi_consul
import pytest
from pulumi.runtime.proto import resource_pb2, resource_pb2_grpc

from consul_tracing import engine as sdk
from consul_tracing.errors import UnreadableError
from tests.unit.mocked_engine import Engine


def test_connections_to_one_address_identify_one_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    engines = []
    for address in ("127.0.0.1:20001", "127.0.0.1:20001", "127.0.0.1:20002"):
        connection = resource_pb2_grpc.ResourceMonitorStub(grpc.insecure_channel(address))
        monkeypatch.setattr(sdk, "get_monitor", lambda connection=connection: connection)
        engines.append(sdk.address())
    assert engines[0] == engines[1] != engines[2]


def test_constructor_waits_inside_the_event_loop() -> None:
    async def program() -> str:
        return sdk.wait_for(asyncio.sleep(0, "done"))

    assert asyncio.run(program()) == "done"


def test_resource_has_its_urn_its_provider_and_outputs_without_declaration(engine: Engine) -> None:
    found: list[Any] = []

    def program() -> pulumi.Output[Any]:
        provider = pulumi_consul.Provider("mine", address="a:8500")
        mesh = pulumi.ComponentResource("a:b:C", "mesh", None, pulumi.ResourceOptions(providers=[provider]))
        found.append(sdk.urn_of(mesh))
        found.append(sdk.provider_urn(mesh, "consul:index/configEntry:ConfigEntry"))
        found.append(sdk.provider_urn(mesh, "kubernetes:core/v1:Secret"))
        outputs = pulumi.Output.all(sdk.output_of(provider, "address"), sdk.output_of(provider, "missing"))
        return outputs.apply(found.extend)

    engine.run(program)
    stack = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$"
    assert found == [f"{stack}a:b:C::mesh", f"{stack}pulumi:providers:consul::mine", None, "a:8500", None]


def test_hook_is_registered(engine: Engine) -> None:
    hooks: list[pulumi.ResourceHook | None] = []

    async def run(_: pulumi.ResourceHookArgs) -> None: ...

    engine.run(lambda: hooks.append(sdk.hook("mesh::unchanged", run)))
    assert hooks[0] is not None
    assert hooks[0].name == "mesh::unchanged"


class EngineError(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "Unexpected response code: 403 (Permission denied)"


class Monitor:
    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def Invoke(self, _: object) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
        if isinstance(self.answer, Exception):
            raise self.answer
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(self.answer)
        return response


def test_error_of_the_engine_is_unreadable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "get_monitor", lambda: Monitor(EngineError()))
    with pytest.raises(UnreadableError, match="403"):
        sdk.look_ups()("token", {})


def test_result_with_a_secret_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "value": "hush"}
    monkeypatch.setattr(sdk, "get_monitor", lambda: Monitor({"configJson": secret}))
    assert sdk.look_ups()("token", {}) == {"configJson": "hush"}
