"""Examples: their index, and the one whose programs cannot run in the tests."""

import runpy
import textwrap

import pulumi
import pytest

from consul_tracing.backends.kubernetes import backend
from consul_tracing.backends.kubernetes.access import MissingKindError
from consul_tracing.cli.render.output import read_settings
from consul_tracing.cli.render.rendering import as_registration
from consul_tracing.entries.registrations import proxy_config
from consul_tracing.files.documents import read_documents
from consul_tracing.inputs.proxies import proxies_of
from testbed import CHECKOUT
from tests.unit.mocked_engine import Engine

EXAMPLES = CHECKOUT / "examples"


def test_index_lists_every_example() -> None:
    index = (EXAMPLES / "README.md").read_text()
    names = {one.name for one in EXAMPLES.iterdir() if one.is_dir()}
    assert {name for name in names if f"]({name})" not in index} == set()


def test_registration_has_the_keys_that_render_prints() -> None:
    text = (EXAMPLES / "per-service" / "batch.hcl").read_text()
    settings = read_settings(None, EXAMPLES / "per-service" / "mesh.yaml", {}, {})
    assert textwrap.indent(as_registration(settings, "batch"), " " * 6) in text
    (document,) = read_documents(text, "batch.hcl")
    assert (document.kind, document.name) == ("registration", "batch")
    assert document.fields["Config"] == proxy_config(settings, proxies_of(settings)["batch"])


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
