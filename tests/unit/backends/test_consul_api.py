import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import pulumi
import pulumi_consul
import pytest
from pulumi.runtime.proto import resource_pb2

from consul_tracing.backends import consul_api
from consul_tracing.backends.consul_api import (
    ENTRY,
    READERS,
    address,
    answer_of,
    body_of,
    independent_reader,
    live_entries,
    look_up_requests,
)
from consul_tracing.entries.entry import Entry
from consul_tracing.errors import UnreadableError
from tests.unit.mocked_engine import Engine

NAMES = [f"service-{number:02}" for number in range(3 * READERS + 2)]
ENTRIES = [Entry("service-defaults", name, {}) for name in NAMES]
UNREACHABLE = "dial tcp 127.0.0.1:8500: connect: connection refused"


class CountingEngine(Engine):
    """An engine that records the look-ups. After `look_ups_until_failure` of them Consul is unreachable."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[pulumi.runtime.MockCallArgs] = []
        self.look_ups_until_failure = len(ENTRIES)

    def call(self, args: pulumi.runtime.MockCallArgs) -> Any:
        self.calls.append(args)
        return super().call(args) if len(self.calls) <= self.look_ups_until_failure else ({}, [("", UNREACHABLE)])


@pytest.fixture
def engine() -> CountingEngine:
    return CountingEngine()


def in_component(
    engine: Engine, work: Callable[[pulumi.Resource], object], providers: Callable[[], list[Any]] = list
) -> None:
    engine.run(
        lambda: work(
            pulumi.ComponentResource("test:index:Mesh", "mesh", None, pulumi.ResourceOptions(providers=providers()))
        )
    )


@pytest.mark.parametrize("count", [0, 1, 2, READERS + 1, len(ENTRIES)])
def test_entries_are_returned_in_the_order_of_the_request(engine: CountingEngine, count: int) -> None:
    engine.live = {name: {"Protocol": name} for name in NAMES[::2]}
    found: list[Any] = []
    in_component(engine, lambda component: found.extend(live_entries(ENTRIES[:count], component)))
    assert found == [engine.live.get(name) for name in NAMES[:count]]
    assert len(engine.calls) == count


def test_unreachable_consul_causes_one_attempt(engine: CountingEngine) -> None:
    engine.look_ups_until_failure = 0
    with pytest.raises(UnreadableError, match="^dial tcp .*: connection refused$"):
        in_component(engine, lambda component: live_entries(ENTRIES, component))
    assert len(engine.calls) == 1


def test_consul_that_fails_during_the_reads_is_unreadable(engine: CountingEngine) -> None:
    engine.live = {}
    engine.look_ups_until_failure = 5
    with pytest.raises(UnreadableError, match="connection refused"):
        in_component(engine, lambda component: live_entries(ENTRIES, component))
    # Each reader stops at its first failure.
    assert len(engine.calls) <= engine.look_ups_until_failure + READERS


def test_failed_look_up_that_the_program_handles_does_not_fail_the_update(engine: CountingEngine) -> None:
    engine.look_ups_until_failure = 0

    def handled(component: pulumi.Resource) -> None:
        with pytest.raises(UnreadableError):
            live_entries(ENTRIES, component)

    in_component(engine, handled)


def test_look_ups_use_the_provider_of_the_component(engine: CountingEngine) -> None:
    engine.live = {}
    in_component(
        engine,
        lambda component: live_entries(ENTRIES[:2], component),
        lambda: [pulumi_consul.Provider("mine", address="127.0.0.1:8500")],
    )
    mine = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$pulumi:providers:consul::mine::mine-id"
    assert [call.provider for call in engine.calls] == [mine, mine]


def test_look_ups_request_the_installed_version_of_the_plugin(
    engine: CountingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul_api, "version", {"pulumi_consul": "3.99.0"}.__getitem__)
    built: list[resource_pb2.ResourceInvokeRequest] = []
    entry = Entry("service-defaults", "web", {}, "shop", "europe")
    in_component(engine, lambda component: built.append(look_up_requests(component)(ENTRY, address(entry))))
    assert (built[0].version, built[0].provider) == ("3.99.0", "")
    assert dict(built[0].args) == {
        "kind": "service-defaults",
        "name": "web",
        "namespace": "shop",
        "partition": "europe",
    }


def test_second_read_has_a_timeout(engine: CountingEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine waits for a resource hook without a limit."""
    timeouts: list[float] = []

    class Monitor:
        def Invoke(self, _: object, timeout: float = 0) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
            timeouts.append(timeout)
            response = resource_pb2.ResourceInvokeResponse()
            getattr(response, "return").update({"configJson": "{}"})
            return response

    monkeypatch.setattr(consul_api, "get_monitor", Monitor)
    readers: list[Any] = []
    in_component(engine, lambda component: readers.append(independent_reader(component)))
    assert asyncio.run(readers[0](ENTRIES[0])) == {}
    assert timeouts == [consul_api.REREAD_TIMEOUT_SECONDS]


class EngineError(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "Unexpected response code: 403 (Permission denied)"


def test_error_of_the_engine_is_unreadable() -> None:
    def invoke(_request: object) -> None:
        raise EngineError

    with pytest.raises(UnreadableError, match="403"):
        body_of(answer_of(invoke, resource_pb2.ResourceInvokeRequest()))


def test_secret_entry_is_read() -> None:
    def invoke(_request: object) -> resource_pb2.ResourceInvokeResponse:
        response = resource_pb2.ResourceInvokeResponse()
        secret = {
            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
            "value": '{"Protocol":"http"}',
        }
        getattr(response, "return").update({"configJson": secret})
        return response

    assert body_of(answer_of(invoke, resource_pb2.ResourceInvokeRequest())) == {"Protocol": "http"}
