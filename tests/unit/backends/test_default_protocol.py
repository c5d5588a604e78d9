from collections.abc import Sequence
from typing import Any

import pytest

from consul_tracing import MeshTracing
from consul_tracing.backends.default_protocol import services_without_protocol, undeclared_services
from consul_tracing.entries.entry import Entry
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

OWN = {"Meta": {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}}


@pytest.mark.parametrize(
    ("declared", "live", "is_reported"),
    [
        *(("http", live, True) for live in ({}, {"Config": None}, {"Config": {"protocol": "tcp"}})),
        ("http", {"Config": {"protocol": "grpc"}}, False),
        ("tcp", {}, False),
        (None, {}, False),
    ],
)
def test_http_default_is_reported_where_the_live_entry_has_none(
    engine: Engine, caplog: pytest.LogCaptureFixture, declared: str | None, live: dict[str, Any], *, is_reported: bool
) -> None:
    engine.live = {"global": {**live, **OWN}}
    tcp_services = {"tcp_services": []} if declared == "http" else {}
    engine.run(lambda: MeshTracing("mesh", mesh(default_protocol=declared, **tcp_services)))
    assert ("CT509" in caplog.text) is is_reported


def test_undeclared_services_exclude_declared_services_and_consul() -> None:
    catalogued = ["consul", "web", "mysql", "mesh-gateway", "redis"]
    found = undeclared_services(catalogued, [Entry("service-defaults", "web", {"Protocol": "http"})], None)
    assert [(entry.kind, entry.name) for entry in found] == [
        ("service-defaults", "mysql"),
        ("service-defaults", "redis"),
    ]


class Mesh:
    """A catalog with the live entries of some services and gateways."""

    def __init__(self, live: dict[tuple[str, str], dict[str, Any]]) -> None:
        self.live = live

    def service_names(self, namespace: str | None = None, partition: str | None = None) -> list[str]:  # noqa: ARG002
        return ["edge", "mysql", "old", "redis"]

    def entries(self, entries: Sequence[Entry]) -> list[dict[str, Any] | None]:
        return [self.live.get((entry.kind, entry.name)) for entry in entries]


@pytest.mark.parametrize("gateway", ["api-gateway", "ingress-gateway", "terminating-gateway"])
def test_services_without_a_protocol_exclude_gateways(gateway: str) -> None:
    live = {("service-defaults", "mysql"): {"Protocol": "tcp"}, ("service-defaults", "old"): {"Protocol": ""}}
    assert services_without_protocol(Mesh({**live, (gateway, "edge"): {}}), [], None) == ["old", "redis"]
