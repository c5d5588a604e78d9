"""When Consul's catalog is read. Misspelt names: tests/mesh/test_missing_services.py."""

from typing import Any

import pytest

from consul_tracing import MeshTracing
from consul_tracing.backends.consul_api import SERVICES
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

OWN = {"Meta": {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}}
WEB = {"web": {"protocol": "http"}}


@pytest.mark.parametrize(("live", "reads"), [({}, 1), ({"web": {"Protocol": "http", **OWN}}, 0)], ids=["new", "steady"])
def test_catalog_is_read_only_for_a_new_entry(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, live: dict[str, Any], reads: int
) -> None:
    engine.live = live
    read: list[str] = []
    answer = engine.call

    def call(args: Any) -> Any:
        read.append(args.token)
        return answer(args)

    monkeypatch.setattr(engine, "call", call)
    engine.run(lambda: MeshTracing("mesh", mesh(services=WEB)))
    assert read.count(SERVICES) == reads


def test_unreadable_entry_is_not_new(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    engine.live = "connection refused"
    engine.run(lambda: MeshTracing("mesh", mesh(services={"wbe": {"protocol": "http"}})), preview=True)
    assert "CT535" not in caplog.text
