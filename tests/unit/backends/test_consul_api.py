import asyncio
from collections.abc import Callable
from typing import Any

import pulumi
import pulumi_consul
import pytest
from pulumi.runtime.proto import resource_pb2

from consul_tracing import engine as engine_sdk
from consul_tracing.backends import consul_api
from consul_tracing.backends.consul_api import (
    READERS,
    ConsulApi,
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
    in_component(engine, lambda component: found.extend(ConsulApi(component).entries(ENTRIES[:count])))
    assert found == [engine.live.get(name) for name in NAMES[:count]]
    assert len(engine.calls) == count


def test_unreachable_consul_causes_one_attempt(engine: CountingEngine) -> None:
    engine.look_ups_until_failure = 0
    with pytest.raises(UnreadableError, match="^dial tcp .*: connection refused$"):
        in_component(engine, lambda component: ConsulApi(component).entries(ENTRIES))
    assert len(engine.calls) == 1


def test_consul_that_fails_during_the_reads_is_unreadable(engine: CountingEngine) -> None:
    engine.live = {}
    engine.look_ups_until_failure = 5
    with pytest.raises(UnreadableError, match="connection refused"):
        in_component(engine, lambda component: ConsulApi(component).entries(ENTRIES))
    # Each reader stops at its first failure.
    assert len(engine.calls) <= engine.look_ups_until_failure + READERS


def test_failed_look_up_that_the_program_handles_does_not_fail_the_update(engine: CountingEngine) -> None:
    engine.look_ups_until_failure = 0

    def handled(component: pulumi.Resource) -> None:
        with pytest.raises(UnreadableError):
            ConsulApi(component).entries(ENTRIES)

    in_component(engine, handled)


def test_look_ups_use_the_provider_of_the_component(engine: CountingEngine) -> None:
    engine.live = {}
    in_component(
        engine,
        lambda component: ConsulApi(component).entries(ENTRIES[:2]),
        lambda: [pulumi_consul.Provider("mine", address="127.0.0.1:8500")],
    )
    mine = "urn:pulumi:test::mesh::pulumi:pulumi:Stack$pulumi:providers:consul::mine::mine-id"
    assert [call.provider for call in engine.calls] == [mine, mine]


class Monitor:
    """A connection to the engine that records the requests and the timeouts of look-ups. Each entry is empty."""

    def __init__(self) -> None:
        self.requests: list[resource_pb2.ResourceInvokeRequest] = []
        self.timeouts: list[float] = []

    def Invoke(  # noqa: N802
        self, request: resource_pb2.ResourceInvokeRequest, timeout: float = 0
    ) -> resource_pb2.ResourceInvokeResponse:
        self.requests.append(request)
        self.timeouts.append(timeout)
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update({"configJson": "{}"})
        return response


@pytest.fixture
def monitor(monkeypatch: pytest.MonkeyPatch) -> Monitor:
    connection = Monitor()
    monkeypatch.setattr(engine_sdk, "get_monitor", lambda: connection)
    return connection


def test_look_ups_request_the_installed_version_of_the_plugin(
    engine: CountingEngine, monitor: Monitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consul_api, "version", {"pulumi_consul": "3.99.0"}.__getitem__)
    entries = [Entry("service-defaults", "web", {}, "shop", "europe"), Entry("service-defaults", "web", {}, "default")]
    in_component(engine, lambda component: ConsulApi(component).entries(entries))
    assert {(one.version, one.provider) for one in monitor.requests} == {("3.99.0", "")}
    web = {"kind": "service-defaults", "name": "web"}
    assert [dict(one.args) for one in monitor.requests] == [{**web, "namespace": "shop", "partition": "europe"}, web]


def test_second_read_has_a_timeout(engine: CountingEngine, monitor: Monitor) -> None:
    """The engine waits for a resource hook without a limit."""
    readers: list[ConsulApi] = []

    def prepared(component: pulumi.Resource) -> None:
        readers.append(ConsulApi(component))
        readers[0].prepare()

    in_component(engine, prepared)
    assert asyncio.run(readers[0].entry_in_hook(ENTRIES[0])) == {}
    assert monitor.timeouts == [consul_api.REREAD_TIMEOUT_SECONDS]
