from typing import Any

import pytest

from consul_tracing.entries import Entry
from consul_tracing.switch_over import candidates, gateways, switch_over_text, switches_over, undeclared
from tests.unit.meshes import settings

HTTP = settings(default_protocol="http", tcp_services=[])


@pytest.mark.parametrize("live", [None, {}, {"Config": None}, {"Config": {"protocol": "tcp"}}])
def test_an_http_default_is_a_switch_over_where_there_was_none(live: dict[str, Any] | None) -> None:
    assert switches_over(HTTP, live)


def test_an_http_default_that_is_there_already_is_none() -> None:
    assert not switches_over(HTTP, {"Config": {"protocol": "grpc"}})
    assert not switches_over(settings(default_protocol="tcp"), None)
    assert not switches_over(settings(), None)


def test_declared_services_sidecars_and_consul_itself_are_no_candidates() -> None:
    catalogued = ["consul", "web", "web-sidecar-proxy", "mysql", "mesh-gateway", "redis"]
    found = candidates(catalogued, [Entry("service-defaults", "web", {"Protocol": "http"})], HTTP)
    assert [(entry.kind, entry.name) for entry in found] == [
        ("service-defaults", "mysql"),
        ("service-defaults", "redis"),
    ]


def test_a_gateway_is_known_by_the_entry_of_its_kind() -> None:
    assert [(entry.kind, entry.name) for entry in gateways(["edge"], HTTP)] == [
        ("api-gateway", "edge"),
        ("ingress-gateway", "edge"),
        ("terminating-gateway", "edge"),
    ]


def test_a_service_whose_protocol_somebody_declared_is_not_named() -> None:
    assert undeclared({"mysql": {"Protocol": "tcp"}, "redis": None, "old": {"Protocol": ""}}) == ["redis", "old"]


def test_the_warning_names_the_services_and_what_to_do() -> None:
    assert "nobody declared: mysql, redis. Name those that are not HTTP in tcp_services" in switch_over_text(
        ["mysql", "redis"]
    )
