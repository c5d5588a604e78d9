"""`ZipkinCollector` on Pulumi mocks."""

import sys
from typing import Any

import pulumi
import pulumi_kubernetes as kubernetes
import pytest
from pulumi.runtime.mocks import MockMonitor

from consul_tracing import InvalidInputError, MeshTracing
from consul_tracing.zipkin.manifests import manifests
from consul_tracing.zipkin_collector import ZipkinCollector
from tests.documents import code_blocks
from tests.unit.mocked_engine import Engine
from tests.unit.zipkin_collectors import EVERYTHING, settings


def test_each_manifest_is_registered_unchanged(engine: Engine) -> None:
    engine.run(lambda: ZipkinCollector("zipkin", EVERYTHING))  # type: ignore[arg-type]
    expected = {f"zipkin-{ending}": manifest for ending, manifest in manifests(settings(**EVERYTHING)).items()}
    children = {name: dict(args.inputs) for name, args in engine.registered.items() if name != "zipkin"}
    assert children == expected


def test_children_have_kubernetes_resource_types(engine: Engine) -> None:
    engine.run(lambda: ZipkinCollector("zipkin", EVERYTHING))  # type: ignore[arg-type]
    assert {name: args.typ for name, args in engine.registered.items()} == {
        "zipkin": "consul-tracing:index:ZipkinCollector",
        "zipkin-service-account": "kubernetes:core/v1:ServiceAccount",
        "zipkin-deployment": "kubernetes:apps/v1:Deployment",
        "zipkin-service": "kubernetes:core/v1:Service",
        "zipkin-ingress": "kubernetes:networking.k8s.io/v1:Ingress",
        "zipkin-autoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
        "zipkin-disruption-budget": "kubernetes:policy/v1:PodDisruptionBudget",
        "zipkin-network-policy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
        "zipkin-service-monitor": "kubernetes:monitoring.coreos.com/v1:ServiceMonitor",
        "zipkin-dependencies": "kubernetes:batch/v1:CronJob",
        "zipkin-dependencies-network-policy": "kubernetes:networking.k8s.io/v1:NetworkPolicy",
    }


def test_children_have_the_component_as_parent(engine: Engine) -> None:
    collector: list[ZipkinCollector] = []
    engine.run(lambda: collector.append(ZipkinCollector("zipkin", {})))
    children = {child._name for child in collector[0]._childResources}  # noqa: SLF001 - no public accessor exists
    assert {f"zipkin-{key}" for key in collector[0].objects} == children
    assert children == {"zipkin-service-account", "zipkin-deployment", "zipkin-service"}


def test_outputs_have_the_address_and_the_warnings(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    outputs: dict[str, Any] = {}

    def program() -> Any:
        collector = ZipkinCollector("zipkin", {"namespace": "tracing"})
        names = ["host", "port", "url", "warnings"]
        return pulumi.Output.all(**{name: getattr(collector, name) for name in names}).apply(outputs.update)

    engine.run(program)
    assert outputs["host"] == "zipkin.tracing.svc.cluster.local"
    assert outputs["port"] == 9411
    assert outputs["url"] == "http://zipkin.tracing.svc.cluster.local:9411"
    assert outputs["warnings"] == settings().warnings()
    assert outputs["warnings"][0] in caplog.text


def test_warning_is_shown_at_its_component(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[object] = []
    collectors: list[ZipkinCollector] = []
    monkeypatch.setattr(pulumi.log, "warn", lambda _, resource=None: shown.append(resource))
    engine.run(lambda: collectors.append(ZipkinCollector("zipkin", {})))
    assert shown
    assert {*shown} == {*collectors}


def test_objects_are_deleted_before_the_resources_of_their_inputs(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A text that is known in an update does not have the dependency."""
    depends_on: dict[str, set[str]] = {}
    register = MockMonitor.RegisterResource

    def recorded(monitor: MockMonitor, request: Any) -> Any:
        depends_on[request.name] = {urn.rpartition("::")[2] for urn in request.dependencies}
        return register(monitor, request)

    def program() -> None:
        namespace = kubernetes.core.v1.Namespace("tracing", metadata={"name": "tracing"})
        ZipkinCollector("zipkin", namespace=namespace.metadata.name)

    monkeypatch.setattr(MockMonitor, "RegisterResource", recorded)
    engine.run(program)
    assert depends_on["zipkin-deployment"] == depends_on["zipkin-service"] == {"tracing"}


@pytest.mark.parametrize("example", code_blocks("docs/guides/zipkin-kubernetes.md", "python"))
def test_documented_example_deploys_zipkin(engine: Engine, example: str) -> None:
    names = {"ZipkinCollector": ZipkinCollector, "MeshTracing": MeshTracing}
    engine.run(lambda: exec(example, names))  # noqa: S102 - the examples are part of the repository
    assert "zipkin-deployment" in engine.registered


def test_invalid_input_registers_nothing(engine: Engine) -> None:
    with pytest.raises(
        InvalidInputError, match='1 input of "zipkin" is invalid\n  replicas: must be 1 with storage.memory'
    ):
        engine.run(lambda: ZipkinCollector("zipkin", {"replicas": 2}))
    assert engine.registered == {}


def test_missing_pulumi_kubernetes_is_reported_with_the_fix(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pulumi_kubernetes", None)
    with pytest.raises(pulumi.RunError, match=r'pip install "consul-tracing\[kubernetes\] @ git'):
        engine.run(lambda: ZipkinCollector("zipkin", {}))
    assert engine.registered == {}
