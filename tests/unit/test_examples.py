"""Examples: their index, and the one whose programs cannot run in the tests."""

import runpy
from pathlib import Path

import pulumi
import pytest

from consul_tracing.backends.kubernetes import backend
from consul_tracing.backends.kubernetes.access import MissingKindError
from testbed import CHECKOUT
from tests.unit.mocked_engine import Engine

EXAMPLES = CHECKOUT / "examples"
MAX_LINES = 46


def programs() -> list[Path]:
    return sorted(file for file in EXAMPLES.rglob("*") if file.name in {"__main__.py", "index.ts", "main.go"})


def test_index_lists_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    names = {one.name for one in EXAMPLES.iterdir() if one.is_dir()}
    assert {name for name in names if f"]({name})" not in index} == set()


@pytest.mark.parametrize("example", sorted(one for one in EXAMPLES.iterdir() if one.is_dir()), ids=lambda one: one.name)
def test_example_has_a_short_introduction(example: Path) -> None:
    assert 3 <= len((example / "README.md").read_text().splitlines()) <= 7


@pytest.mark.parametrize("program", programs(), ids=lambda one: one.parent.name)
def test_example_is_short(program: Path) -> None:
    assert len(program.read_text().splitlines()) <= MAX_LINES


def test_consul_k8s_and_its_mesh_are_previewed_on_an_empty_cluster(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With Pulumi's mocks: the tests cannot download the Helm chart."""

    def no_custom_resources(_: pulumi.ComponentResource) -> None:
        raise MissingKindError("proxy-defaults")

    monkeypatch.setattr(backend, "cluster_of", no_custom_resources)
    engine.run(lambda: runpy.run_path(str(EXAMPLES / "consul-k8s"), run_name="__main__"), preview=True)
    assert engine.registered["consul"].typ == "kubernetes:helm.sh/v3:Release"
    assert {"mesh-proxy-defaults", "mesh-service-web", "mesh-zipkin-deployment"} <= engine.registered.keys()
