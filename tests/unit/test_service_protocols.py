"""`ServiceProtocols` on Pulumi mocks."""

from typing import Any

import pulumi
import pytest

from consul_tracing import ConflictError, InvalidInputError, MeshTracing, ServiceProtocols
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

WEB: Any = {"web": {"protocol": "http"}}
OTHER_STACK = {"managed-by": "pulumi", "pulumi-stack": "acme/platform/prod"}


def test_only_service_defaults_are_registered(engine: Engine) -> None:
    engine.live = {"global": {"Meta": OTHER_STACK, "Config": {"envoy_tracing_json": "{}"}}}
    engine.run(lambda: ServiceProtocols("shop", {"services": {**WEB, "db": {"protocol": "tcp"}}}))
    assert set(engine.registered) == {"shop", "shop-service-web", "shop-service-db"}
    assert engine.entry("shop-service-web")["Protocol"] == "http"


def test_services_of_the_catalog_are_an_output(engine: Engine) -> None:
    found: list[Any] = []

    def program() -> pulumi.Output[Any]:
        shop = ServiceProtocols("shop", {"services": {"front": {"protocol": "http", "name": "web"}}})
        return pulumi.Output.all(shop.services, shop.warnings).apply(found.extend)

    engine.run(program)
    assert found == [["web"], []]


def test_service_of_another_stack_is_rejected(engine: Engine) -> None:
    engine.live = {"web": {"Protocol": "grpc", "Meta": OTHER_STACK}}
    with pytest.raises(ConflictError, match=r"service-defaults/web is managed by another stack \(acme/platform/prod\)"):
        engine.run(lambda: ServiceProtocols("shop", {"services": WEB}))
    assert set(engine.registered) == {"shop"}


def test_mesh_tracing_and_service_protocols_cannot_declare_the_same_service(engine: Engine) -> None:
    def program() -> None:
        MeshTracing("mesh", mesh(services=WEB))
        ServiceProtocols("shop", {"services": WEB})

    with pytest.raises(InvalidInputError, match='service-defaults/web: conflicts with "mesh"'):
        engine.run(program)


def test_tracing_of_a_service_is_rejected() -> None:
    services: Any = {"web": {"protocol": "http", "tracing": {"enabled": False}}}
    with pytest.raises(InvalidInputError, match="services.web.tracing: is not supported by ServiceProtocols"):
        ServiceProtocols("shop", {"services": services})


def test_mesh_inputs_are_rejected_by_service_protocols() -> None:
    args: Any = {"services": WEB, "sampling": {"random": 5}}
    with pytest.raises(InvalidInputError, match="sampling: is not an input of ServiceProtocols"):
        ServiceProtocols("shop", args)
    empty: Any = {}
    with pytest.raises(InvalidInputError, match="services: is required"):
        ServiceProtocols("shop", empty)


@pytest.mark.parametrize("preview", [True, False])
def test_team_without_services_writes_nothing(engine: Engine, *, preview: bool) -> None:
    engine.run(lambda: ServiceProtocols("shop", {"services": {}}), preview=preview)
    assert set(engine.registered) == {"shop"}
