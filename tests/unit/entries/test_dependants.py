"""Which entries rely on the protocols of services. The cases were compared with Consul in tests/mesh."""

from typing import Any

import pytest

from consul_tracing.entries.dependants import Protocols, Service, refusals
from consul_tracing.entries.entry import Entry

WEB, API = ("web", "default", "default"), ("api", "default", "default")
HTTP = Protocols({WEB: "http", API: "http"}, "")

ROUTER = Entry("service-router", "web", {"Routes": [{"Destination": {"Service": "api"}}, {"Destination": None}]})
SPLITTER = Entry("service-splitter", "web", {"Splits": [{"Weight": 50}, {"Weight": 50, "Service": "api"}]})
SPLITTER_OF_OTHERS = Entry("service-splitter", "web", {"Splits": [{"Weight": 100, "Service": "api"}]})
REDIRECT = Entry("service-resolver", "web", {"Redirect": {"Service": "api"}})
FAILOVER = Entry("service-resolver", "web", {"Failover": {"*": {"Service": "api"}}})
FAILOVER_TARGETS = Entry("service-resolver", "web", {"Failover": {"*": {"Targets": [{"Service": "api"}]}}})
FAILOVER_OF_A_PEER = Entry(
    "service-resolver", "web", {"Failover": {"*": {"Targets": [{"Service": "api", "Peer": "east"}]}}}
)
FAILOVER_OF_A_DATACENTER = Entry("service-resolver", "web", {"Failover": {"*": {"Datacenters": ["dc2"]}}})


def ingress(service: str, protocol: str = "http") -> Entry:
    return Entry("ingress-gateway", "edge", {"Listeners": [{"Protocol": protocol, "Services": [{"Name": service}]}]})


def intentions(**source: Any) -> Entry:
    return Entry("service-intentions", "web", {"Sources": [{"Name": "*", **source}]})


def changed(before: Protocols, default: str | None = None, **own: str) -> Protocols:
    """Return the protocols with those of some services changed; an empty one is removed."""
    services: dict[Service, str] = {(name, "default", "default"): protocol for name, protocol in own.items()}
    return Protocols({**before.own, **services}, before.default if default is None else default)


@pytest.mark.parametrize(
    ("entry", "own", "services"),
    [
        (ROUTER, {"web": "tcp"}, [WEB]),
        (ROUTER, {"api": ""}, [API]),
        (ROUTER, {"api": "grpc"}, [API]),
        (ROUTER, {"web": "grpc", "api": "grpc"}, [API, WEB]),
        (SPLITTER, {"web": ""}, [WEB]),
        (SPLITTER, {"api": "tcp"}, [API]),
        (SPLITTER_OF_OTHERS, {"web": "tcp"}, []),
        (SPLITTER_OF_OTHERS, {"api": "tcp"}, [API]),
        (REDIRECT, {"web": "tcp"}, [WEB]),
        (FAILOVER, {"api": "tcp"}, [API]),
        (FAILOVER_TARGETS, {"api": "tcp"}, [API]),
        (FAILOVER_OF_A_PEER, {"web": "tcp"}, []),
        (FAILOVER_OF_A_DATACENTER, {"web": "tcp"}, []),
        (ingress("web"), {"web": "tcp"}, [WEB]),
        (ingress("web"), {"web": "grpc"}, [WEB]),
        (ingress("*"), {"web": "tcp"}, []),
        (ingress("web", "tcp"), {"web": "tcp"}, []),
        (intentions(Permissions=[{"Action": "allow"}]), {"web": "tcp"}, [WEB]),
        (intentions(Permissions=[{"Action": "allow"}]), {"web": "grpc"}, []),
        (intentions(Action="allow"), {"web": "tcp"}, []),
    ],
)
def test_changes_that_consul_refuses(entry: Entry, own: dict[str, str], services: list[Service]) -> None:
    found = refusals([entry], HTTP, changed(HTTP, **own))
    assert [(one.entry, one.service) for one in found] == [(entry, service) for service in services]


@pytest.mark.parametrize("entry", [ROUTER, SPLITTER, ingress("web"), intentions(Permissions=[{}])])
def test_default_protocol_is_changed_in_one_write(entry: Entry) -> None:
    before = Protocols({}, "http")
    assert refusals([entry], before, Protocols({}, ""))
    assert not refusals([entry], before, Protocols({API: "tcp"} if entry.kind == "ingress-gateway" else {}, "http"))


def test_services_of_a_failover_are_raised_by_the_default_only() -> None:
    before = Protocols({}, "")
    assert [one.service for one in refusals([FAILOVER], before, changed(before, web="http", api="http"))] == [API, WEB]
    assert not refusals([FAILOVER], before, changed(before, default="http"))
    assert refusals([FAILOVER], before, changed(before, default="http", web="http", api="http"))
    both = changed(before, default="http")
    assert not refusals([FAILOVER], both, changed(both, web="http", api="http"))


def test_an_entry_that_does_not_work_before_is_not_reported() -> None:
    assert not refusals([ROUTER], Protocols({WEB: "tcp"}, ""), Protocols({WEB: "tcp", API: "http"}, ""))
