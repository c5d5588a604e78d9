"""Schema that Pulumi infers from the components for programs in other languages."""

import pytest
from pulumi.provider.experimental.analyzer import Analyzer, AnalyzeResult

from consul_tracing import MeshTracing, ServiceProtocols, ZipkinCollector


@pytest.fixture(scope="module")
def schema() -> AnalyzeResult:
    return Analyzer("consul-tracing").analyze([MeshTracing, ServiceProtocols, ZipkinCollector])


def test_inputs_and_outputs_have_descriptions(schema: AnalyzeResult) -> None:
    components, types = schema["component_definitions"], schema["type_definitions"]
    properties = {
        **{(name, key): one for name, found in components.items() for key, one in found.inputs.items()},
        **{(name, key): one for name, found in components.items() for key, one in found.outputs.items()},
        **{(name, key): one for name, found in types.items() for key, one in found.properties.items()},
    }
    assert len(types) > 20
    assert [path for path, one in properties.items() if not one.description] == []


def test_inputs_that_two_components_have_are_documented_equally(schema: AnalyzeResult) -> None:
    """The schema has no descriptions of inherited fields, so the arguments of `ServiceProtocols` repeat them."""
    mesh, team = (schema["component_definitions"][name].inputs for name in ("MeshTracing", "ServiceProtocols"))
    repeated = team.keys() - {"services", "partition"}
    assert {key: team[key].description for key in repeated} == {key: mesh[key].description for key in repeated}
