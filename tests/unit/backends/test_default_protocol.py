from typing import Any

import pytest

from consul_tracing.backends.default_protocol import (
    enables_http_default,
    gateways,
    undeclared_services,
    without_protocol,
)
from consul_tracing.entries.entry import Entry
from tests.unit.meshes import settings

HTTP = settings(default_protocol="http", tcp_services=[])


@pytest.mark.parametrize("live", [None, {}, {"Config": None}, {"Config": {"protocol": "tcp"}}])
def test_http_default_is_enabled_where_the_live_entry_has_none(live: dict[str, Any] | None) -> None:
    assert enables_http_default(HTTP, live)


def test_existing_http_default_is_not_enabled_again() -> None:
    assert not enables_http_default(HTTP, {"Config": {"protocol": "grpc"}})
    assert not enables_http_default(settings(default_protocol="tcp"), None)
    assert not enables_http_default(settings(), None)


def test_undeclared_services_exclude_declared_services_sidecars_and_consul() -> None:
    catalogued = ["consul", "web", "web-sidecar-proxy", "mysql", "mesh-gateway", "redis"]
    found = undeclared_services(catalogued, [Entry("service-defaults", "web", {"Protocol": "http"})], HTTP)
    assert [(entry.kind, entry.name) for entry in found] == [
        ("service-defaults", "mysql"),
        ("service-defaults", "redis"),
    ]


def test_gateway_is_identified_by_an_entry_of_a_gateway_kind() -> None:
    assert [(entry.kind, entry.name) for entry in gateways(["edge"], HTTP)] == [
        ("api-gateway", "edge"),
        ("ingress-gateway", "edge"),
        ("terminating-gateway", "edge"),
    ]


def test_service_with_a_declared_protocol_is_not_reported() -> None:
    assert without_protocol({"mysql": {"Protocol": "tcp"}, "redis": None, "old": {"Protocol": ""}}) == ["redis", "old"]
