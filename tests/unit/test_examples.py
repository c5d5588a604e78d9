"""Examples: their index, and the one whose programs cannot run in the tests."""

import runpy

import pulumi
import pytest

from consul_tracing.backends.kubernetes import backend
from consul_tracing.backends.kubernetes.access import MissingKindError
from testbed import CHECKOUT
from tests.unit.mocked_engine import Engine

EXAMPLES = CHECKOUT / "examples"


def test_index_lists_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    names = {one.name for one in EXAMPLES.iterdir() if one.is_dir()}
    assert {name for name in names if f"]({name})" not in index} == set()


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
