"""Which entries are read for what relies on a protocol. What Consul refuses: tests/mesh/test_dependants.py."""

from typing import Any

import pytest

from consul_tracing import MeshTracing
from tests.unit.meshes import mesh
from tests.unit.mocked_engine import Engine

OWN = {"Meta": {"managed-by": "pulumi", "pulumi-stack": "organization/mesh/test"}}


@pytest.mark.parametrize(
    ("live", "read"),
    [
        ({}, False),
        ({"web": {"Protocol": "tcp", **OWN}}, True),
        ({"web": {"Protocol": "http", **OWN}}, False),
        ({"global": {"Config": {"protocol": "http"}}}, False),
    ],
    ids=["new", "raised", "unchanged", "the default"],
)
def test_relying_entries_are_read_if_an_existing_protocol_changes(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, live: dict[str, dict[str, Any]], *, read: bool
) -> None:
    engine.live = live
    kinds: set[str] = set()
    answer = engine.call

    def call(args: Any) -> Any:
        kinds.add(args.args.get("kind", ""))
        return answer(args)

    monkeypatch.setattr(engine, "call", call)
    engine.run(lambda: MeshTracing("mesh", mesh(services={"web": {"protocol": "http"}}, existing="adopt")))
    assert ("service-resolver" in kinds) is read
