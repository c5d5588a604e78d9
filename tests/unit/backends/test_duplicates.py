from typing import Any

import pulumi
import pulumi_consul
import pytest

from consul_tracing import InvalidInputError, MeshTracing
from consul_tracing.backends.identity import CONFIG_ENTRY
from tests.unit.mocked_engine import Engine


@pytest.mark.parametrize("is_same_mesh", [True, False])
def test_raw_resource_writes_to_the_mesh_of_its_parent(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, *, is_same_mesh: bool
) -> None:
    checks: list[Any] = []
    monkeypatch.setattr(pulumi.runtime, "get_root_resource", lambda: "the stack")
    monkeypatch.setattr(pulumi.runtime, "register_stack_transformation", checks.append)

    def program() -> None:
        provider = pulumi_consul.Provider("second", address="second.example.com:8500")
        second = pulumi.ResourceOptions(providers=[provider])
        MeshTracing("mesh", collector={"host": "zipkin"}, opts=second if is_same_mesh else None)
        group = pulumi.ComponentResource("acme:index:Group", "group", None, second)
        entry = {"kind": "proxy-defaults", "name": "global"}
        options = pulumi.ResourceOptions(parent=group)
        checks[0](pulumi.ResourceTransformationArgs(group, CONFIG_ENTRY, "raw", entry, options))

    if not is_same_mesh:
        engine.run(program)
        return
    with pytest.raises(InvalidInputError, match='conflicts with the resource "raw", which writes the same entry'):
        engine.run(program)
